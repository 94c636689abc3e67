//! Chores: `cargo xtask help` lists them.
fn main() {}
