//! The RPC of Transmission, complete and in both dialects, for the tools that speak it. It is a
//! thin adapter: what is asked is looked up in tables, and answered out of the client's own views.
//!
//! Refusals come in the order of the real server: a foreign name (421, the guard's), no password
//! (401), no session id (409, which brings it). The session id is what no other page can know: it
//! is the proof against CSRF, so that any content type will do.

mod add;
mod args;
mod edit;
mod envelope;
mod fault;
mod fields;
mod get;
mod methods;
mod names;
mod nested;
mod recent;
mod session;
mod shelf;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing;
use subtle::ConstantTimeEq;
use tokio_stream::StreamExt;
use toubkal_daemon::Client;

use crate::guard::Who;
use recent::Recent;
use shelf::Shelf;

/// Bytes of the body of a request: a torrent file of the largest kind, in base64.
const BODY_BYTES_MAX: u64 = 90 << 20;
/// For each part of it.
const PART_TIME: Duration = Duration::from_secs(30);
/// What tells that a request comes from no foreign page.
const SESSION_ID: HeaderName = HeaderName::from_static("x-transmission-session-id");
/// The version of the RPC that is spoken, told beside it.
const RPC_VERSION: HeaderName = HeaderName::from_static("x-transmission-rpc-version");
const SEMVER: &str = "6.0.0";

/// What every call has.
#[derive(Debug)]
struct Rpc {
    client: Client,
    /// Stays for the life of the server.
    session: String,
    /// Limits that are off.
    shelf: Mutex<Shelf>,
    recent: Mutex<Recent>,
}

impl Rpc {
    fn new(client: Client, session: String) -> Self {
        let recent = Mutex::new(Recent::new(&client));
        Self { client, session, shelf: Mutex::default(), recent }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The routes.
///
/// # Errors
/// When there is no randomness.
pub(crate) fn routes(client: Client) -> Result<Router, String> {
    use base64::Engine;
    let secret = crate::access::random()?;
    let session = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(secret);
    let rpc = Arc::new(Rpc::new(client, session));
    let router = Router::new()
        .route("/transmission/rpc", routing::any(serve))
        .route("/transmission/rpc/", routing::any(serve));
    Ok(router.with_state(rpc))
}

async fn serve(State(rpc): State<Arc<Rpc>>, request: Request) -> Response {
    if request.extensions().get::<Who>() != Some(&Who::User) {
        let basic = HeaderValue::from_static("Basic realm=\"Toubkal\"");
        let text = "name or password is missing or wrong\n";
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, basic)], text)
            .into_response();
    }
    let shown = request.headers().get(SESSION_ID).map(HeaderValue::as_bytes).unwrap_or_default();
    if !bool::from(shown.ct_eq(rpc.session.as_bytes())) {
        // Who is still sending would not see the answer when the connection ends at once.
        let _ = read(request, |_| {}).await;
        return conflict(&rpc.session);
    }
    if *request.method() != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let mut body = Vec::new();
    let read = read(request, |part| body.extend_from_slice(part)).await;
    if let Err(status) = read {
        return status.into_response();
    }
    // A call may wait for the disk, or for another server.
    let answer = tokio::task::spawn_blocking(move || envelope::answer(&rpc, &body)).await;
    match answer {
        Ok(Some(answer)) => axum::Json(answer).into_response(),
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Reads the body of a request, part by part.
///
/// # Errors
/// When it is too long, too slow, or breaks off.
async fn read(request: Request, mut take: impl FnMut(&[u8])) -> Result<(), StatusCode> {
    let told = request.body().size_hint().lower();
    if told > BODY_BYTES_MAX {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut left = BODY_BYTES_MAX;
    let mut parts = request.into_body().into_data_stream();
    loop {
        let part = tokio::time::timeout(PART_TIME, parts.next()).await;
        let Some(part) = part.map_err(|_| StatusCode::REQUEST_TIMEOUT)? else { return Ok(()) };
        let part = part.map_err(|_| StatusCode::BAD_REQUEST)?;
        let less = left.checked_sub(part.len() as u64);
        left = less.ok_or(StatusCode::PAYLOAD_TOO_LARGE)?;
        take(&part);
    }
}

fn conflict(session: &str) -> Response {
    let text = format!("send this header with every request:\n{SESSION_ID}: {session}\n");
    let mut response = (StatusCode::CONFLICT, text).into_response();
    let headers = response.headers_mut();
    if let Ok(session) = HeaderValue::from_str(session) {
        headers.insert(SESSION_ID, session);
    }
    headers.insert(RPC_VERSION, HeaderValue::from_static(SEMVER));
    response
}
