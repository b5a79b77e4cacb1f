//! Our client against a server that somebody else wrote: pymodbus, over TCP, RTU and RTU over TCP.
#![allow(clippy::unwrap_used)]

mod outsiders;
mod running;

use std::collections::BTreeMap;

use kouan_drivers::driver::{ActOutcome, RawRow, RawValue};
use kouan_protocol::{Field, FieldValue, HealthLevel, QualityReason};
use outsiders::{ModbusServer, Wire};
use running::Running;
use serde_json::json;

type Cell = Result<RawValue, QualityReason>;

/// Cells by point name.
fn named(running: &Running, rows: &[RawRow]) -> BTreeMap<String, Cell> {
    let groups = &running.link.devices[0].groups;
    let cells = rows.iter().flat_map(|row| {
        row.cells
            .iter()
            .map(|(column, cell)| (groups[row.group].points[usize::from(*column)].spec.name.to_string(), cell.clone()))
    });
    cells.collect()
}

fn scaled(running: &Running, cells: &BTreeMap<String, Cell>, name: &str) -> f64 {
    let mut points = running.link.devices[0].groups.iter().flat_map(|group| &group.points);
    let point = points.find(|point| point.spec.name.as_str() == name).unwrap();
    match cells.get(name) {
        Some(Ok(RawValue::Integer(raw))) => point.scale.apply(*raw as f64),
        other => panic!("{name}: {other:?}"),
    }
}

fn ups_table() -> serde_json::Value {
    let mut status = vec![0; 27];
    status[1] = 0b10;
    status[2] = 13;
    status[22] = 0b100;
    status[23] = 0b100;
    let mut dynamic = vec![0; 44];
    // Runtime 3661 s, charge 87.5 %, 27.5 V, 26.5 °C, load 33.5 %.
    dynamic[1] = 3661;
    dynamic[2] = 87 * 512 + 256;
    dynamic[3] = 27 * 32 + 16;
    dynamic[7] = 26 * 128 + 64;
    dynamic[8] = 33 * 256 + 128;
    dynamic[14] = 230 * 64;
    dynamic[17] = 2;
    dynamic[18] = 7;
    dynamic[23] = 0xFFFF;
    let text = |text: &str, registers: usize| -> Vec<u16> {
        let mut bytes = text.bytes().chain(std::iter::repeat(b' '));
        (0..registers).map(|_| u16::from_be_bytes([bytes.next().unwrap(), bytes.next().unwrap()])).collect()
    };
    json!({"1": {"holding": {
        "0": status, "128": dynamic, "516": text("UPS 09.3", 8), "532": text("Smart-UPS 1500", 16),
        "548": vec![0; 16], "564": text("AS123", 8), "1536": vec![0; 8],
    }}})
}

fn check_ups(running: &Running, rows: &[RawRow]) {
    let cells = named(running, rows);
    for (name, expected) in [
        ("battery.runtime", 3661.0),
        ("battery.charge", 87.5),
        ("battery.voltage", 27.5),
        ("battery.temperature", 26.5),
        ("load.percent", 33.5),
        ("output.voltage", 230.0),
        ("output.energy", f64::from(2 * 65536 + 7)),
        ("power.source", 1.0),
        ("power.transfer-cause", 13.0),
        ("battery.replace", 1.0),
        ("battery.test", 4.0),
    ] {
        assert_eq!(scaled(running, &cells, name), expected, "{name}");
    }
    // "Not applicable" is for the pipeline to tell; here it is the raw value.
    assert_eq!(cells["input.voltage"], Ok(RawValue::Integer(0xFFFF)));
    assert_eq!(cells["identity.model"], Ok(RawValue::Text("Smart-UPS 1500".to_owned())));
    assert_eq!(cells["identity.serial"], Ok(RawValue::Text("AS123".to_owned())));
}

fn ups_link(port: &str, more: &str) -> String {
    format!(
        "[[link]]\nname = \"ups\"\nkind = \"modbus\"\ntcp = \"127.0.0.1:{port}\"\n{more}\n\
         [[link.device]]\nname = \"ups-1\"\nprofile = \"apc-smart-ups\"\nunit = 1\n"
    )
}

