//! What the simulators made from profiles are good for: every point of every shipped profile can be read from them.
#![allow(clippy::unwrap_used)]

mod running;

use kouan_drivers::modbus::simulator::{Model, Simulator};
use kouan_drivers::profile::ProfileStore;
use running::Running;
use tokio::net::TcpListener;

#[tokio::test]
async fn every_modbus_profile_can_be_read_from_its_simulator() {
    let store = ProfileStore::built_in();
    let of_modbus = |name: &&str| store.get(name).unwrap().text.contains("kind = \"modbus\"");
    let names: Vec<&str> = store.names().filter(of_modbus).collect();
    let units: Vec<(u8, Model)> = (1..).zip(&names).map(|(unit, name)| (unit, name.parse().unwrap())).collect();
    let simulator = Simulator::new(units);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn({
        let simulator = simulator.clone();
        async move { simulator.serve_tcp(listener).await }
    });
    let mut wrong = Vec::new();
    for (unit, name) in (1_u8..).zip(&names) {
        let running = Running::start(&format!(
            "[[link]]\nname = \"l\"\nkind = \"modbus\"\ntcp = \"{address}\"\n\
             [[link.device]]\nname = \"d\"\nprofile = \"{name}\"\nunit = {unit}\n"
        ));
        let rows = running.read().await.unwrap_or_default();
        let points: usize = running.link.devices[0].groups.iter().map(|group| group.points.len()).sum();
        let read = rows.iter().flat_map(|row| &row.cells).filter(|(_, cell)| cell.is_ok()).count();
        // A date or a packed decimal of all zeros is no value; everything else is.
        if rows.len() != running.link.devices[0].groups.len() || read * 10 < points * 9 {
            wrong.push(format!("{name}: {read} of {points} points were read"));
        }
        running.stop().await;
    }
    serving.abort();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
