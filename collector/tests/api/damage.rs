//! Files of the history that are damaged: they are set aside, the rest goes on, and it is told.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use kouan_collector::store::DataFolder;
use kouan_collector::telemetry::check;
use kouan_collector::verify::verify;
use kouan_protocol::Lane;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::running::{NOW, Program, Running, eventually};
use crate::scripted_agent::{ScriptedAgent, passage};
use crate::verify::another_key;

const HOUR: u64 = 3_600_000;
pub(crate) const DAY: u64 = 24 * HOUR;
const PASSAGES: usize = 8;

/// What became of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Damage {
    /// The sectors under the root of a table.
    Root(&'static str),
    Header,
    Empty,
    Half,
}

/// Damages a file that nobody has open.
pub(crate) fn damage(path: &Path, damage: Damage) {
    let conn = Connection::open(path).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let number = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0).map(i64::unsigned_abs);
    let size = conn.pragma_query_value(None, "page_size", number).unwrap();
    let page = |table: &str| -> u64 {
        conn.query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], number).unwrap()
    };
    let (at, length) = match damage {
        Damage::Root(table) => ((page(table) - 1) * size, size),
        _ => (0, 512),
    };
    drop(conn);
    let mut file = std::fs::File::options().write(true).open(path).unwrap();
    match damage {
        Damage::Root(_) | Damage::Header => {
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(&vec![0xa5; usize::try_from(length).unwrap()]).unwrap();
        }
        Damage::Empty => file.set_len(0).unwrap(),
        Damage::Half => file.set_len(std::fs::metadata(path).unwrap().len() / 2 / size * size).unwrap(),
    }
    file.sync_all().unwrap();
}

pub(crate) fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join("history").join(name)
}

