//! The engine in a world in which peers keep no promise: nothing breaks, and in peace all is done.

use toubkal_core::base::Rng;
use toubkal_core::engine::testing;

pub(crate) fn engine(input: &[u8]) {
    testing::play(Rng::from_bytes(input));
}
