//! Errors of the API, as RFC 9457 has them.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use toubkal_daemon::{AddError, Refusal};

/// What went wrong: `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// Which kind of problem it is; stable.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// What that means.
    pub(crate) title: &'static str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What happened, and what to do about it.
    pub(crate) detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Problem");
        Self { kind, title, status: status.as_u16(), detail: detail.into() }
    }

    /// A value that makes no sense.
    pub(crate) fn value(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "value", detail)
    }

    /// A request that cannot be read.
    pub(crate) fn request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "request", detail)
    }

    /// There is no such thing.
    pub(crate) fn missing(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "missing", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = serde_json::to_string(&self).expect("a problem is made of plain values");
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::Unknown(_) => Self::missing(text),
            Refusal::Value(_) => Self::value(text),
            Refusal::State(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, "state", text),
        }
    }
}

impl From<AddError> for Problem {
    fn from(error: AddError) -> Self {
        let text = error.to_string();
        match error {
            AddError::Duplicate(id) => {
                Self::new(StatusCode::CONFLICT, "duplicate", format!("{text}, as torrent {id}"))
            }
            AddError::NoTorrent(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "torrent", text),
            AddError::Refused(_) => Self::value(text),
        }
    }
}
