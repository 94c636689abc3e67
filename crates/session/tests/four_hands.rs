//! What holds with one hand holds with four, more than some machines have cores.
#![allow(clippy::duplicate_mod, reason = "each of the test files has what is common")]

#[path = "hostile.rs"]
mod hostile;
#[path = "transfer.rs"]
mod transfer;