/// Ages and values of the readings that are told, oldest first.
pub(crate) async fn readings(collector: &Running, device: &str) -> Vec<(u64, f64)> {
    let from = NOW - 10 * DAY as i64;
    let path = format!("/api/v1/devices/{device}/series?points=voltage&resolution=raw&from={from}");
    let answer = collector.get(&path).await;
    let series = &answer["series"][0];
    let ages = series["times"].as_array().unwrap().iter().map(|time| (NOW - time.as_i64().unwrap()).unsigned_abs());
    ages.zip(series["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap())).collect()
}

pub(crate) async fn they_stand(collector: &Running, device: &str, wanted: &[(u64, f64)]) {
    eventually(&format!("readings {wanted:?}"), async || (readings(collector, device).await == wanted).then_some(()))
        .await;
}

/// How many readings the hours of a day are made of, and out of what they were made.
async fn hours(collector: &Running, device: &str, ago: i64) -> (u64, Value) {
    let start = (NOW.div_euclid(DAY as i64) - ago) * DAY as i64;
    let range = format!("from={start}&to={}&resolution=1h", start + DAY as i64);
    let answer = collector.get(&format!("/api/v1/devices/{device}/series?points=voltage&{range}")).await;
    let series = &answer["series"][0];
    let count = series["count"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum();
    (count, series["levels"].clone())
}

/// A collector with these readings and passages of the first times, all in files.
pub(crate) async fn filled(rows: &[(u64, f64)]) -> (Running, ScriptedAgent, String) {
    let collector = Running::start_sealing_at_once().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 30 * DAY);
    let passages = rows.iter().take(PASSAGES).map(|(age, _)| (*age, passage("in"))).collect();
    let batches = vec![agent.rows(rows), agent.aged(Lane::Events, passages)];
    agent.upload(batches).await;
    let device = collector.device("ups-1").await;
    they_stand(&collector, &device, rows).await;
    collector.items_when("/api/v1/events", rows.len().min(PASSAGES)).await;
    (collector, agent, device)
}

#[tokio::test]
async fn todays_file_is_set_aside_and_filled_again_from_the_log() {
    for what in [Damage::Root("chunks"), Damage::Root("events"), Damage::Header, Damage::Empty, Damage::Half] {
        let rows = [(DAY + 10, 1.0), (30, 2.0), (20, 3.0)];
        let (collector, mut agent, device) = filled(&rows).await;
        let folder = collector.stop_caught_up().await;
        damage(&file(folder.path(), "2026-11-22.db"), what);
        let report = verify(&DataFolder::new(folder.path())).unwrap();
        // Of chunks and events `verify` reads only what counts them.
        assert_eq!(report.ok, matches!(what, Damage::Root(_)), "{what:?}: {:?}", report.problems);
        let key = another_key(folder.path());
        let collector = Running::start_on(folder).await.with_key(key);
        // What is new is taken and told although the file is as it is.
        agent.moved_to(&collector.base);
        agent.hello().await;
        let more = vec![agent.rows(&[(10, 4.0)]), agent.aged(Lane::Events, vec![(10, passage("out"))])];
        agent.upload(more).await;
        they_stand(&collector, &device, &[rows[0], rows[1], rows[2], (10, 4.0)]).await;
        collector.items_when("/api/v1/events", 4).await;
        let figures = collector.get("/metrics").await;
        assert!(figures.as_str().unwrap().contains("kouan_history_files_set_aside_total 1\n"), "{what:?}");
        let sizes = collector.get("/api/v1/history/sizes").await;
        assert!(sizes["set_aside"][0].as_str().unwrap().starts_with("2026-11-22.db.damaged-2026-11-22T"), "{sizes}");
        let folder = collector.stop_caught_up().await;
        let report = verify(&DataFolder::new(folder.path())).unwrap();
        assert!(report.ok, "{what:?}: {:?}", report.problems);
        assert_eq!((report.set_aside.len(), report.log.history_cursor), (1, report.log.last_id));
        let report = check(&folder.path().join("history")).unwrap();
        assert!(report.problems.is_empty() && report.set_aside.len() == 1, "{report:?}");
    }
}

#[tokio::test]
async fn an_old_day_that_is_lost_stops_neither_retention_nor_sums_and_its_own_sums_stay() {
    for what in [Damage::Root("chunks"), Damage::Header, Damage::Empty] {
        let rows = [(4 * DAY, 0.5), (DAY + 20, 1.0), (DAY + 10, 1.5), (20, 3.0)];
        let (collector, mut agent, device) = filled(&rows).await;
        eventually("yesterday is summed up", async || {
            (hours(&collector, &device, 1).await == (2, json!(["1h"]))).then_some(())
        })
        .await;
        let folder = collector.stop_caught_up().await;
        // The log has nothing of it any more.
        let log = Connection::open(folder.path().join("ingest.db")).unwrap();
        assert!(log.execute("DELETE FROM log", []).unwrap() > 0);
        drop(log);
        damage(&file(folder.path(), "2026-11-21.db"), what);
        let key = another_key(folder.path());
        let collector = Running::start_on(folder).await.with_key(key);
        let collector = collector.restart_with(|settings| settings.history_retention.days = Some(3)).await;
        they_stand(&collector, &device, &rows[3..]).await;
        let four_days_ago = file(collector.folder.path(), "2026-11-18.db");
        eventually("what is too old goes", async || (!four_days_ago.exists()).then_some(())).await;
        assert_eq!(hours(&collector, &device, 1).await, (2, json!(["1h"])), "{what:?}");
        // What comes late for that day is kept, and the sums that know more stay.
        agent.moved_to(&collector.base);
        agent.hello().await;
        let late = agent.rows(&[(DAY + 5, 7.0)]);
        agent.upload(vec![late]).await;
        they_stand(&collector, &device, &[(DAY + 5, 7.0), rows[3]]).await;
        let collector = collector.restart().await;
        they_stand(&collector, &device, &[(DAY + 5, 7.0), rows[3]]).await;
        eventually("the sums stand", async || {
            (hours(&collector, &device, 1).await == (2, json!(["1h"]))).then_some(())
        })
        .await;
        let folder = collector.stop_caught_up().await;
        let report = verify(&DataFolder::new(folder.path())).unwrap();
        assert_eq!(report.set_aside.len(), 1);
        assert!(report.problems.iter().any(|problem| problem.ends_with("some are missing")), "{:?}", report.problems);
    }
}

#[tokio::test]
async fn damaged_sums_are_made_again_out_of_the_readings() {
    for name in ["hours-2026.db", "minutes-2026-11.db"] {
        // Readings every second, so that there are minutes.
        let rows: Vec<(u64, f64)> = (0..200).rev().map(|second| (DAY + second * 1_000, second as f64)).collect();
        let (collector, _, device) = filled(&rows).await;
        let summed = async |collector: &Running| {
            eventually("yesterday is summed up", async || {
                (hours(collector, &device, 1).await == (200, json!(["1h"]))).then_some(())
            })
            .await;
        };
        summed(&collector).await;
        let folder = collector.stop_caught_up().await;
        damage(&file(folder.path(), name), Damage::Root("windows"));
        assert!(!check(&folder.path().join("history")).unwrap().problems.is_empty());
        let key = another_key(folder.path());
        let collector = Running::start_on(folder).await.with_key(key);
        let start = (NOW.div_euclid(DAY as i64) - 1) * DAY as i64;
        let range = format!("from={start}&to={}&resolution=1m", start + DAY as i64);
        eventually("minutes are told by sums", async || {
            let path = format!("/api/v1/devices/{device}/series?points=voltage&{range}");
            let series = collector.get(&path).await["series"][0].clone();
            let count: u64 = series["count"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum();
            assert_eq!(count, 200, "never fewer, whatever they are made of");
            (series["levels"] == json!(["1m"])).then_some(())
        })
        .await;
        summed(&collector).await;
        eventually("the damaged file is set aside", async || {
            let folder = std::fs::read_dir(collector.folder.path().join("history")).unwrap();
            let names = folder.map(|file| file.unwrap().file_name().to_string_lossy().into_owned());
            names.into_iter().any(|file| file.starts_with(&format!("{name}.damaged-"))).then_some(())
        })
        .await;
        let folder = collector.stop_caught_up().await;
        assert!(check(&folder.path().join("history")).unwrap().problems.is_empty());
    }
}

#[tokio::test]
async fn the_program_itself_goes_on_beside_a_damaged_file_and_says_so() {
    let (collector, _, device) = filled(&[(DAY + 10, 1.0), (20, 3.0)]).await;
    let folder = collector.stop_caught_up().await;
    damage(&file(folder.path(), "2026-11-21.db"), Damage::Root("chunks"));
    let key = another_key(folder.path());
    let checked = Program::command().args(["verify", "--data"]).arg(folder.path()).output().await.unwrap();
    // What `verify` reads of the day is in another table.
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let checked = Program::command().args(["check", "--data"]).arg(folder.path()).output().await.unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(!checked.status.success() && said.contains("PROBLEM: ") && said.contains("2026-11-21.db"), "{said}");
    let program = Program::start(folder.path(), &key, &[]).await;
    eventually("the file is set aside", async || {
        let range = format!("from={}&to={}", NOW - 2 * DAY as i64, NOW + 1);
        let told = program.text(&format!("/api/v1/devices/{device}/readings?point=voltage&{range}")).await;
        assert!(told.contains("\"value\":3.0"), "{told}");
        program.text("/metrics").await.contains("kouan_history_files_set_aside_total 1\n").then_some(())
    })
    .await;
    let log = program.kill().await;
    assert!(log.contains("A day of the history is damaged and is left out."), "{log}");
    assert!(log.contains("A file of the history is damaged and was set aside"), "{log}");
    let checked = Program::command().args(["verify", "--data"]).arg(folder.path()).output().await.unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("SET ASIDE: history/2026-11-21.db.damaged-"), "{said}");
}

/// What the index of the history and the new file of today say of the filling: whether a file was noted, whether it has
/// its other name, how far the new one is filled, and whether that is done.
fn stage(folder: &Path) -> (bool, bool, i64, bool) {
    let history = folder.join("history");
    let open = |path: &Path| {
        Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).ok().inspect(|conn| {
            conn.busy_timeout(std::time::Duration::from_secs(1)).unwrap();
        })
    };
    let number = |conn: &Connection, sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).ok();
    let index = open(&history.join("index.db"));
    let noted = index.as_ref().and_then(|index| number(index, "SELECT done FROM damaged"));
    let names = kouan_collector::telemetry::set_aside(&history).unwrap();
    // Whoever holds a file that gets another name would hold its log as well.
    let filled = (!names.is_empty()).then(|| open(&history.join("2026-11-22.db"))).flatten();
    let filled = filled.and_then(|conn| number(&conn, "SELECT value FROM meta WHERE name = 'filled'"));
    (noted.is_some(), !names.is_empty(), filled.unwrap_or(0), noted == Some(1))
}

