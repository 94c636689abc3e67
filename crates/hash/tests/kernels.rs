//! Every kernel that this CPU has, one by one, against RustCrypto. Which ran, and which could
//! not, is printed: `cargo test -p toubkal-hash -- --nocapture`.

use sha1::Digest as _;
use toubkal_hash::{Algorithm, Hasher, Job, Kernel, One, Two};

/// What is tested: the algorithm and its oracle.
trait Known: Algorithm {
    const NAME: &'static str;
    fn right(bytes: &[u8]) -> Self::Digest;
}

impl Known for One {
    const NAME: &'static str = "SHA-1";
    fn right(bytes: &[u8]) -> [u8; 20] {
        sha1::Sha1::digest(bytes).into()
    }
}

impl Known for Two {
    const NAME: &'static str = "SHA-256";
    fn right(bytes: &[u8]) -> [u8; 32] {
        sha2::Sha256::digest(bytes).into()
    }
}

/// Chance that is the same in every run (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}

/// Runs a test for each kernel that the CPU has, and for the choice of the crate (`None`).
fn each<A: Known>(test: impl Fn(Option<Kernel>)) {
    for kernel in Kernel::ALL {
        let name = kernel.name();
        if kernel.is_available() {
            println!("{}: {name} runs", A::NAME);
            test(Some(kernel));
        } else {
            println!("{}: {name} is NOT RUN: this CPU does not have it", A::NAME);
        }
    }
    println!("{}: chosen here: {}", A::NAME, Hasher::<A>::kernel().name());
    test(None);
}

fn digests<A: Algorithm>(kernel: Option<Kernel>, messages: &[&[u8]]) -> Vec<A::Digest> {
    let mut out = vec![A::Digest::default(); messages.len()];
    match kernel {
        Some(kernel) => Hasher::<A>::digest_all_by(kernel, messages, &mut out),
        None => Hasher::<A>::digest_all(messages, &mut out),
    }
    out
}