#[tokio::test]
async fn a_ups_is_read_over_tcp() {
    let server = ModbusServer::tcp(&ups_table(), &[]);
    let mut running = Running::start(&ups_link(&server.place, ""));
    running.health(HealthLevel::Working, "").await;
    let rows = running.read().await.unwrap();
    check_ups(&running, &rows);
    assert_eq!(running.act("battery.test", Vec::new()).await, ActOutcome::Succeeded(Vec::new()));
    assert_eq!(server.line("WROTE "), "1 16 1541 [1]");
    assert_eq!(running.permits(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_ups_is_read_through_a_transparent_serial_server() {
    let server = ModbusServer::tcp(&ups_table(), &["--framing", "rtu"]);
    let mut running = Running::start(&ups_link(&server.place, "framing = \"rtu\""));
    running.health(HealthLevel::Working, "").await;
    let rows = running.read().await.unwrap();
    check_ups(&running, &rows);
    running.stop().await;
}

#[tokio::test]
async fn good_points_of_a_range_with_an_illegal_address_are_delivered() {
    let mut table = ups_table();
    // This UPS has neither output current nor frequency, which lie between points it has.
    let dynamic = table["1"]["holding"]["128"].as_array().unwrap().clone();
    let holding = table["1"]["holding"].as_object_mut().unwrap();
    holding.insert("128".to_owned(), json!(dynamic[..12]));
    holding.insert("142".to_owned(), json!(dynamic[14..16]));
    holding.insert("145".to_owned(), json!(dynamic[17..]));
    let server = ModbusServer::tcp(&table, &[]);
    let mut running = Running::start(&ups_link(&server.place, ""));
    let health = running.health(HealthLevel::Answering, "refused").await;
    assert!(health.text.english.contains("140"), "{}", health.text);
    let rows = running.read().await.unwrap();
    let cells = named(&running, &rows);
    for missing in ["output.current", "output.frequency"] {
        assert_eq!(cells[missing], Err(QualityReason::ReadFailed), "{missing}");
    }
    assert_eq!(scaled(&running, &cells, "battery.charge"), 87.5);
    assert_eq!(scaled(&running, &cells, "output.voltage"), 230.0);
    assert_eq!(scaled(&running, &cells, "output.energy"), f64::from(2 * 65536 + 7));
    running.stop().await;
}

#[tokio::test]
async fn a_sensor_and_a_relay_share_a_serial_line() {
    let wire = Wire::new();
    let table = json!({
        "1": {"coils": {"0": vec![0; 8]}, "inputs": {"0": [0, 1, 0, 0, 0, 0, 0, 1]}, "holding": {"4096": vec![0; 8]}},
        "2": {"input": {"1": [0xFF9C_u16, 455]}},
    });
    let server = ModbusServer::serial(&wire.far(), &table);
    let text = format!(
        "[[link]]\nname = \"line\"\nkind = \"modbus\"\nserial = \"{}\"\n\
         [[link.device]]\nname = \"relay\"\nprofile = \"waveshare-relay-8ch\"\nunit = 1\n\
         [[link.device]]\nname = \"climate\"\nprofile = \"xy-md02\"\nunit = 2\nevery = \"200ms\"\n",
        wire.near().display()
    );
    let mut running = Running::start(&text);
    // Minus ten degrees, and 45.5 %.
    let expected = vec![(0, Ok(RawValue::Integer(-100))), (1, Ok(RawValue::Integer(455)))];
    let climate = running
        .first("the climate", |observation| match observation {
            kouan_drivers::driver::Observation::Row(row) if row.device.as_str() == "climate" => Some(row.cells.clone()),
            _ => None,
        })
        .await;
    assert_eq!(climate, expected);
    let channel = |channel| Field::new("channel", FieldValue::Integer(channel));
    let on = |on| Field::new("on", FieldValue::Flag(on));
    let done = running.act("relay.set", vec![channel(3), on(true)]).await;
    assert_eq!(done, ActOutcome::Succeeded(vec![Field::new("relay.3", FieldValue::Integer(1))]));
    assert_eq!(server.line("WROTE "), "1 5 2 [1]");
    let rows = running.read().await.unwrap();
    let cells = named(&running, &rows);
    assert_eq!(cells["relay.3"], Ok(RawValue::Integer(1)));
    assert_eq!(cells["relay.4"], Ok(RawValue::Integer(0)));
    assert_eq!(cells["input.2"], Ok(RawValue::Integer(1)));
    assert_eq!(cells["input.8"], Ok(RawValue::Integer(1)));
    assert_eq!(cells["relay.mode.1"], Ok(RawValue::Integer(0)));
    // This server does not know the board's pulses and refuses them.
    let seconds = Field::new("seconds", FieldValue::Number(0.7));
    let refused = running.act("relay.pulse", vec![channel(1), seconds]).await;
    assert!(matches!(&refused, ActOutcome::Failed(reason) if reason.english.contains("illegal")), "{refused:?}");
    running.stop().await;
}
