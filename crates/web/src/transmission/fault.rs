//! What goes wrong in a call: a code of the newer dialect, and words.

use serde_json::{Value, json};
use toubkal_daemon::{AddError, Refusal};

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    code: i32,
    /// What is particular to this case.
    text: String,
}

/// Codes of JSON-RPC 2.0 and of Transmission, with what each says.
const CODES: [(i32, &str); 13] = [
    (Fault::PARSE, "Parse error"),
    (Fault::REQUEST, "Invalid Request"),
    (Fault::METHOD, "Method not found"),
    (Fault::PARAMS, "Invalid params"),
    (Fault::INTERNAL, "Internal error"),
    (Fault::ANNOUNCE, "error setting announce list"),
    (Fault::TRACKERS, "Invalid tracker list"),
    (Fault::RELATIVE, "path is not absolute"),
    (Fault::UNRECOGNIZED, "unrecognized info"),
    (Fault::SYSTEM, "system error"),
    (Fault::FILE, "file index out of range"),
    (Fault::HTTP, "HTTP error from backend service"),
    (Fault::CORRUPT, "invalid or corrupt torrent file"),
];

impl Fault {
    pub(super) const PARSE: i32 = -32700;
    pub(super) const REQUEST: i32 = -32600;
    pub(super) const METHOD: i32 = -32601;
    pub(super) const PARAMS: i32 = -32602;
    pub(super) const INTERNAL: i32 = -32603;
    pub(super) const ANNOUNCE: i32 = 1;
    pub(super) const TRACKERS: i32 = 2;
    pub(super) const RELATIVE: i32 = 3;
    pub(super) const UNRECOGNIZED: i32 = 4;
    pub(super) const SYSTEM: i32 = 5;
    pub(super) const FILE: i32 = 6;
    pub(super) const HTTP: i32 = 8;
    pub(super) const CORRUPT: i32 = 9;

    pub(super) fn new(code: i32, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// Without more to say than the code does.
    pub(super) fn bare(code: i32) -> Self {
        Self::new(code, "")
    }

    pub(super) fn params(text: impl Into<String>) -> Self {
        Self::new(Self::PARAMS, text)
    }

    /// As the older dialect says it, in the place of `success`.
    pub(super) fn words(&self) -> &str {
        match self.text.as_str() {
            "" => self.message(),
            text => text,
        }
    }

    /// As JSON-RPC says it.
    pub(super) fn object(&self) -> Value {
        let mut object = json!({"code": self.code, "message": self.message()});
        if !self.text.is_empty() {
            object["data"] = json!({"error_string": self.text});
        }
        object
    }

    fn message(&self) -> &'static str {
        let known = CODES.iter().find(|(code, _)| *code == self.code);
        known.map_or("error", |(_, words)| words)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Unknown(_) | Refusal::Value(_) => Self::PARAMS,
            _ => Self::SYSTEM,
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<AddError> for Fault {
    fn from(error: AddError) -> Self {
        match &error {
            AddError::NoTorrent(text) => {
                Self::new(Self::CORRUPT, format!("invalid or corrupt torrent file: {text}"))
            }
            _ => Self::params(error.to_string()),
        }
    }
}
