//! The guard before everything: who asks, from which page, under which name.
//!
//! The threats it stands against: a page in the user's own browser that asks on its behalf (CSRF),
//! or that has its name point here (DNS rebinding), and guessing.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use tokio::sync::Semaphore;

use crate::access::Access;
use crate::problem::Problem;
use crate::throttle::Throttle;

/// The cookie of a browser's session.
pub(crate) const COOKIE: &str = "toubkal";
/// The longest head of `Authorization` that is looked at.
const AUTHORIZATION_MAX: usize = 4096;

/// Where a connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// The local socket, which only its owner can open.
    Local,
    Tcp(IpAddr),
}

/// What the guard knows.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) access: Access,
    /// Names under which we are reached, beside addresses and `localhost`; lower case.
    names: Vec<String>,
    throttle: Mutex<Throttle>,
    /// One password is looked at at a time: that takes memory and time.
    patience: Semaphore,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Somebody who may do everything.
    User,
    Stranger,
}

impl Guard {
    pub(crate) fn new(access: Access, names: &[String]) -> Self {
        let names = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { access, names, throttle: Mutex::default(), patience: Semaphore::new(1) }
    }

    /// Looks at a password; an error when one has to wait.
    pub(crate) async fn check(
        self: &Arc<Self>,
        via: Via,
        name: &str,
        password: &str,
    ) -> Result<bool, Problem> {
        let Via::Tcp(from) = via else { return Ok(true) };
        // One after the other, so that many guesses at once are many failures.
        let _one = self.patience.acquire().await;
        if let Some(wait) = self.throttle().wait(from, Instant::now()) {
            let seconds = wait.as_secs() + 1;
            let detail = format!("too many wrong passwords: wait {seconds} s");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "wait", detail));
        }
        let (guard, name, password) = (Arc::clone(self), name.to_owned(), password.to_owned());
        let look = move || guard.access.is_user(&name, &password);
        let good = tokio::task::spawn_blocking(look).await.unwrap_or(false);
        match good {
            true => self.throttle().passed(from),
            false => self.throttle().failed(from, Instant::now()),
        }
        Ok(good)
    }

    fn throttle(&self) -> std::sync::MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn who(self: &Arc<Self>, via: Via, headers: &HeaderMap) -> Result<Who, Problem> {
        if via == Via::Local || self.access.is_open() {
            return Ok(Who::User);
        }
        if cookie(headers).is_some_and(|secret| self.access.is_session(secret)) {
            return Ok(Who::User);
        }
        let Some(given) = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()) else {
            return Ok(Who::Stranger);
        };
        let good = match given.split_once(' ') {
            _ if given.len() > AUTHORIZATION_MAX => false,
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                self.access.is_token(token.trim())
            }
            Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => match basic(pair) {
                Some((name, password)) => self.check(via, &name, &password).await?,
                None => false,
            },
            _ => false,
        };
        Ok(if good { Who::User } else { Who::Stranger })
    }

    /// Whether the name in `Host` is one of ours.
    fn knows(&self, host: &str) -> bool {
        let name = host_name(host);
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        let name = name.to_ascii_lowercase();
        address || name == "localhost" || self.names.contains(&name)
    }
}