#[tokio::test]
async fn killed_at_any_point_it_goes_on_and_neither_loses_nor_doubles_anything() {
    // As many batches as there are steps of filling.
    let rows: Vec<(u64, f64)> = (0..80).rev().map(|age| (age * 100 + 10, age as f64)).collect();
    let collector = Running::start_sealing_at_once().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    for some in rows.chunks(16) {
        let batches = some.iter().map(|row| agent.rows(&[*row])).collect();
        agent.upload(batches).await;
    }
    let passages = rows.iter().take(PASSAGES).map(|(age, _)| (*age, passage("in"))).collect();
    let batch = agent.aged(Lane::Events, passages);
    agent.upload(vec![batch]).await;
    let device = collector.device("ups-1").await;
    they_stand(&collector, &device, &rows).await;
    collector.items_when("/api/v1/events", PASSAGES).await;
    let folder = collector.stop_caught_up().await;
    damage(&file(folder.path(), "2026-11-22.db"), Damage::Root("chunks"));
    // The program has the real clock: what seems too old to it would leave the log.
    let log = Connection::open(folder.path().join("ingest.db")).unwrap();
    log.execute("UPDATE log SET received_ms = CAST(strftime('%s', 'now') AS INTEGER) * 1000", []).unwrap();
    drop(log);
    let settings = folder.path().join("collector.toml");
    std::fs::write(&settings, "shipped_alarm_rules = false\n[history]\nmemory = 1\n").unwrap();
    let settings = ["--config", settings.to_str().unwrap()];
    let key = another_key(folder.path());
    let path = format!("/api/v1/devices/{device}/series?points=voltage&resolution=raw&from={}", NOW - DAY as i64);
    let wanted: Vec<Value> = rows.iter().map(|(_, value)| json!(value)).collect();
    let mut seen = Vec::new();
    let mut past = (false, false, 0, false);
    while !past.3 {
        let program = Program::start(folder.path(), &key, &settings).await;
        let now = eventually("it is a step further", async || {
            let series = program.get(&path).await["series"][0].clone();
            // Whole, or it says that it is not.
            let is_whole = series["values"] == json!(wanted);
            assert!(is_whole || series["incomplete"] != json!([]), "{series}");
            let now = stage(folder.path());
            // Not at each of the many steps.
            (now.3 || (now != past && seen.len() < 8)).then_some(now)
        })
        .await;
        let _ = program.kill().await;
        past = now;
        seen.push(past);
        let report = check(&folder.path().join("history")).unwrap();
        let is_set_aside = stage(folder.path()).1;
        assert!(report.problems.is_empty() || !is_set_aside, "{past:?}: {:?}", report.problems);
    }
    let between = seen.iter().filter(|(_, _, filled, done)| *filled > 0 && !done).count();
    assert!(between >= 1, "it was killed while it filled the day: {seen:?}");
    let collector = Running::start_on(folder).await.with_key(key);
    they_stand(&collector, &device, &rows).await;
    let told = collector.get(&path).await;
    assert_eq!(told["series"][0]["incomplete"], json!([]), "the log had everything");
    collector.items_when("/api/v1/events", PASSAGES).await;
    let folder = collector.stop_caught_up().await;
    let report = verify(&DataFolder::new(folder.path())).unwrap();
    assert!(report.ok, "{:?}", report.problems);
    let readings = report.lanes.iter().find(|lane| lane.lane == "readings").unwrap();
    assert_eq!(readings.history_rows, Some(rows.len() as u64), "each is counted once");
}

