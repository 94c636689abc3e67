//! The program `toubkal`.
#![forbid(unsafe_code)]
fn main() {}
