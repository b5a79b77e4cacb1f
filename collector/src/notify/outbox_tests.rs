//! The outbox, in a database of its own.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use kouan_protocol::Severity::{self, Critical, Warning};

use super::*;
use crate::notify::bundle::Item;
use crate::notify::channel::{ChannelSettings, Settings};
use crate::store::{File, open_writable};

const NOW: i64 = 1_795_312_800_000;
const PATIENCE: i64 = 30 * 60_000;

fn world(kind: ChannelKind, settings: Value) -> World {
    let wanted = ChannelSettings {
        name: "c".to_owned(),
        kind,
        enabled: true,
        language: Language::En,
        settings: settings.clone(),
        templates: BTreeMap::new(),
        rate_per_hour: 60,
    };
    let channel =
        Channel { id: "c".to_owned(), settings: Settings::read(kind, &settings).unwrap(), wanted, revision: 1 };
    World {
        routes: Vec::new(),
        channels: BTreeMap::from([("c".to_owned(), channel)]),
        people: Vec::new(),
        places: BTreeMap::new(),
        zone: TimeZone::UTC,
        public_url: None,
    }
}

fn item(id: &str, severity: Severity) -> Item {
    let alarm = Alarm::example(id, "hall", severity, NOW);
    Item { alarm, reason: Reason::Raise, is_news: true, route: "r".to_owned(), step: 0 }
}

fn parcel(items: Vec<Item>) -> Parcel {
    let to = Destination { channel: "c".to_owned(), user: None };
    Parcel { to, items, outages: Vec::new(), is_late: false }
}

fn database() -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let conn = open_writable(&folder.path().join("state.db"), File::State).unwrap();
    (folder, conn)
}

fn put(conn: &mut Connection, parcel: Parcel, world: &World) {
    let transaction = conn.transaction().unwrap();
    write(&transaction, parcel, world, NOW).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn a_number_that_takes_nothing_does_not_hold_up_the_others_of_its_channel() {
    let (_folder, mut conn) = database();
    let world = world(ChannelKind::Sms, json!({ "url": "https://sms.example/", "to": ["13800000001", "13800000002"] }));
    put(&mut conn, parcel(vec![item("1", Critical)]), &world);
    put(&mut conn, parcel(vec![item("2", Critical)]), &world);
    let mut sent = Vec::new();
    while let Some(message) = next(&conn, "c", NOW, PATIENCE).unwrap() {
        let is_bad = message.recipient == "13800000001";
        let outcome = if is_bad { Outcome::Again(NOW + 10_000, "busy".to_owned()) } else { Outcome::Sent };
        let transaction = conn.transaction().unwrap();
        note_outcome(&transaction, message.number, &outcome, NOW).unwrap();
        transaction.commit().unwrap();
        sent.push((message.recipient, message.alarms[0]["id"].as_str().unwrap().to_owned()));
    }
    let expected = [("13800000001", "1"), ("13800000002", "1"), ("13800000002", "2")];
    assert_eq!(sent, expected.map(|(to, alarm)| (to.to_owned(), alarm.to_owned())), "in order for each number");
}

#[test]
fn a_storm_is_one_message_for_people_and_all_alarms_in_parts_for_programs() {
    let robot = json!({ "url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=${secret:k}" });
    for (kind, settings, messages) in [
        (ChannelKind::Webhook, json!({ "url": "https://hook.example/" }), 3),
        (ChannelKind::Alertmanager, json!({ "url": "http://am.example" }), 3),
        (ChannelKind::Email, json!({ "host": "m.example", "from": "a@example.com", "to": ["b@example.com"] }), 1),
        (ChannelKind::Wecom, robot, 1),
        (ChannelKind::Sms, json!({ "url": "https://sms.example/", "to": ["13800000001"] }), 1),
    ] {
        let (_folder, mut conn) = database();
        let mut items = vec![item("worst", Critical)];
        items.extend((1..1_400).map(|at| item(&format!("{at:04}"), Warning)));
        put(&mut conn, parcel(items), &world(kind, settings));
        let rows = list(&conn, &Scope::All, &NotificationFilter::default(), 10).unwrap();
        assert_eq!(rows.len(), messages, "{kind:?}");
        assert_eq!(rows.iter().map(|row| row.alarms.len()).sum::<usize>(), 1_400, "each is on record");
        if messages == 1 {
            assert!(rows[0].subject.contains("1400 alarms"), "{}", rows[0].subject);
            assert!(kind == ChannelKind::Sms || rows[0].text.contains("- Critical: Gate worst"), "{}", rows[0].text);
        }
    }
}
