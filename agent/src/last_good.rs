//! The last configuration with which the agent ran, kept in its data folder: where the file is changed into one that
//! cannot be used, the agent goes on with that, and says so.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use kouan_settings::{Bilingual, Translate as _};

use crate::config::{Config, ConfigError};

/// The agent's own alarm while it runs with an earlier configuration.
pub const CONDITION: &str = "config.rejected";

const NAME: &str = "last-good.toml";
const DEFAULT_DATA: &str = "/var/lib/kouan-agent";

/// A configuration that the agent can run with.
#[derive(Debug)]
pub struct Usable {
    /// The settings.
    pub config: Config,
    /// Its text, as it stands in the file it came from.
    pub text: String,
    /// Why the file itself could not be used, where these are the last good settings.
    pub rejected: Option<Bilingual>,
}

/// Reads the file; if it has problems, the last one with which the agent ran.
///
/// # Errors
/// Those of the file itself, when there is no earlier one that can be used.
pub fn load(path: &Path) -> Result<Usable, ConfigError> {
    let text = crate::config::read(path)?;
    let problems = match Config::parse(&path.display().to_string(), &text) {
        Ok(config) => return Ok(Usable { config, text, rejected: None }),
        Err(problems) => problems,
    };
    let kept = data_of(&text).join(NAME);
    let earlier = fs::read_to_string(&kept).ok().and_then(|text| {
        let config = Config::parse(&kept.display().to_string(), &text).ok()?;
        Some(Usable { config, text, rejected: Some(problems.translate()) })
    });
    earlier.ok_or(problems)
}

/// Keeps the text of a configuration with which the agent runs, so that after a power cut there is this one or the
/// earlier one. It may hold a token: only the agent's user reads it.
///
/// # Errors
/// When the data folder cannot be written.
pub fn keep(data: &Path, text: &str) -> io::Result<()> {
    let path = data.join(NAME);
    if fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
        return Ok(());
    }
    let aside = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&aside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&aside, &path)?;
    fs::File::open(data)?.sync_all()
}

/// The data folder that a text names, also where the text is no TOML at all.
fn data_of(text: &str) -> PathBuf {
    let named = |line: &str| {
        let value = line.trim().strip_prefix("data")?.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
        value.split('"').next().map(PathBuf::from)
    };
    text.lines().take_while(|line| !line.trim_start().starts_with('[')).find_map(named).unwrap_or(DEFAULT_DATA.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_used_leaves_the_last_good_one_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let (file, data) = (folder.path().join("agent.toml"), folder.path().join("data"));
        fs::create_dir(&data).unwrap();
        let good = format!("# the site's own\ndata = \"{}\"\n", data.display());
        fs::write(&file, format!("{good}oops")).unwrap();
        assert!(load(&file).is_err(), "there is no earlier one");
        fs::write(&file, &good).unwrap();
        let usable = load(&file).unwrap();
        assert!(usable.rejected.is_none());
        keep(&usable.config.data, &usable.text).unwrap();
        for broken in ["[[link]]\nname = \"a\"\n", "this is no TOML"] {
            fs::write(&file, format!("{good}{broken}")).unwrap();
            let usable = load(&file).unwrap();
            assert_eq!((usable.text.as_str(), usable.config.data.as_path()), (good.as_str(), data.as_path()));
            let why = usable.rejected.unwrap();
            assert!(why.english.contains("agent.toml:3"), "{why}");
            assert!(why.chinese.contains("agent.toml 第 3"), "{why:?}");
        }
    }
}
