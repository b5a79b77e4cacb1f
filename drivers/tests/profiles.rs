//! Every profile that is shipped.
#![allow(clippy::unwrap_used)]

use kouan_drivers::profile::{ProfileSource, ProfileStore, check};

#[test]
fn every_shipped_profile_is_right() {
    let store = ProfileStore::built_in();
    let said: Vec<_> =
        store.names().filter_map(|name| Some(check(name, store.get(name).unwrap()).err()?.to_string())).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
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

fn said(text: &str) -> String {
    let head = "class = \"x\"\nevidence = \"solid\"\nsource = \"x\"\n";
    let text = format!("{head}{text}");
    check("test", &ProfileSource { file: "test.toml".to_owned(), text })
        .map_or_else(|p| p.to_string(), |_| String::new())
}

#[test]
fn mistakes_are_explained() {
    let group = "kind = \"modbus\"\n[[group]]\nname = \"g\"\n";
    for (text, expected) in [
        (String::new(), "kind: this is missing: the protocol"),
        ("kind = \"modbuss\"\n".to_owned(), "it must be one of"),
        (
            format!("{group}[[group.point]]\nname = \"temperature.room\"\nunit = \"F\"\nregister = 1\n"),
            "\"temperature.room\" must have the unit °C, as every \"temperature\" is",
        ),
        (
            format!("{group}[[group.point]]\nname = \"battery.juice\"\nunit = \"1\"\nregister = 1\n"),
            "\"battery.juice\" is not in the vocabulary (near it: \"battery.charge\"",
        ),
        (
            format!("own = [\"juice\"]\n{group}[[group.point]]\nname = \"humidity\"\nunit = \"%\"\nregister = 1\n"),
            "\"juice\" is the name of nothing here",
        ),
        (
            format!("{group}[[group.point]]\nname = \"door\"\nis = \"state\"\ncoil = 1\nwords = {{ 0 = \"shut\" }}\n"),
            "\"door\" may be closed, open, not \"shut\"",
        ),
        (
            format!(
                "{group}[[group.point]]\nname = \"door\"\nis = \"state\"\ncoil = 1\nwords = {{ 0 = \"open\" }}\nprove = \"x\"\n"
            ),
            "only a state with words for 0 and 1 has a polarity to prove",
        ),
        (
            format!("{group}[[group.bits]]\nregister = 1\nnames = {{ 16 = \"alarm.fan\" }}\n"),
            "there is no place for \"alarm.fan\"",
        ),
        (
            format!(
                "{group}[[group.point]]\nname = \"relay\"\nis = \"state\"\ncoil = 1\nwords = {{ 0 = \"off\" }}\nrepeat = {{ count = 2 }}\n"
            ),
            "a name that is repeated needs its number: \"relay.{n}\"",
        ),
        (
            format!(
                "{group}[[group.bits]]\nregister = 1\nnames = {{ 1 = \"alarm.fan\" }}\nlatched_until = \"reset\"\n"
            ),
            "there is no action \"reset\"",
        ),
    ] {
        let said = said(&text);
        assert!(said.contains(expected), "{text}\n--\n{said}");
    }
}