fn update_all<A: Algorithm>(kernel: Option<Kernel>, jobs: &mut [Job<'_, A>]) {
    match kernel {
        Some(kernel) => Hasher::update_all_by(kernel, jobs),
        None => Hasher::update_all(jobs),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// FIPS 180-2, appendices A and B, and the messages of NIST's examples.
fn the_answers_of_the_standard<A: Known>(answers: [&str; 4]) {
    let million = vec![b'a'; 1_000_000];
    let messages: [&[u8]; 4] =
        [b"", b"abc", b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", &million];
    each::<A>(|kernel| {
        for turn in 0..4 {
            let messages: Vec<&[u8]> = (0..4).map(|at| messages[(at + turn) % 4]).collect();
            for (at, digest) in digests::<A>(kernel, &messages).iter().enumerate() {
                assert_eq!(hex(digest.as_ref()), answers[(at + turn) % 4]);
            }
        }
    });
    for (message, answer) in messages.iter().zip(answers) {
        assert_eq!(hex(Hasher::<A>::digest(message).as_ref()), answer, "a lone message");
    }
}

#[test]
fn sha1_gives_the_answers_of_the_standard() {
    the_answers_of_the_standard::<One>([
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "a9993e364706816aba3e25717850c26c9cd0d89d",
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
        "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
    ]);
}

#[test]
fn sha256_gives_the_answers_of_the_standard() {
    the_answers_of_the_standard::<Two>([
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
    ]);
}

/// All lengths around the edges of blocks and of what fills them up, in any number of lanes.
fn every_tail_is_right<A: Known>() {
    let bytes = Chance(7).bytes(131);
    let messages: Vec<&[u8]> = (0..=130).map(|length| &bytes[..length]).collect();
    let right: Vec<_> = messages.iter().map(|message| A::right(message)).collect();
    each::<A>(|kernel| {
        assert_eq!(digests::<A>(kernel, &messages), right, "{kernel:?}");
        for (message, right) in messages.iter().zip(&right) {
            let same = [*message; 20];
            assert_eq!(digests::<A>(kernel, &same), [*right; 20], "{} bytes", message.len());
        }
    });
    for (message, right) in messages.iter().zip(&right) {
        assert_eq!(Hasher::<A>::digest(message), *right, "{} bytes alone", message.len());
    }
}

#[test]
fn every_tail_of_sha1_is_right() {
    every_tail_is_right::<One>();
}

#[test]
fn every_tail_of_sha256_is_right() {
    every_tail_is_right::<Two>();
}

/// From no message to forty, of the same length and of lengths that differ wildly.
fn any_number_of_messages_is_right<A: Known>() {
    let mut chance = Chance(11);
    let bytes = chance.bytes(100_000);
    for count in 0..=40 {
        for uneven in [false, true] {
            let messages: Vec<&[u8]> = (0..count)
                .map(|_| {
                    let end = [1, 200, 3_000, 40_000][chance.below(4)];
                    let length = if uneven { chance.below(end) } else { 1024 };
                    let from = chance.below(bytes.len() - length);
                    &bytes[from..from + length]
                })
                .collect();
            let right: Vec<_> = messages.iter().map(|message| A::right(message)).collect();
            for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
                let digests = digests::<A>(Some(kernel), &messages);
                assert_eq!(digests, right, "{count} messages by {}", kernel.name());
            }
            assert_eq!(digests::<A>(None, &messages), right, "{count} messages");
        }
    }
}

#[test]
fn any_number_of_messages_of_sha1_is_right() {
    any_number_of_messages_is_right::<One>();
}

#[test]
fn any_number_of_messages_of_sha256_is_right() {
    any_number_of_messages_is_right::<Two>();
}

/// Messages in several calls, each of parts that are cut anywhere, empty ones among them; some
/// of them go on alone in between.
fn cuts_do_not_matter<A: Known>() {
    each::<A>(|kernel| {
        let mut chance = Chance(13);
        for round in 0..60 {
            let count = chance.below(24);
            let messages: Vec<Vec<u8>> = (0..count)
                .map(|_| chance.below(9_000))
                .collect::<Vec<_>>()
                .into_iter()
                .map(|length| chance.bytes(length))
                .collect();
            let mut hashers = vec![Hasher::<A>::new(); count];
            let mut done = vec![0; count];
            for call in 0..4 {
                let parts: Vec<Vec<&[u8]>> = (0..count)
                    .map(|at| {
                        let left = messages[at].len() - done[at];
                        let now = if call == 3 { left } else { chance.below(left + 1) };
                        let from = done[at];
                        done[at] += now;
                        cut(&messages[at][from..from + now], &mut chance)
                    })
                    .collect();
                let (jobs, parts) = (hashers.iter_mut(), parts.iter());
                let mut jobs: Vec<Job<'_, A>> =
                    jobs.zip(parts).map(|(hasher, parts)| Job { hasher, parts }).collect();
                update_all(kernel, &mut jobs);
                if let Some(hasher) = hashers.first_mut() {
                    let now = (messages[0].len() - done[0]).min(70);
                    hasher.update(&messages[0][done[0]..done[0] + now]);
                    done[0] += now;
                }
            }
            for (hasher, message) in hashers.into_iter().zip(&messages) {
                assert_eq!(hasher.clone().finalize(), A::right(message), "round {round}");
            }
        }
    });
}

fn cut<'m>(mut bytes: &'m [u8], chance: &mut Chance) -> Vec<&'m [u8]> {
    let mut parts = Vec::new();
    let end = [3, 64, 130, 2_000][chance.below(4)];
    while !bytes.is_empty() {
        let (now, rest) = bytes.split_at(chance.below(end).min(bytes.len()));
        parts.push(now);
        bytes = rest;
    }
    parts
}

#[test]
fn cuts_do_not_matter_to_sha1() {
    cuts_do_not_matter::<One>();
}

#[test]
fn cuts_do_not_matter_to_sha256() {
    cuts_do_not_matter::<Two>();
}

#[test]
fn the_choice_can_run_here() {
    for kernel in [Hasher::<One>::kernel(), Hasher::<Two>::kernel()] {
        assert!(kernel.is_available());
        assert!((1..=16).contains(&kernel.lanes()));
    }
    assert_eq!(Hasher::<One>::lanes(), Hasher::<One>::kernel().lanes());
}

#[test]
#[should_panic(expected = "this CPU cannot run")]
fn a_kernel_that_the_cpu_lacks_is_refused() {
    let lacking = Kernel::ALL.into_iter().find(|kernel| !kernel.is_available());
    // No CPU has those of two architectures.
    let lacking = lacking.expect("some kernel is of another architecture");
    Hasher::<One>::digest_all_by(lacking, &[], &mut []);
}
