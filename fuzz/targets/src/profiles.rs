//! Device profiles that somebody wrote.

use kouan_drivers::profile::{ProfileSource, ProfileStore, check};

use crate::Target;

pub(crate) const PROFILE: Target = Target { name: "profile", run: profile, seeds };

fn seeds() -> Vec<Vec<u8>> {
    let store = ProfileStore::built_in();
    let names = ["xy-md02", "ds205a-gate", "code-scanner-line", "yaohua-xk3190", "barrier-waveshare"];
    names.iter().filter_map(|name| store.get(name)).map(|source| source.text.clone().into_bytes()).collect()
}

fn profile(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // What is wrong with it is said, and said again in the same words.
    let source = ProfileSource { file: "fuzz.toml".to_owned(), text: text.to_owned() };
    let said = || check("fuzz", &source).map_err(|problems| problems.to_string()).err();
    assert_eq!(said(), said());
}
