//! The page: made of `page/` by `cargo xtask page`, and part of the program from then on.

use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};

use crate::problem::Problem;

/// Whether the page is part of this program. It is not when it was built without Node's help.
pub const HAS_PAGE: bool = !ASSETS.is_empty();

/// What stands in the page's place.
const WITHOUT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <title>Toubkal</title><h1>Toubkal runs</h1><p>This build has no page. Its API is at \
    <a href=\"/api/v1/openapi.json\">/api/v1</a>. To have the page: install Node.js, run \
    <code>cargo xtask page</code> in the sources, and build again.</p></html>";
/// What has a hash in its name never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Everything else is asked about each time.
const ASK_AGAIN: &str = "no-cache";
const INDEX: &str = "/index.html";

/// A file of the page.
struct Asset {
    /// From the root, with a slash before it.
    path: &'static str,
    /// Of its bytes, quoted.
    etag: &'static str,
    bytes: &'static [u8],
    /// The same, smaller, when it is smaller.
    gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// Answers what nothing else answers: with a file of the page, or with the page.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    let missing = || Problem::missing("there is nothing of this name").into_response();
    if path.starts_with("/api/") || path.starts_with("/transmission/") {
        return missing();
    }
    if method != Method::GET && method != Method::HEAD {
        return missing();
    }
    // Whatever has no dot is a view of the page.
    let path = if path.contains('.') { path } else { INDEX };
    match ASSETS.iter().find(|asset| asset.path == path) {
        Some(asset) => send(asset, &headers),
        None if path == INDEX => Html(WITHOUT).into_response(),
        None => missing(),
    }
}

fn send(asset: &Asset, headers: &HeaderMap) -> Response {
    let cache = if asset.path.starts_with("/assets/") { FOR_EVER } else { ASK_AGAIN };
    let fixed = HeaderValue::from_static;
    let about = [
        (header::CACHE_CONTROL, fixed(cache)),
        (header::ETAG, fixed(asset.etag)),
        (header::VARY, fixed("accept-encoding")),
    ];
    let says = |name, word: &str| {
        let value = headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        value.is_some_and(|value| value.split(',').any(|it| it.trim() == word))
    };
    if says(header::IF_NONE_MATCH, asset.etag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let kind = [(header::CONTENT_TYPE, fixed(kind(asset.path)))];
    match asset.gzip.filter(|_| says(header::ACCEPT_ENCODING, "gzip")) {
        Some(bytes) => {
            let coded = [(header::CONTENT_ENCODING, fixed("gzip"))];
            (about, kind, coded, bytes).into_response()
        }
        None => (about, kind, asset.bytes).into_response(),
    }
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Asset = Asset {
        path: "/assets/x-abc.js",
        etag: "\"1\"",
        bytes: b"long text",
        gzip: Some(b"short"),
    };

    fn sent(headers: &[(&'static str, &'static str)]) -> Response {
        let fixed = |(name, value): &(&'static str, &'static str)| {
            (header::HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        send(&SOME, &headers.iter().map(fixed).collect())
    }

    async fn body(response: Response) -> Vec<u8> {
        axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn who_takes_gzip_gets_it_and_who_has_it_already_gets_nothing() {
        let plain = sent(&[]);
        assert_eq!(plain.headers()[header::CACHE_CONTROL], FOR_EVER);
        assert_eq!(plain.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
        assert_eq!(body(plain).await, b"long text");
        let small = sent(&[("accept-encoding", "br, gzip")]);
        assert_eq!(small.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(body(small).await, b"short");
        let again = sent(&[("if-none-match", "\"0\", \"1\"")]);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(body(again).await, b"");
    }

    #[tokio::test]
    async fn a_path_without_a_dot_is_a_view_and_one_with_a_dot_is_a_file_or_nothing() {
        let get = async |path: &'static str| {
            serve(Method::GET, Uri::from_static(path), HeaderMap::new()).await
        };
        for path in ["/", "/torrent/7", "/settings?x=1.5"] {
            let page = get(path).await;
            assert_eq!(page.status(), StatusCode::OK, "{path}");
            assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        }
        for path in ["/../Cargo.toml", "/assets/none.js", "/api/v1/none", "/transmission/none"] {
            assert_eq!(get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
        let post = serve(Method::POST, Uri::from_static("/"), HeaderMap::new()).await;
        assert_eq!(post.status(), StatusCode::NOT_FOUND);
        assert_eq!(HAS_PAGE, ASSETS.iter().any(|asset| asset.path == INDEX));
    }
}
