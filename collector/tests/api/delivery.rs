//! The cases in which the two sides do not agree, one test for each row of `docs/delivery.md` that this side decides.

use kouan_protocol::session::{BatchDigest, LaneVerdict, Welcome};
use kouan_protocol::{
    BootId, Digest, Epoch, Gap, GapReason, Incarnation, Lane, Record, RecordBody, RecordKind, Timestamp,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::running::Running;
use crate::scripted_agent::{ScriptedAgent, passage};

async fn agent(collector: &Running) -> ScriptedAgent {
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    agent
}

/// Uploads so many batches of one event each.
async fn pass(agent: &mut ScriptedAgent, count: u64) {
    for _ in 0..count {
        let batch = agent.batch(Lane::Events, vec![passage("in")]);
        agent.upload(vec![batch]).await;
    }
}

fn of(welcome: Welcome, lane: Lane) -> LaneVerdict {
    welcome.lanes.into_iter().find(|verdict| verdict.lane == lane).unwrap()
}

/// Takes the agent's disk back to when `next` was the next number of the lane and nothing was confirmed after `known`.
fn restore(agent: &mut ScriptedAgent, next: u64) {
    agent.next.insert(Lane::Events, next);
    agent.digests.entry(Lane::Events).or_default().retain(|batch| batch.last_seq < next);
}

fn gap(reason: GapReason, earlier: Epoch) -> RecordBody {
    RecordBody::Gap(Gap {
        reason,
        lost: 0,
        from: Timestamp(0),
        to: Timestamp(1),
        devices: Vec::new(),
        more_devices: false,
        earlier_epoch: Some(earlier),
    })
}

async fn reasons(collector: &Running, count: usize) -> Vec<String> {
    let mut gaps = collector.items_when("/api/v1/gaps", count).await;
    gaps.sort_by_key(|gap| gap["id"].as_i64());
    gaps.iter().map(|gap| gap["reason"].as_str().unwrap().to_owned()).collect()
}

async fn alarm_stands(collector: &Running, condition: &str) -> Value {
    let alarms = collector.items_when("/api/v1/alarms?state=raised", 1).await;
    assert_eq!(alarms[0]["condition"], condition);
    alarms[0].clone()
}

#[tokio::test]
async fn an_agent_that_was_restored_goes_on_in_a_new_epoch() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    pass(&mut agent, 5).await;
    restore(&mut agent, 4);
    let verdict = of(agent.hello_keeping(4).await, Lane::Events);
    assert_eq!((verdict.stored_seq, verdict.new_epoch), (3, true), "{}", verdict.reason);
    // As told, it drops what is confirmed and begins again with a gap that names the earlier epoch.
    let earlier = agent.begin_epoch(Lane::Events);
    let batch = agent.gap_batch(Lane::Events, gap(GapReason::Diverged, earlier));
    let verdict = of(agent.hello().await, Lane::Events);
    assert_eq!((verdict.stored_seq, verdict.new_epoch), (0, false));
    agent.upload(vec![batch]).await;
    pass(&mut agent, 1).await;
    assert_eq!(reasons(&collector, 1).await, ["diverged"], "the agent said it, so this side does not");
    collector.items_when("/api/v1/events", 6).await;
}

#[tokio::test]
async fn a_restored_agent_that_has_overtaken_the_collector_is_noticed_by_its_batches() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    pass(&mut agent, 5).await;
    restore(&mut agent, 4);
    collector.clock.advance_ms(10);
    for _ in 0..9 {
        agent.batch(Lane::Events, vec![passage("out")]);
    }
    let verdict = of(agent.hello_keeping(4).await, Lane::Events);
    assert_eq!((verdict.stored_seq, verdict.new_epoch), (3, true), "{}", verdict.reason);
}

#[tokio::test]
async fn the_welcome_names_the_last_stored_batch_so_that_the_agent_can_compare_it_with_its_own() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    let batches = (0..300).map(|_| agent.batch(Lane::Events, vec![passage("in")])).collect();
    agent.upload(batches).await;
    let last = agent.digests[&Lane::Events].last().unwrap().digest;
    // It knows nothing of what is stored, and what it shows of its own lies far behind.
    agent.digests.insert(Lane::Events, vec![BatchDigest { first_seq: 1, last_seq: 1, digest: Digest(7), gap: false }]);
    agent.next.insert(Lane::Events, 900);
    let verdict = of(agent.hello_keeping(1).await, Lane::Events);
    assert_eq!((verdict.stored_seq, verdict.new_epoch, verdict.last), (300, false, Some(last)));
}

