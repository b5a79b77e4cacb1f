//! Waiting on conditions instead of sleeping.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use anyhow::bail;

/// How long something may take that happens at once unless the machine is busy.
pub const SHORT: Duration = Duration::from_secs(20);
/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(25);

/// Looks at `look` until it gives `Some`. An error of `look` counts as "not yet" and is told if time runs out.
///
/// # Errors
/// When `timeout` has passed, with what was last seen.
pub async fn wait_for<T>(
    what: &str,
    timeout: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<Result<T, String>>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        let seen = match look().await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(seen)) => seen,
            Err(error) => format!("error: {error:#}"),
        };
        if started.elapsed() >= timeout {
            bail!("{what}: not within {timeout:?}; last seen: {seen}");
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Looks at `look` until what it gives passes `enough`, and returns that.
///
/// # Errors
/// When `timeout` has passed, with what was last seen.
pub async fn wait_until<T: Debug>(
    what: &str,
    timeout: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<T>,
    enough: impl Fn(&T) -> bool,
) -> anyhow::Result<T> {
    wait_for(what, timeout, async || {
        let seen = look().await?;
        Ok(if enough(&seen) { Ok(seen) } else { Err(short(&seen)) })
    })
    .await
}

/// Enough of a value to see what is wrong.
fn short<T: Debug>(value: &T) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(2000) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
