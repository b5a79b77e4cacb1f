//! Which crate may know which (`ARCHITECTURE.md`, invariant 1).

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

use std::collections::BTreeSet;
use std::path::PathBuf;

/// Our own crates that `crate_folder` depends on outside its tests.
fn own_dependencies(crate_folder: &str) -> BTreeSet<String> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(crate_folder).join("Cargo.toml");
    let text = std::fs::read_to_string(manifest).unwrap();
    let mut section = "";
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.contains("dependencies") && !section.contains("dev-") && line.starts_with("kouan-") {
            found.insert(line.split(['.', ' ', '=']).next().unwrap().to_owned());
        }
    }
    found
}

#[test]
fn agent_and_collector_meet_only_in_the_protocol() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(own_dependencies("protocol"), set(&[]));
    assert_eq!(own_dependencies("settings"), set(&[]));
    assert_eq!(own_dependencies("drivers"), set(&["kouan-protocol", "kouan-settings"]));
    assert_eq!(own_dependencies("agent"), set(&["kouan-drivers", "kouan-protocol", "kouan-settings"]));
    assert_eq!(own_dependencies("collector"), set(&["kouan-protocol", "kouan-settings"]));
}