#[tokio::test]
async fn only_a_gap_may_cover_batches_that_are_stored() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    pass(&mut agent, 4).await;
    let stored = agent.digests[&Lane::Events].clone();
    let spanning = BatchDigest { first_seq: 3, last_seq: 8, digest: Digest(1), gap: true };
    agent.digests.insert(Lane::Events, vec![stored[1], spanning]);
    agent.next.insert(Lane::Events, 9);
    let verdict = of(agent.hello_keeping(3).await, Lane::Events);
    assert_eq!((verdict.stored_seq, verdict.new_epoch), (4, false), "a limit dropped what had been on its way");
    agent.digests.insert(Lane::Events, vec![stored[1], BatchDigest { gap: false, ..spanning }]);
    let verdict = of(agent.hello_keeping(3).await, Lane::Events);
    assert_eq!((verdict.stored_seq, verdict.new_epoch), (2, true), "{}", verdict.reason);
}

#[tokio::test]
async fn a_gap_that_spans_stored_batches_takes_only_what_is_new() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    pass(&mut agent, 4).await;
    agent.next.insert(Lane::Events, 3);
    let now = agent.now();
    let record = Record { span: 6, ..Record::new(now.boot_time, gap(GapReason::BytesLimit, Epoch(0))) };
    let batch = kouan_protocol::Batch::of_records(3, now, vec![record]);
    let envelope = agent.envelope(Lane::Events, &batch);
    agent.hello_keeping(3).await;
    let receipt = agent.upload(vec![envelope]).await;
    assert_eq!(ScriptedAgent::position(&receipt, Lane::Events), 8);
    let gaps = collector.items_when("/api/v1/gaps", 1).await;
    assert_eq!((gaps[0]["first_seq"].as_i64(), gaps[0]["last_seq"].as_i64()), (Some(5), Some(8)));
    collector.is_sound().await;
}

#[tokio::test]
async fn another_disk_says_that_the_end_of_the_earlier_one_is_not_known() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    pass(&mut agent, 2).await;
    agent.incarnation = Incarnation::random();
    agent.journal = Incarnation::random();
    collector.clock.advance_ms(120_000);
    for lane in Lane::ALL {
        agent.begin_epoch(lane);
    }
    agent.hello().await;
    pass(&mut agent, 1).await;
    assert_eq!(reasons(&collector, 3).await, ["buffer-replaced"; 3]);
    let gaps = collector.items("/api/v1/gaps").await;
    let events = gaps.iter().find(|gap| gap["lane"] == "events").unwrap();
    assert_eq!(
        (events["first_seq"].as_i64(), events["last_seq"].as_i64(), events["lost"].as_i64()),
        (Some(3), Some(2), Some(0))
    );
    agent.hello().await;
    assert_eq!(collector.items("/api/v1/gaps").await.len(), 3, "it is said once");
    assert!(collector.items("/api/v1/alarms?state=raised").await.is_empty());
    collector.is_sound().await;
}

#[tokio::test]
async fn an_epoch_in_memory_ends_with_a_word_and_the_one_on_disk_goes_on() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    pass(&mut agent, 2).await;
    let (on_disk, next, digests) =
        (agent.epochs[&Lane::Events], agent.next[&Lane::Events], agent.digests[&Lane::Events].clone());
    agent.begin_epoch(Lane::Events);
    agent.volatile = true;
    agent.hello().await;
    pass(&mut agent, 3).await;
    assert!(collector.items("/api/v1/gaps").await.is_empty(), "the disk behind it may come back");
    agent.volatile = false;
    agent.epochs.insert(Lane::Events, on_disk);
    agent.next.insert(Lane::Events, next);
    agent.digests.insert(Lane::Events, digests);
    let verdict = of(agent.hello().await, Lane::Events);
    assert_eq!((verdict.stored_seq, verdict.new_epoch), (2, false), "it goes on where it was");
    pass(&mut agent, 1).await;
    assert_eq!(reasons(&collector, 1).await, ["volatile"]);
    assert!(collector.items("/api/v1/alarms?state=raised").await.is_empty(), "no second machine");
    collector.items_when("/api/v1/events", 6).await;
    collector.is_sound().await;
}

