//! The description of the API says of each answer what that answer is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The names under which a source file's types are described.
fn described(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut is_described, mut called) = (false, None);
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[derive(") {
            (is_described, called) = (line.contains("ToSchema"), None);
        } else if let Some((_, rest)) = line.split_once("schema(as = ") {
            called = rest.split([')', ',']).next().map(str::to_owned);
        } else if is_described
            && let Some((_, rest)) = line.split_once("struct ").or_else(|| line.split_once("enum "))
            && !line.starts_with("//")
        {
            let name = rest.split([' ', '<', '{', '(', ';']).next().unwrap_or_default();
            names.push(called.take().unwrap_or_else(|| name.to_owned()));
            is_described = false;
        }
    }
    names
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Of two types with one name the description has one, and says of the other's answers what is not so.
#[test]
fn no_two_types_are_described_under_one_name() {
    let mut found = Vec::new();
    files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in found {
        for name in described(&std::fs::read_to_string(&path).unwrap()) {
            places.entry(name).or_default().push(path.clone());
        }
    }
    assert!(places.len() > 100, "{} types are described", places.len());
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "give all but one of each another name with #[schema(as = …)]: {places:?}");
}
