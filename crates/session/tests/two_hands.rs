//! What holds with one hand holds with two: the same tests, and other interleavings.
#![allow(clippy::duplicate_mod, reason = "each of the test files has what is common")]

#[path = "hostile.rs"]
mod hostile;
#[path = "transfer.rs"]
mod transfer;
