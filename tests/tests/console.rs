//! The console in a real browser: the tests in `console/browser`, run as people run them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use kouan_tests::{ProcessOptions, binary, run_to_end};

/// How long the whole suite may take; on two idle cores it takes less than half of it.
const WHOLE: Duration = Duration::from_secs(270);

#[tokio::test]
async fn people_watch_a_fleet_in_a_browser() -> anyhow::Result<()> {
    run("browser/console.test.mjs").await
}

#[tokio::test]
async fn people_work_at_the_console_in_a_browser() -> anyhow::Result<()> {
    run("browser/work.test.mjs").await
}

async fn run(tests: &str) -> anyhow::Result<()> {
    let console = Path::new(env!("CARGO_MANIFEST_DIR")).join("../console");
    ensure!(console.join("node_modules").is_dir(), "the console's packages are not installed; run `make test-setup`");
    let stage = binary("kouan-stage")?;
    let folder = stage.parent().context("the program has no folder")?;
    let arguments = ["--test", "--test-reporter=spec", tests];
    let mut options = ProcessOptions::new("browser", "node".into(), &console, arguments);
    options.environment.push(("KOUAN_BIN_DIR".into(), folder.into()));
    let (status, out, problems) = run_to_end(&options, WHOLE).await?;
    ensure!(status.success(), "the browser tests ended with {status}\n{out}{problems}");
    Ok(())
}
