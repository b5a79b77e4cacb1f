//! Changing the configuration file: checked before it is written, whole or not at all after a power cut, the earlier
//! text kept beside it, comments left where they are.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use kouan_protocol::Digest;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use crate::config::{Config, ConfigError};
use crate::config_facts::Revision;

/// The file could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// What is there, or would be there, is not right.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The text is no TOML.
    #[error("reading {path} failed: {cause}")]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        cause: toml_edit::TomlError,
    },
    /// There is no such link or device.
    #[error("{path} has no {what} named \"{name}\"")]
    Missing {
        /// The file.
        path: PathBuf,
        /// `link` or `device`.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// Somebody else wrote the file meanwhile.
    #[error("{path} was changed by somebody else meanwhile; nothing was written, try again")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{operation} {path} failed: {cause}")]
    System {
        /// What was being done.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
}

/// A configuration file that is being changed. Others who edit it through this wait.
#[derive(Debug)]
pub struct ConfigEdit {
    path: PathBuf,
    text: String,
    document: DocumentMut,
    _lock: File,
}

impl ConfigEdit {
    /// Opens the file, or begins one with `beginning` where there is none.
    ///
    /// # Errors
    /// When it cannot be read or is no TOML.
    pub fn open(path: &Path, beginning: &str) -> Result<Self, EditError> {
        // A link to the file stays one.
        let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = folder(path);
        let system = |operation, path: &Path| {
            let path = path.to_owned();
            move |cause| EditError::System { operation, path, cause }
        };
        let lock = File::open(folder).map_err(system("opening the folder", folder))?;
        lock.lock().map_err(system("locking the folder", folder))?;
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => beginning.to_owned(),
            Err(cause) => return Err(system("reading", path)(cause)),
        };
        let parsed = text.parse::<DocumentMut>();
        let document = parsed.map_err(|cause| EditError::Toml { path: path.clone(), cause })?;
        Ok(Self { path: path.clone(), text, document, _lock: lock })
    }

    /// Adds a link without devices at the end.
    pub fn add_link(&mut self, keys: Vec<(String, toml_edit::Value)>) {
        push(self.document.as_table_mut(), "link", keys);
    }

    /// Adds a device at the end of a link.
    ///
    /// # Errors
    /// When there is no such link.
    pub fn add_device(&mut self, link: &str, keys: Vec<(String, toml_edit::Value)>) -> Result<(), EditError> {
        let missing = || EditError::Missing { path: self.path.clone(), what: "link", name: link.to_owned() };
        let missing = missing();
        let found = tables(self.document.as_table_mut(), "link").find(|table| is_named(table, link)).ok_or(missing)?;
        push(found, "device", keys);
        Ok(())
    }

    /// Adds words to a device's list, such as the points whose polarity is proved; none twice.
    ///
    /// # Errors
    /// When there is no such device.
    pub fn extend_list(&mut self, device: &str, key: &str, words: &[String]) -> Result<(), EditError> {
        let missing = EditError::Missing { path: self.path.clone(), what: "device", name: device.to_owned() };
        let mut devices = tables(self.document.as_table_mut(), "link").flat_map(|link| tables(link, "device"));
        let found = devices.find(|table| is_named(table, device)).ok_or(missing)?;
        let list = found.entry(key).or_insert_with(|| value(toml_edit::Array::new()));
        let Some(list) = list.as_array_mut() else { return Ok(()) };
        for word in words {
            if !list.iter().any(|known| known.as_str() == Some(word)) {
                list.push(word.as_str());
            }
        }
        Ok(())
    }

    /// The text as it would be written, without a new revision.
    #[must_use]
    pub fn preview(&self) -> String {
        self.document.to_string()
    }

    /// Checks the changed text, keeps the old one in `FILE.revisions/`, and replaces the file.
    ///
    /// # Errors
    /// When the changed text has problems, the file was changed meanwhile, or the system refuses; it is then as before.
    pub fn commit(mut self, origin: &str, at: &str) -> Result<Revision, EditError> {
        let before = self.document.get("revision").and_then(Item::as_table_like);
        let number = before.and_then(|table| table.get("number")).and_then(Item::as_integer).unwrap_or(0);
        let number = u32::try_from(number).unwrap_or(0).saturating_add(1);
        let replaces = Digest::of(self.text.as_bytes()).to_string();
        let revision = Revision { number, origin: origin.to_owned(), at: at.to_owned(), replaces };
        let mut table = Table::new();
        table.insert("number", value(i64::from(number)));
        table.insert("origin", value(origin));
        table.insert("at", value(at));
        table.insert("replaces", value(revision.replaces.as_str()));
        self.document.insert("revision", Item::Table(table));
        let text = self.document.to_string();
        Config::parse(&self.path.display().to_string(), &text)?;
        self.replace(&text, number)?;
        Ok(revision)
    }

    fn replace(&self, text: &str, number: u32) -> Result<(), EditError> {
        let system = |operation, path: &Path| {
            let path = path.to_owned();
            move |cause| EditError::System { operation, path, cause }
        };
        let path = &self.path;
        let now = std::fs::metadata(path).ok();
        if now.is_some() && !std::fs::read_to_string(path).is_ok_and(|text| text == self.text) {
            return Err(EditError::Changed { path: path.clone() });
        }
        let folder = folder(path);
        let mode = now.as_ref().map_or(0o640, |metadata| metadata.mode() & 0o777);
        let write = |path: &Path, text: &str| {
            let new = OpenOptions::new().create(true).write(true).truncate(true).mode(mode).open(path);
            let mut new = new.map_err(system("writing", path))?;
            if let Some(owner) = &now {
                // The service must still be able to read it; one who is not root can only keep what is his own.
                let _ = std::os::unix::fs::fchown(&new, Some(owner.uid()), Some(owner.gid()));
            }
            new.write_all(text.as_bytes()).and_then(|()| new.sync_all()).map_err(system("writing", path))
        };
        if now.is_some() {
            let mut kept = path.clone().into_os_string();
            kept.push(".revisions");
            let kept = PathBuf::from(kept);
            std::fs::create_dir_all(&kept).map_err(system("making the folder", &kept))?;
            write(&kept.join(format!("{:04}.toml", number - 1)), &self.text)?;
            sync_folder(&kept).map_err(system("syncing", &kept))?;
        }
        let mut new = path.clone().into_os_string();
        new.push(".new");
        let new = PathBuf::from(new);
        write(&new, text)?;
        std::fs::rename(&new, path).map_err(system("replacing", path))?;
        sync_folder(folder).map_err(system("syncing", folder))
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

fn push(table: &mut Table, key: &str, keys: Vec<(String, toml_edit::Value)>) {
    let mut new = Table::new();
    for (key, word) in keys {
        new.insert(&key, Item::Value(word));
    }
    let list = table.entry(key).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    if let Some(list) = list.as_array_of_tables_mut() {
        // A blank line before it, as people write it.
        new.decor_mut().set_prefix("\n");
        list.push(new);
    }
}

fn tables<'t>(table: &'t mut Table, key: &str) -> impl Iterator<Item = &'t mut Table> {
    table.get_mut(key).and_then(Item::as_array_of_tables_mut).into_iter().flat_map(ArrayOfTables::iter_mut)
}