/// Stands before every request.
pub(crate) async fn stand(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Response {
    let via = request.extensions().get::<Via>().copied();
    let via = via.unwrap_or(Via::Tcp(IpAddr::from([0, 0, 0, 0])));
    let outcome = match look(&guard, via, &request) {
        Ok(()) => guard.who(via, request.headers()).await,
        Err(problem) => Err(problem),
    };
    let mut response = match outcome {
        Ok(who) => {
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    protect(response.headers_mut());
    response
}

/// Whether the request may be looked at, whoever sends it.
fn look(guard: &Guard, via: Via, request: &Request) -> Result<(), Problem> {
    if via == Via::Local {
        return Ok(());
    }
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    if !guard.knows(host) {
        let detail = format!(
            "this is not reached under the name {:?}: use its address, or put the name into \
             the configuration",
            host_name(host)
        );
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "host", detail));
    }
    let foreign = |text: &str| {
        let (_, rest) = text.split_once("://").unwrap_or(("", text));
        rest.split('/').next().unwrap_or_default() != host
    };
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let elsewhere = site.is_some_and(|site| matches!(site, "cross-site" | "same-site"));
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if text(header::ORIGIN).is_some_and(foreign) || (elsewhere && !reads) {
        let detail = "another page may not ask on your behalf";
        return Err(Problem::new(StatusCode::FORBIDDEN, "origin", detail));
    }
    Ok(())
}

/// Only its user, and by requests that no other page can make, may change anything.
pub(crate) async fn user_only(request: Request, next: Next) -> Response {
    if request.extensions().get::<Who>() != Some(&Who::User) {
        let detail = "show a token (Authorization: Bearer ...), or log in";
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "login", detail);
        let mut response = problem.into_response();
        let bearer = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        return response;
    }
    if *request.method() == Method::POST && is_simple(request.headers()) {
        let detail = "send JSON (Content-Type: application/json)";
        return Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "type", detail).into_response();
    }
    next.run(request).await
}

/// Whether any page could send this without being asked: a form, or plain text.
fn is_simple(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    kind.is_none_or(|kind| {
        ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", ""]
            .iter()
            .any(|simple| kind.eq_ignore_ascii_case(simple))
    })
}

/// What browsers are told about every answer.
fn protect(headers: &mut HeaderMap) {
    const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; \
        frame-ancestors 'none'; object-src 'none'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "interest-cohort=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// What our cookie holds.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
    let mut pairs =
        cookies.flat_map(|all| all.split(';')).filter_map(|it| it.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// A host without its port.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn basic(pair: &str) -> Option<(String, String)> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(pair.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Credentials;

    fn guard() -> Guard {
        let access = Access::new(&Credentials::default()).unwrap();
        Guard::new(access, &["Seedbox.example".to_owned()])
    }

    #[test]
    fn addresses_and_names_that_were_given_are_ours_and_no_others() {
        let guard = guard();
        for host in
            ["127.0.0.1:80", "[::1]:80", "[::1]", "localhost", "LOCALHOST:1", "seedbox.example:9"]
        {
            assert!(guard.knows(host), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ":80"]
        {
            assert!(!guard.knows(host), "{host}");
        }
    }

    fn asked(method: Method, headers: &[(&str, &str)]) -> Result<(), u16> {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        let via = Via::Tcp([127, 0, 0, 1].into());
        look(&guard(), via, &request).map_err(|problem| problem.status)
    }

    #[test]
    fn another_page_cannot_ask_and_our_own_can() {
        let (host, get, post) = (("host", "127.0.0.1:80"), Method::GET, Method::POST);
        let asks: [(_, &[(&str, &str)], _); 8] = [
            (&post, &[], Ok(())),
            (&post, &[("origin", "http://127.0.0.1:80")], Ok(())),
            (&post, &[("origin", "http://evil.example")], Err(403)),
            (&post, &[("origin", "http://127.0.0.1:81")], Err(403)),
            (&post, &[("origin", "null")], Err(403)),
            (&post, &[("sec-fetch-site", "cross-site")], Err(403)),
            (&get, &[("sec-fetch-site", "cross-site")], Ok(())),
            (&get, &[("origin", "http://evil.example")], Err(403)),
        ];
        for (method, headers, expected) in asks {
            let headers = [&[host], headers].concat();
            assert_eq!(asked(method.clone(), &headers), expected, "{method} {headers:?}");
        }
        assert_eq!(asked(get.clone(), &[("host", "evil.example")]), Err(421));
        assert_eq!(asked(get, &[]), Err(421));
    }

    #[test]
    fn what_a_form_can_send_is_told_from_what_it_cannot() {
        let kind = |kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            headers
        };
        assert!(is_simple(&HeaderMap::new()) && is_simple(&kind("text/plain; charset=x")));
        assert!(is_simple(&kind("Multipart/form-data; boundary=x")));
        assert!(!is_simple(&kind("application/json")));
        assert!(!is_simple(&kind("application/x-bittorrent")));
    }
}
