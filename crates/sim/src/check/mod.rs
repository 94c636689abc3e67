//! Checkers: what must hold in every world, each in a file of its own.

pub(crate) mod durability;