#[tokio::test]
async fn a_file_that_was_noted_and_kept_its_name_is_set_aside_at_the_start() {
    let rows = [(30, 2.0), (20, 3.0)];
    let (collector, _, device) = filled(&rows).await;
    let folder = collector.stop_caught_up().await;
    damage(&file(folder.path(), "2026-11-22.db"), Damage::Header);
    // As a kill between the note and the new name leaves it.
    let index = Connection::open(folder.path().join("history/index.db")).unwrap();
    let through: i64 =
        index.query_row("SELECT log_id FROM cursors WHERE reader = 'history'", [], |row| row.get(0)).unwrap();
    let (day, aside) = (NOW.div_euclid(DAY as i64), "2026-11-22.db.damaged-then");
    index
        .execute(
            "INSERT INTO damaged (file, aside, found_ms, day, summed, through) VALUES ('2026-11-22.db', ?1, 0, ?2, 0, ?3)",
            rusqlite::params![aside, day, through],
        )
        .unwrap();
    drop(index);
    let key = another_key(folder.path());
    let collector = Running::start_on(folder).await.with_key(key);
    they_stand(&collector, &device, &rows).await;
    assert!(file(collector.folder.path(), aside).exists());
    let folder = collector.stop_caught_up().await;
    assert!(verify(&DataFolder::new(folder.path())).unwrap().ok);
}
