//! The cookie of a sign-in, and the token that proves that a request comes from our own page.

use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest as _, Sha256};

use super::Problem;
use crate::config::Config;

/// The header that carries the page's token.
pub(super) const PAGE_TOKEN: &str = "x-kouan-page-token";

/// The cookie's name. `__Host-` makes browsers insist on TLS and on this very host (RFC 6265bis, 4.1.3.2).
fn name(config: &Config) -> &'static str {
    if is_secure(config) { "__Host-kouan" } else { "kouan" }
}

/// Plain HTTP that other machines reach has TLS in front of it.
fn is_secure(config: &Config) -> bool {
    config.plain_http || config.tls().is_some()
}

/// The cookie that keeps somebody signed in for `seconds`; with 0 the browser forgets it.
pub(super) fn set(config: &Config, token: &str, seconds: u64) -> Result<HeaderValue, Problem> {
    let (name, secure) = (name(config), if is_secure(config) { "; Secure" } else { "" });
    let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).map_err(|_| Problem::internal())
}

/// The cookie of somebody who is at the identity provider; empty to forget it. `Lax`, because the provider's page
/// leads back here.
pub(super) fn set_state(config: &Config, state: &str) -> Result<HeaderValue, Problem> {
    let (name, secure) = (state_name(config), if is_secure(config) { "; Secure" } else { "" });
    let seconds = if state.is_empty() { 0 } else { 600 };
    let text = format!("{name}={state}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).map_err(|_| Problem::internal())
}

fn state_name(config: &Config) -> &'static str {
    if is_secure(config) { "__Host-kouan-oidc" } else { "kouan-oidc" }
}

/// What [`set_state`] has set.
pub(super) fn state<'h>(config: &Config, headers: &'h HeaderMap) -> Option<&'h str> {
    find(state_name(config), headers).filter(|state| !state.is_empty())
}

/// The token in the cookie, if there is one.
pub(super) fn token<'h>(config: &Config, headers: &'h HeaderMap) -> Option<&'h str> {
    find(name(config), headers)
}

fn find<'h>(name: &str, headers: &'h HeaderMap) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, token)| token)
}

/// What our page sends with every request that changes something. Other pages cannot read it, and cannot set a header.
pub(super) fn page_token(token: &str) -> String {
    let digest = Sha256::new().chain_update(b"page\0").chain_update(token).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the request comes from our own page.
///
/// # Errors
/// 403 if it does not say so.
pub(super) fn check_page(headers: &HeaderMap, token: &str) -> Result<(), Problem> {
    let foreign = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    // Compared as digests of 256 random bits; how long it takes tells nothing.
    let matches = headers.get(PAGE_TOKEN).is_some_and(|sent| sent.as_bytes() == page_token(token).as_bytes());
    if foreign || !matches {
        let detail = format!("a change needs the header \"{PAGE_TOKEN}\" with the token that /api/v1/session tells");
        return Err(Problem::new(axum::http::StatusCode::FORBIDDEN, "foreign-page", "Not from this page", detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, String)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let config = Config::default();
        let found = headers(&[("cookie", "a=b; kouan=ks_1; c=d".to_owned())]);
        assert_eq!(token(&config, &found), Some("ks_1"));
        assert_eq!(token(&config, &headers(&[("cookie", "notkouan=ks_1".to_owned())])), None);
        let open = Config { listen: "0.0.0.0:1".parse().unwrap(), ..config };
        assert_eq!(token(&open, &found), None, "a cookie from before TLS counts no more");
        assert!(set(&open, "ks_1", 5).unwrap().to_str().unwrap().contains("; Secure"));
    }

    #[test]
    fn a_change_comes_from_our_page() {
        let right = ("x-kouan-page-token", page_token("ks_1"));
        assert!(check_page(&headers(std::slice::from_ref(&right)), "ks_1").is_ok());
        assert!(check_page(&headers(std::slice::from_ref(&right)), "ks_2").is_err());
        assert!(check_page(&headers(&[]), "ks_1").is_err());
        assert!(check_page(&headers(&[right, ("sec-fetch-site", "cross-site".to_owned())]), "ks_1").is_err());
    }
}
