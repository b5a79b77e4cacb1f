//! Where profiles come from: those built in, and a folder of the site's own.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A profile's text and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileSource {
    /// File name for messages.
    pub file: String,
    /// The TOML text.
    pub text: String,
}

/// Profiles by name. A file of the site's own replaces a built-in one of the same name.
#[derive(Debug, Clone, Default)]
pub struct ProfileStore {
    profiles: BTreeMap<String, ProfileSource>,
    /// Profiles that were read and found right, so that all devices of a model share one.
    read: Arc<Mutex<HashMap<String, Arc<dyn Any + Send + Sync>>>>,
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../configs/profiles/", $name, ".toml")))),*]
    };
}

/// The profiles in this program: name and text.
const BUILT_IN: &[(&str, &str)] = built_in![
    "apc-smart-ups",
    "barrier-waveshare",
    "call-buttons-waveshare",
    "card-reader-line",
    "carel-ir33",
    "chafon-18",
    "chafon-288m",
    "clever-mpro",
    "code-scanner-line",
    "cpower-led",
    "ds205a-gate",
    "eb-gate",
    "escpos-printer",
    "huawei-ups2000",
    "huidu-led",
    "kerong-cu16",
    "kerong-cu48",
    "kiosk-mqtt",
    "liebert-gxe",
    "llrp-reader",
    "lock-board-8a80-12",
    "lock-board-8a80-24",
    "lot-turnstile",
    "m100-reader",
    "md02-hundredths",
    "onokom-air",
    "osdp-door",
    "osdp-reader",
    "pzem-016",
    "rdm6300",
    "scale-and-text",
    "sdm120",
    "sdm230",
    "sdm630",
    "seahawk-10k",
    "sht30-humidity-first",
    "socomec-jbus",
    "th-temperature-first",
    "uhppote-4door",
    "waveshare-relay-8ch",
    "waveshare-relay-8ch-plain",
    "wb-mwac",
    "xy-md02",
    "yaohua-xk3190",
    "yaohua-xk3190-a12e",
    "ydt-air-conditioner",
    "zkteco-c3",
];

/// The names of the built-in profiles.
#[cfg(feature = "simulators")]
pub(crate) fn built_in_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

impl ProfileStore {
    /// The built-in profiles.
    #[must_use]
    pub fn built_in() -> Self {
        let profiles = BUILT_IN.iter().map(|(name, text)| {
            let file = format!("built-in profile {name}.toml");
            ((*name).to_owned(), ProfileSource { file, text: (*text).to_owned() })
        });
        Self { profiles: profiles.collect(), read: Arc::default() }
    }

    /// Adds every `*.toml` of `folder`; the file name is the profile's name.
    ///
    /// # Errors
    /// When the folder or a file cannot be read.
    pub fn add_folder(&mut self, folder: &Path) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let (Some("toml"), Some(name)) =
                (path.extension().and_then(|e| e.to_str()), path.file_stem().and_then(|name| name.to_str()))
            else {
                continue;
            };
            let text = std::fs::read_to_string(&path)?;
            self.insert(name, ProfileSource { file: path.display().to_string(), text });
        }
        Ok(())
    }

    /// Adds or replaces one profile.
    pub fn insert(&mut self, name: &str, source: ProfileSource) {
        self.profiles.insert(name.to_owned(), source);
        // Not emptied: clones of this store still have what they had.
        self.read = Arc::default();
    }

    /// The profile, if it was read before by the same kind.
    pub(super) fn read_before<P: Any + Send + Sync>(&self, name: &str) -> Option<Arc<P>> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(read.get(name)?).downcast().ok()
    }

    /// Keeps a profile for the next device of its model.
    pub(super) fn remember<P: Any + Send + Sync>(&self, name: &str, profile: P) -> Arc<P> {
        let profile = Arc::new(profile);
        let kept: Arc<dyn Any + Send + Sync> = Arc::clone(&profile) as _;
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), kept);
        profile
    }

    /// The profile of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ProfileSource> {
        self.profiles.get(name)
    }

    /// Every name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }
}
