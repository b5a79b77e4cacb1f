//! Every profile that is shipped.
#![allow(clippy::unwrap_used)]

use kouan_drivers::profile::ProfileStore;
use kouan_drivers::registry;
use kouan_settings::{Document, Problems};

#[test]
fn every_shipped_profile_is_right() {
    let store = ProfileStore::built_in();
    for name in store.names() {
        let source = store.get(name).unwrap();
        let kind = source.text.lines().find_map(|line| line.strip_prefix("kind = \"")?.strip_suffix('"')).unwrap();
        let problems = Problems::new(&source.file, &source.text);
        let document = Document::parse(&source.file, &source.text).unwrap();
        let mut root = document.root(&problems);
        registry::kind(kind).unwrap().check_profile(&mut root);
        drop(root);
        assert_eq!(problems.to_string(), "", "{name}");
    }
}

#[test]
fn every_file_is_built_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/profiles");
    let store = ProfileStore::built_in();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(store.get(name).is_some(), "{} is not listed in profile/store.rs", path.display());
    }
}