fn is_named(table: &Table, name: &str) -> bool {
    table.get("name").and_then(Item::as_str) == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# of the port\ndata = \"/tmp/kouan-edit\"\n\n[[link]] # the line\nname = \"line-1\"\nkind = \
                        \"modbus\"\nserial = \"/dev/ttyUSB0\"\n\n[[link.device]]\nname = \"a\"\nprofile = \
                        \"xy-md02\"\nunit = 1 # by its DIP switch\n\n[[link]]\nname = \"host\"\nkind = \
                        \"host\"\n\n[[link.device]]\nname = \"edge\"\n";

    fn device(unit: i64) -> Vec<(String, toml_edit::Value)> {
        vec![
            ("name".to_owned(), "b".into()),
            ("profile".to_owned(), "waveshare-relay-8ch".into()),
            ("unit".to_owned(), unit.into()),
        ]
    }

    #[test]
    fn a_device_joins_its_link_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, TEXT).unwrap();
        let mut edit = ConfigEdit::open(&path, "").unwrap();
        edit.add_device("line-1", device(2)).unwrap();
        let revision = edit.commit("local: add b, by test", "2026-11-22T00:00:00Z").unwrap();
        assert_eq!(revision.number, 1);
        let text = std::fs::read_to_string(&path).unwrap();
        for comment in ["# of the port", "# the line", "# by its DIP switch"] {
            assert!(text.contains(comment), "{text}");
        }
        let config = Config::load(&path).unwrap();
        assert_eq!(config.links[0].devices.len(), 2, "{text}");
        assert_eq!(config.facts.revision, Some(revision));
        let kept = std::fs::read_to_string(folder.path().join("agent.toml.revisions/0000.toml")).unwrap();
        assert_eq!(kept, TEXT);
        // A second change counts on, and keeps what the first one wrote.
        let mut edit = ConfigEdit::open(&path, "").unwrap();
        edit.extend_list("b", "proved", &["relay.1".to_owned()]).unwrap();
        assert_eq!(edit.commit("local", "2026-11-22T00:00:01Z").unwrap().number, 2);
        assert_eq!(std::fs::read_to_string(folder.path().join("agent.toml.revisions/0001.toml")).unwrap(), text);
    }

    #[test]
    fn what_would_be_wrong_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, TEXT).unwrap();
        let mut edit = ConfigEdit::open(&path, "").unwrap();
        edit.add_device("line-1", device(1)).unwrap();
        let said = edit.commit("local", "").unwrap_err().to_string();
        assert!(said.contains("unit 1 of this link is already \"a\""), "{said}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), TEXT);
        let mut edit = ConfigEdit::open(&path, "").unwrap();
        assert!(edit.add_device("line-9", device(2)).is_err());
        // Somebody else's change is not overwritten.
        edit.add_device("line-1", device(3)).unwrap();
        std::fs::write(&path, format!("{TEXT}# mine\n")).unwrap();
        assert!(matches!(edit.commit("local", ""), Err(EditError::Changed { .. })));
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("# mine\n"));
    }
}