#[tokio::test]
async fn an_epoch_in_memory_whose_disk_was_replaced_leaves_two_words() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    pass(&mut agent, 2).await;
    agent.begin_epoch(Lane::Events);
    agent.volatile = true;
    agent.hello().await;
    agent.volatile = false;
    agent.begin_epoch(Lane::Events);
    agent.hello().await;
    let mut found = reasons(&collector, 2).await;
    found.sort();
    assert_eq!(found, ["buffer-replaced", "volatile"], "the one on the old disk, and the one in memory");
}

#[tokio::test]
async fn a_copied_disk_that_runs_twice_is_noticed_and_no_number_stands_for_two_records() {
    let collector = Running::start().await;
    let mut one = agent(&collector).await;
    pass(&mut one, 3).await;
    let mut two = one.copy();
    two.boot = Some(BootId(77));
    pass(&mut one, 1).await;
    // The copy wrote something else under the same number while the first one was sending.
    collector.clock.advance_ms(10);
    two.batch(Lane::Events, vec![passage("out")]);
    let verdict = of(two.hello_keeping(4).await, Lane::Events);
    assert_eq!((verdict.stored_seq, verdict.new_epoch), (3, true), "{}", verdict.reason);
    let earlier = two.begin_epoch(Lane::Events);
    let announced = two.gap_batch(Lane::Events, gap(GapReason::Diverged, earlier));
    two.hello().await;
    two.upload(vec![announced]).await;
    pass(&mut two, 1).await;
    one.hello().await;
    alarm_stands(&collector, "duplicate-identity").await;
    pass(&mut one, 1).await;
    // 3 before the copy, 2 of the first, 1 of the copy.
    collector.items_when("/api/v1/events", 6).await;
    collector.is_sound().await;
}

#[tokio::test]
async fn an_earlier_epoch_that_is_back_is_a_copy_even_on_the_same_machine() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    pass(&mut agent, 3).await;
    let mut copy = agent.copy();
    let earlier = agent.begin_epoch(Lane::Events);
    let announced = agent.gap_batch(Lane::Events, gap(GapReason::Damaged, earlier));
    agent.hello().await;
    agent.upload(vec![announced]).await;
    copy.hello().await;
    let alarm = alarm_stands(&collector, "duplicate-identity").await;
    assert!(alarm["text"]["en"].as_str().unwrap().contains(&earlier.to_string()), "{alarm}");
    assert_eq!(reasons(&collector, 2).await, ["damaged", "buffer-replaced"]);
}

#[tokio::test]
async fn records_of_a_newer_agent_are_kept_as_they_came_for_who_may_see_them() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    let unknown = RecordBody::Opaque { kind: RecordKind(99), body: vec![7; 300], problem: String::new() };
    let batch = agent.batch(Lane::Events, vec![passage("in"), unknown]);
    let receipt = agent.upload(vec![batch]).await;
    assert_eq!(ScriptedAgent::position(&receipt, Lane::Events), 2, "it is confirmed and stalls nothing");
    let row = &collector.items_when("/api/v1/quarantine", 1).await[0];
    assert_eq!((row["kind"].as_i64(), row["size"].as_i64(), row["kept"].as_i64()), (Some(99), Some(300), Some(300)));
    let path = format!("/api/v1/quarantine/{}/body", row["id"]);
    let response = collector.http.get(format!("{}{path}", collector.base)).bearer_auth(&collector.key).send().await;
    assert_eq!(response.unwrap().bytes().await.unwrap().to_vec(), vec![7; 300]);
    let reader = collector.key("reader", &["read"], None).await;
    assert_eq!(collector.request(Method::GET, &path, Some(&reader), None).await.0, StatusCode::FORBIDDEN);
    let elsewhere = collector.key("elsewhere", &["admin"], Some(&["port"])).await;
    assert_eq!(collector.request(Method::GET, &path, Some(&elsewhere), None).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_quarantine_is_bounded_and_what_it_drops_is_counted() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    for _ in 0..3 {
        let unknown = |_| RecordBody::Opaque { kind: RecordKind(99), body: vec![7; 10], problem: String::new() };
        let batch = agent.batch(Lane::Events, (0..400).map(unknown).collect());
        agent.upload(vec![batch]).await;
    }
    crate::running::eventually("all are counted", async || {
        let metrics = collector.get("/metrics").await;
        let metrics = metrics.as_str().unwrap();
        let has = |line: &str| metrics.lines().any(|found| found == line);
        (has("kouan_quarantine_taken_total 1200") && has("kouan_quarantine_dropped_total 200")).then_some(())
    })
    .await;
    let report = collector.is_sound().await;
    assert_eq!((report.quarantined_records, report.quarantine_dropped), (1200, 200));
}

