//! How hosts behave that do not behave as the engine does.

/// How a host behaves towards others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manners {
    /// As the engine does.
    #[default]
    Honest,
    /// One block in so many that it sends is wrong.
    Corrupts(u64),
    /// It takes requests and never sends a block.
    Silent,
    /// It unchokes, and rejects every request.
    Rejects,
    /// It does not speak the Fast extension.
    Plain,
    /// It uploads to nobody.
    Takes,
    /// It chokes and unchokes with every block that it sends.
    Flaps,
    /// It asks for three blocks more, any at all, with every message.
    Floods,
    /// It says that it has everything, and has not.
    Boasts,
}
