//! Swarms of engines in virtual time, all chance from one seed.
#![forbid(unsafe_code)]
