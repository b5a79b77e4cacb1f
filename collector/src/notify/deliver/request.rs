//! A request to a receiver, and what its answer means.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode, Url, header};

use super::courier::{Couriers, DeliverError};
use super::guard::{Forbidden, is_allowed};

/// How much of an answer is read.
const ANSWER_BYTES: usize = 16 * 1024;
/// How much of it is told.
const TOLD: usize = 300;

impl Couriers {
    /// The address with its secrets, if channels may lead there.
    pub(super) fn address(&self, url: &str) -> Result<Url, DeliverError> {
        let filled = self.secrets.fill(url, percent)?;
        let url = Url::parse(&filled).map_err(|error| DeliverError::Refused(format!("the address: {error}")))?;
        let literal = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        match literal {
            Some(address) if !self.allow_link_local && !is_allowed(address) => {
                Err(DeliverError::Refused(Forbidden(address).to_string()))
            }
            _ => Ok(url),
        }
    }
}

/// A secret as it stands in an address.
pub(super) fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Sends a request and reads the answer, if the receiver says by its status that it took it.
pub(super) async fn send(request: RequestBuilder) -> Result<String, DeliverError> {
    let response = request.send().await.map_err(|error| DeliverError::later(cause(&error.without_url())))?;
    let status = response.status();
    let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let text = read(response).await;
    if status.is_success() {
        return Ok(text);
    }
    let problem = format!("the receiver answered {status}: {}", told(&text));
    // Time-outs and too many requests pass; all other 4xx is about this request. Redirects are not followed.
    if status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY)
    {
        return Err(DeliverError::Later {
            problem,
            after: after.map(|seconds: u64| Duration::from_secs(seconds.min(3_600))),
        });
    }
    Err(DeliverError::Refused(problem))
}

/// What of an answer people are told.
pub(super) fn told(text: &str) -> String {
    let letter = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().take(TOLD).map(letter).collect::<String>().trim().to_owned()
}

/// The whole chain of causes: the first one alone says next to nothing.
fn cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    told(&text)
}

async fn read(mut response: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(ANSWER_BYTES);
    String::from_utf8_lossy(&bytes).into_owned()
}
