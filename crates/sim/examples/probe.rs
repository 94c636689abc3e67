//! Prints how a small swarm goes, second by second.
use std::time::Duration;
use toubkal_sim::{Setup, World};
use toubkal_wire::layout::Layout;
fn main() {
    let args: Vec<u64> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let (n, blocks, slots) = (args[0] as usize, args[1], args[2] as u32);
    let layout = Layout::new(8 * 16384, [(blocks * 16384 - 100, false)]).unwrap();
    let mut world = World::new(2, layout);
    let s = world.host(Setup { seed: true, slots, ..Setup::default() });
    let ls: Vec<usize> = (0..n).map(|_| world.host(Setup { slots, ..Setup::default() })).collect();
    let mut before = 0;
    for t in 1..200 {
        world.run_until(Duration::from_secs(t));
        let st: Vec<_> = ls.iter().map(|&h| world.report(h).status.unwrap()).collect();
        let up: u64 = st.iter().map(|s| s.uploaded).sum();
        let seed = world.report(s).status.unwrap();
        let have: Vec<u32> = st.iter().map(|s| s.have).collect();
        let copies = world.copies(&ls);
        let distinct = copies.iter().filter(|&&c| c > 0).count();
        let full = copies.iter().filter(|&&c| c as usize == n).count();
        println!(
            "{t}: distinct {distinct} full {full} leech up/s {:>6} kB seed {:>5} kB unchoked_by {} wasted {} have min {} max {} ",
            (up - before) / 1000,
            seed.up_rate / 1000,
            st.iter().map(|s| s.unchoked_by).sum::<u32>(),
            st.iter().map(|s| s.wasted).sum::<u64>() / 1000,
            have.iter().min().unwrap(),
            have.iter().max().unwrap()
        );
        before = up;
        if have.iter().all(|&h| h == seed.pieces) {
            break;
        }
    }
    let mut done: Vec<_> =
        ls.iter().map(|&h| world.report(h).completed.map_or(999.0, |d| d.as_secs_f64())).collect();
    done.sort_by(f64::total_cmp);
    println!(
        "median {:.1} last {:.1} fluid {:.1}",
        done[n / 2],
        done[n - 1],
        (blocks as f64 * 16384.0 / 1e6)
    );
}
