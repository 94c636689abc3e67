//! Proof that wire, core and hash need no std, checked by `cargo xtask test --only no-std`.
//!
//! A program has one panic handler. std brings one; this crate brings another, so it compiles
//! only as long as nothing it depends on links std.
#![no_std]
#![forbid(unsafe_code)]

use toubkal_core as _;
use toubkal_hash as _;
use toubkal_wire as _;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
