//! The fuzzer: libFuzzer with the target that `TOUBKAL_FUZZ` names. `cargo xtask fuzz` builds it
//! with the marks of coverage that libFuzzer reads, and runs it.
#![no_main]

use std::sync::OnceLock;

use toubkal_fuzz::Target;

/// One program for all targets is linked once.
static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("TOUBKAL_FUZZ").unwrap_or_default();
        let target = toubkal_fuzz::target(&name);
        TARGET.get_or_init(|| target.expect("TOUBKAL_FUZZ names a target"));
    },
    |input: &[u8]| {
        (TARGET.get().expect("it was set at the start").play)(input);
    }
);
