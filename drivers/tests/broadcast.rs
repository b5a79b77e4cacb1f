//! Addresses that mean everybody: what nobody answers is never asked, and never told to do anything.
#![allow(clippy::unwrap_used)]

mod running;

use kouan_drivers::profile::{ProfileSource, ProfileStore};
use running::{configure, configure_with};

fn said(kind: &str, place: &str, profile: &str, unit: u16) -> String {
    configure(&settings(kind, place, profile, unit)).1
}

fn settings(kind: &str, place: &str, profile: &str, unit: u16) -> String {
    format!(
        "[[link]]\nname = \"l\"\nkind = \"{kind}\"\n{place}\n\
         [[link.device]]\nname = \"a\"\nprofile = \"{profile}\"\nunit = {unit}\n"
    )
}

const SERIAL: &str = "serial = \"/dev/ttyS9\"";
const RTU_OVER_TCP: &str = "tcp = \"h:502\"\nframing = \"rtu\"";
const TCP: &str = "tcp = \"h:502\"";

#[test]
fn a_serial_modbus_line_has_units_1_to_247() {
    for place in [SERIAL, RTU_OVER_TCP] {
        for right in [1, 247] {
            assert_eq!(said("modbus", place, "waveshare-relay-8ch", right), "", "{place}, unit {right}");
        }
        for wrong in [0, 248, 255] {
            let said = said("modbus", place, "xy-md02", wrong);
            assert!(said.contains("unit") && said.contains("1") && said.contains("247"), "{place}, {wrong}: {said}");
        }
    }
}

#[test]
fn behind_a_gateway_unit_0_is_everybody_and_is_never_told_to_move() {
    // Reading from a device that has a network port of its own is harmless.
    assert_eq!(said("modbus", TCP, "xy-md02", 0), "");
    for right in [1, 247, 255] {
        assert_eq!(said("modbus", TCP, "waveshare-relay-8ch", right), "", "unit {right}");
    }
    let refused = said("modbus", TCP, "waveshare-relay-8ch", 0);
    assert!(refused.contains("unit 0") && refused.contains("own_unit_0"), "{refused}");

    // A model that is known to answer there says so in its profile.
    let mut store = ProfileStore::built_in();
    let text = store.get("waveshare-relay-8ch").unwrap().text.clone();
    let text = text.replacen("kind = \"modbus\"", "kind = \"modbus\"\nown_unit_0 = true", 1);
    store.insert("relay-at-0", ProfileSource { file: "relay-at-0.toml".to_owned(), text });
    assert_eq!(configure_with(&settings("modbus", TCP, "relay-at-0", 0), &store).1, "");
}

#[test]
fn an_address_that_the_standard_keeps_is_no_power_supply() {
    for right in [1, 254] {
        assert_eq!(said("ydt1363", SERIAL, "ydt-air-conditioner", right), "", "unit {right}");
    }
    for wrong in [0, 255] {
        let said = said("ydt1363", SERIAL, "ydt-air-conditioner", wrong);
        assert!(said.contains("254"), "{wrong}: {said}");
    }
}

#[test]
fn an_osdp_address_is_never_the_one_that_all_readers_hear() {
    assert_eq!(said("osdp", SERIAL, "osdp-reader", 126), "");
    let wrong = said("osdp", SERIAL, "osdp-reader", 127);
    assert!(wrong.contains("126"), "{wrong}");
}

#[test]
fn any_tag_reader_is_asked_only_where_there_is_one() {
    assert_eq!(said("rfid", SERIAL, "chafon-18", 255), "");
    let two = |first: u16, second: u16| {
        let more = format!("[[link.device]]\nname = \"b\"\nprofile = \"chafon-18\"\nunit = {second}\n");
        configure(&(settings("rfid", SERIAL, "chafon-18", first) + &more)).1
    };
    assert_eq!(two(0, 1), "");
    for (first, second) in [(255, 1), (1, 255)] {
        let said = two(first, second);
        assert!(said.contains("every reader answers to 255"), "{first}, {second}: {said}");
    }
}