#[tokio::test]
async fn a_collector_that_has_lost_records_says_so_and_holds_the_commands_of_their_agent() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    let mut other = collector.enrol("hall-2", "hall").await;
    other.hello().await;
    pass(&mut agent, 2).await;
    other.upload(vec![]).await;
    let (mine, others) =
        (collector.device_of("hall-1", "relay-1").await, collector.device_of("hall-2", "relay-1").await);
    let (held, queued) = (collector.ask(&mine).await, collector.ask(&others).await);
    // As if three more had been confirmed by what is now lost.
    agent.next.insert(Lane::Events, 6);
    let verdict = of(agent.hello_keeping(6).await, Lane::Events);
    assert_eq!((verdict.stored_seq, verdict.new_epoch), (5, false));
    let alarm = alarm_stands(&collector, "collector-restored").await;
    assert!(alarm["text"]["en"].as_str().unwrap().contains("3 to 5"), "{alarm}");
    collector.command_becomes(&held, "held").await;
    assert!(agent.poll(0).await.unwrap().commands.is_empty());
    collector.command_becomes(&queued, "queued").await;
    assert_eq!(other.poll(1_000).await.unwrap().commands.len(), 1, "the other agent's commands are not concerned");
    let gaps = collector.items_when("/api/v1/gaps", 1).await;
    assert_eq!((gaps[0]["reason"].as_str(), gaps[0]["lost"].as_i64()), (Some("collector-lost"), Some(3)));

    let collector = collector.restart().await;
    agent.moved_to(&collector.base);
    agent.hello_keeping(6).await;
    collector.command_becomes(&held, "held").await;
    collector.clock.advance_ms(11 * 60_000);
    collector.items_when("/api/v1/alarms?state=raised", 0).await;
    collector.command_becomes(&held, "expired").await;
}

#[tokio::test]
async fn a_lost_data_folder_of_the_collector_is_told_by_its_agents() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    pass(&mut agent, 3).await;
    collector.items_when("/api/v1/events", 3).await;
    let (key, folder) = (collector.key.clone(), collector.stop().await);
    for file in ["ingest.db", "ingest.db-wal", "ingest.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(file));
    }
    let collector = Running::start_on(folder).await.with_key(key);
    agent.moved_to(&collector.base);
    let verdict = of(agent.hello_keeping(4).await, Lane::Events);
    assert_eq!((verdict.stored_seq, verdict.new_epoch), (3, false));
    assert_eq!(reasons(&collector, 1).await, ["collector-lost"]);
    alarm_stands(&collector, "collector-restored").await;
    // The readers had seen entries that are gone; what comes now is behind them.
    pass(&mut agent, 1).await;
    collector.items_when("/api/v1/events", 4).await;
}

