//! Serving the console's files, compressed once.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::{EmbeddedFile, RustEmbed};

/// What the page may load and speak to: nothing but this collector.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; object-src 'none'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// Names of these files change with their content.
const NAMED_BY_CONTENT: &str = "assets/";
/// Smaller files gain nothing.
const WORTH_IT: usize = 1_000;

#[derive(RustEmbed)]
#[folder = "../console/dist"]
struct Files;

/// Compressed files by the hash of their content.
static COMPRESSED: LazyLock<Mutex<HashMap<[u8; 32], Bytes>>> = LazyLock::new(Mutex::default);

/// The file at the path, or the page for every address that the page itself understands; `None` for what a program
/// asked for.
pub(crate) fn serve(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    let path = uri.path().trim_start_matches('/');
    if ["api/", "agent/"].iter().any(|prefix| path.starts_with(prefix)) {
        return None;
    }
    if let Some(file) = Some(path).filter(|path| !path.is_empty()).and_then(Files::get) {
        return Some(answer(path, &file, headers));
    }
    // A page of the console, asked for by a browser; a program that mistypes an address is told so.
    let browses =
        headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|it| it.contains("text/html"));
    let is_file = path.rsplit('/').next().unwrap_or_default().contains('.');
    let is_page = path.is_empty() || (browses && !is_file);
    let page = Files::get("index.html").filter(|_| is_page)?;
    Some(answer("index.html", &page, headers))
}

fn answer(path: &str, file: &EmbeddedFile, headers: &HeaderMap) -> Response {
    let hash = file.metadata.sha256_hash();
    let tag = format!("\"{}\"", hash[..12].iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let kept = if path.starts_with(NAMED_BY_CONTENT) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut answer: Vec<(HeaderName, HeaderValue)> = vec![
        (header::CACHE_CONTROL, HeaderValue::from_static(kept)),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
    ];
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.push((header::ETAG, tag));
    }
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if text(&header::IF_NONE_MATCH).split(',').any(|known| known.trim() == tag) {
        return with(StatusCode::NOT_MODIFIED.into_response(), answer);
    }
    let kind = HeaderValue::from_static(content_type(path));
    answer.push((header::CONTENT_TYPE, kind));
    answer.push((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)));
    answer.push((header::REFERRER_POLICY, HeaderValue::from_static("same-origin")));
    let understood = text(&header::ACCEPT_ENCODING).split(',').any(|coding| coding.trim().starts_with("gzip"));
    let bytes = Bytes::from(file.data.to_vec());
    let worth_it = bytes.len() >= WORTH_IT && !path.ends_with(".png") && !path.ends_with(".woff2");
    let body = match (understood && worth_it).then(|| compressed(hash, &bytes)).flatten() {
        Some(compressed) => {
            answer.push((header::CONTENT_ENCODING, HeaderValue::from_static("gzip")));
            compressed
        }
        None => bytes,
    };
    with(body.into_response(), answer)
}

fn with(mut response: Response, headers: Vec<(HeaderName, HeaderValue)>) -> Response {
    response.headers_mut().extend(headers);
    response
}

fn compressed(hash: [u8; 32], bytes: &Bytes) -> Option<Bytes> {
    let known = || COMPRESSED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(compressed) = known().get(&hash) {
        return Some(compressed.clone());
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    let compressed = Bytes::from(encoder.finish().ok()?);
    known().insert(hash, compressed.clone());
    Some(compressed)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "webmanifest" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