#[tokio::test]
async fn a_copy_of_the_collectors_folder_beside_the_original_leaves_no_silent_hole() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    pass(&mut agent, 2).await;
    collector.items_when("/api/v1/events", 2).await;
    let (key, folder) = (collector.key.clone(), collector.stop().await);
    let copy = tempfile::tempdir().unwrap();
    copy_folder(folder.path(), copy.path());
    let one = Running::start_on(folder).await.with_key(key.clone());
    let two = Running::start_on(copy).await.with_key(key);
    agent.moved_to(&one.base);
    agent.hello_keeping(3).await;
    pass(&mut agent, 2).await;
    agent.moved_to(&two.base);
    let verdict = of(agent.hello_keeping(5).await, Lane::Events);
    assert_eq!(verdict.stored_seq, 4);
    pass(&mut agent, 1).await;
    agent.moved_to(&one.base);
    assert_eq!(of(agent.hello_keeping(6).await, Lane::Events).stored_seq, 5);
    for (collector, lost) in [(&one, 1), (&two, 2)] {
        let gaps = collector.items_when("/api/v1/gaps", 1).await;
        assert_eq!((gaps[0]["reason"].as_str(), gaps[0]["lost"].as_i64()), (Some("collector-lost"), Some(lost)));
        alarm_stands(collector, "collector-restored").await;
    }
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to.join("history")).unwrap();
    for folder in ["", "history"] {
        for file in std::fs::read_dir(from.join(folder)).unwrap().map(Result::unwrap) {
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), to.join(folder).join(file.file_name())).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_restored_folder_holds_what_waits_until_a_person_decides() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    agent.upload(vec![]).await;
    let relay = collector.device("relay-1").await;
    let handed = collector.ask(&relay).await;
    assert_eq!(agent.poll(0).await.unwrap().commands.len(), 1);
    let (waiting, unwanted) = (collector.ask(&relay).await, collector.ask(&relay).await);
    let before = agent.hello().await.incarnation;
    let (key, folder) = (collector.key.clone(), collector.stop().await);
    crate::running::put_back(folder.path());
    let collector = Running::start_on(folder).await.with_key(key);
    agent.moved_to(&collector.base);
    assert_ne!(agent.hello().await.incarnation, before, "another life");
    for command in [&handed, &waiting, &unwanted] {
        let found = collector.command_becomes(command, "held").await;
        assert!(found["reason"].as_str().unwrap().contains("backup"), "{found}");
    }
    assert!(agent.poll(0).await.unwrap().commands.is_empty());

    let reader = collector.key("reader", &["read"], None).await;
    let path = |command: &str, what: &str| format!("/api/v1/commands/{command}/{what}");
    let (status, _) = collector.request(Method::POST, &path(&waiting, "release"), Some(&reader), Some(json!({}))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, body) = collector.post(&path(&waiting, "release"), json!({ "why": "still wanted" })).await;
    assert_eq!((status, body["state"].as_str()), (StatusCode::OK, Some("queued")), "{body}");
    let last = body["history"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((last["actor"].as_str(), last["reason"].as_str()), (Some("first"), Some("still wanted")));
    let (status, body) = collector.post(&path(&unwanted, "cancel"), json!({ "why": "too late" })).await;
    assert_eq!((status, body["state"].as_str()), (StatusCode::OK, Some("rejected")), "{body}");
    let (status, body) = collector.post(&path(&handed, "cancel"), json!({})).await;
    assert_eq!((status, body["state"].as_str()), (StatusCode::OK, Some("unknown")), "it may have been done: {body}");
    let (status, _) = collector.post(&path(&unwanted, "release"), json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let handed_out = agent.poll(1_000).await.unwrap().commands;
    assert_eq!(handed_out.iter().map(|command| command.id.as_str()).collect::<Vec<_>>(), [waiting.as_str()]);
}

#[tokio::test]
async fn a_held_command_ends_with_its_life_or_with_the_agents_word_and_never_goes_to_another_journal() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    agent.upload(vec![]).await;
    let relay = collector.device("relay-1").await;
    let (told, forgotten) = (collector.ask(&relay).await, collector.ask(&relay).await);
    assert_eq!(agent.poll(0).await.unwrap().commands.len(), 2);
    let (key, folder) = (collector.key.clone(), collector.stop().await);
    crate::running::put_back(folder.path());
    let collector = Running::start_on(folder).await.with_key(key);
    agent.moved_to(&collector.base);
    agent.hello().await;
    agent.progress(&told, kouan_protocol::CommandState::Succeeded).await;
    collector.command_becomes(&told, "succeeded").await;
    agent.journal = Incarnation::random();
    agent.hello().await;
    collector.command_becomes(&forgotten, "unknown").await;
    let waiting = collector.ask(&relay).await;
    let (key, folder) = (collector.key.clone(), collector.stop().await);
    crate::running::put_back(folder.path());
    let collector = Running::start_on(folder).await.with_key(key);
    collector.clock.advance_ms(30_000);
    collector.command_becomes(&waiting, "expired").await;
}

#[tokio::test]
async fn a_restored_agent_may_have_forgotten_its_commands() {
    let collector = Running::start().await;
    let mut agent = agent(&collector).await;
    agent.upload(vec![]).await;
    pass(&mut agent, 3).await;
    let relay = collector.device("relay-1").await;
    let command = collector.ask(&relay).await;
    assert_eq!(agent.poll(0).await.unwrap().commands.len(), 1);
    restore(&mut agent, 2);
    assert!(of(agent.hello_keeping(2).await, Lane::Events).new_epoch);
    collector.command_becomes(&command, "unknown").await;
    agent.begin_epoch(Lane::Events);
    agent.hello().await;
    assert!(agent.poll(0).await.unwrap().commands.is_empty(), "it never runs again");
}
