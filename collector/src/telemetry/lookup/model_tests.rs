//! Searches against a list in memory: whatever the files cover, whenever the program ended, and whatever arrives between
//! two pages, an answer holds every event that is asked for, once, in order.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::Timestamp;
use proptest::prelude::*;
use rusqlite::{Connection, params};
use serde_json::json;
use tempfile::TempDir;

use super::files::{Limits, Lookup};
use super::keep::Keeper;
use crate::auth::Scope;
use crate::store::File;
use crate::telemetry::partition::{day_ms, delete_file, open_file};
use crate::telemetry::partitions::{Partitions, WriteMark};
use crate::telemetry::{EventFilter, EventRow, Span, events, partition_path};

/// 2026-10-29 and later: two months, and days of one part and of two.
const FIRST_DAY: i64 = 20_755;
const DAYS: [i64; 5] = [0, 1, 3, 4, 9];
/// Times within a day: few, so that many events have the same.
const SLOTS: i64 = 6;
const SLOT_MS: i64 = 3_600_000;
const SITES: [&str; 3] = ["hall", "port", "quay"];
const KINDS: [&str; 2] = ["passage", "plate"];
const NOTHING: &str = "nothing";
/// What is left of an index that is lost: nothing, an empty file, or something else.
const LEFT: [&str; 3] =
    [NOTHING, "", "no database at all, but a text that is long enough to be taken for a file's head"];

#[derive(Debug, Clone)]
struct Known {
    number: i64,
    time_ms: i64,
    place: usize,
    key: usize,
    kind: usize,
    plate: i64,
}

impl Known {
    fn day(&self) -> i64 {
        self.time_ms.div_euclid(day_ms(1))
    }

    fn agent(&self) -> String {
        format!("agent-{}", self.place)
    }
}

/// An event that is added: day, slot, place, key, kind, plate.
type New = (usize, i64, usize, usize, usize, i64);

#[derive(Debug, Clone)]
struct Question {
    scope: u8,
    kind: Option<usize>,
    plate: Option<i64>,
    /// Counted back from the newest.
    number: Option<i64>,
    /// A key, and whether the device had it only for a while.
    device: Option<(usize, bool)>,
    from: Option<(usize, i64)>,
    to: Option<(usize, i64)>,
    newest_first: bool,
    limit: usize,
    hurried: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Add(Vec<New>),
    Keep {
        idle: bool,
        times: usize,
    },
    /// As after a crash. The index of a month may be lost or spoilt meanwhile.
    Reopen {
        lost: Option<(usize, &'static str)>,
    },
    /// A day is deleted. With `cut` the power goes before its index knows.
    Remove {
        day: usize,
        cut: bool,
    },
    /// What happens between the pages.
    Ask {
        question: Question,
        between: Vec<Step>,
    },
}

fn new_event() -> impl Strategy<Value = New> {
    (0..DAYS.len(), 0..SLOTS, 0..SITES.len(), 0..2_usize, 0..KINDS.len(), 0..3_i64)
}

fn question() -> impl Strategy<Value = Question> {
    let instant = || prop::option::weighted(0.3, (0..DAYS.len(), 0..SLOTS));
    (
        (0..4_u8, prop::option::weighted(0.4, 0..KINDS.len()), prop::option::weighted(0.4, 0..3_i64)),
        (prop::option::weighted(0.15, 1..40_i64), prop::option::weighted(0.4, (0..2_usize, any::<bool>()))),
        (instant(), instant(), any::<bool>(), 1..7_usize, prop::bool::weighted(0.2)),
    )
        .prop_map(|((scope, kind, plate), (number, device), (from, to, newest_first, limit, hurried))| Question {
            scope,
            kind,
            plate,
            number,
            device,
            from,
            to,
            newest_first,
            limit,
            hurried,
        })
}

fn quiet_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::collection::vec(new_event(), 1..4).prop_map(Step::Add),
        3 => (any::<bool>(), 1..4_usize).prop_map(|(idle, times)| Step::Keep { idle, times }),
        1 => Just(Step::Reopen { lost: None }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => prop::collection::vec(new_event(), 1..12).prop_map(Step::Add),
        4 => (any::<bool>(), 1..40_usize).prop_map(|(idle, times)| Step::Keep { idle, times }),
        2 => prop::option::of((0..2_usize, prop::sample::select(&LEFT[..]))).prop_map(|lost| Step::Reopen { lost }),
        2 => (0..DAYS.len(), any::<bool>()).prop_map(|(day, cut)| Step::Remove { day, cut }),
        8 => (question(), prop::collection::vec(quiet_step(), 0..4))
            .prop_map(|(question, between)| Step::Ask { question, between }),
    ]
}

/// The files and what writes them, as the history has them.
struct Files {
    folder: TempDir,
    partitions: Arc<Partitions>,
    lookup: Arc<Lookup>,
    keeper: Keeper,
    open: HashMap<i64, (Connection, WriteMark)>,
    known: Vec<Known>,
    added: i64,
}

fn open(folder: &Path) -> (Arc<Partitions>, Arc<Lookup>, Keeper) {
    let limits = Limits { commit: 3, pending: 5, tail: 12, counted: 4, first: 2, most: 4, slice: Duration::ZERO };
    let partitions = Arc::new(Partitions::open(folder).unwrap());
    let mut lookup = Lookup::new(folder, partitions.within(i64::MIN, i64::MAX));
    lookup.limits = limits;
    let lookup = Arc::new(lookup);
    let keeper = Keeper::new(Arc::clone(&lookup), Arc::clone(&partitions));
    (partitions, lookup, keeper)
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (partitions, lookup, keeper) = open(folder.path());
        Self { folder, partitions, lookup, keeper, open: HashMap::new(), known: Vec::new(), added: 0 }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Add(events) => self.add(events),
            Step::Keep { idle, times } => {
                for _ in 0..*times {
                    self.keeper.step(*idle);
                }
            }
            Step::Reopen { lost } => self.reopen(*lost),
            Step::Remove { day, cut } => self.remove(FIRST_DAY + DAYS[*day], *cut),
            Step::Ask { question, between } => self.ask(question, between),
        }
    }

    fn add(&mut self, events: &[New]) {
        let mut days: BTreeMap<i64, Vec<Known>> = BTreeMap::new();
        for (day, slot, place, key, kind, plate) in events {
            self.added += 1;
            let time_ms = day_ms(FIRST_DAY + DAYS[*day]) + slot * SLOT_MS;
            let event = Known { number: self.added, time_ms, place: *place, key: *key, kind: *kind, plate: *plate };
            days.entry(event.day()).or_default().push(event);
        }
        for (day, events) in days {
            self.keeper.grows(day, events.len());
            let partitions = &self.partitions;
            let (conn, _) = self.open.entry(day).or_insert_with(|| {
                let mark = WriteMark::new(partitions, day);
                let conn = open_file(&partitions.path(day), File::Partition).unwrap();
                conn.pragma_update(None, "synchronous", "off").unwrap();
                partitions.add(day);
                (conn, mark)
            });
            let transaction = conn.transaction().unwrap();
            for event in &events {
                let fields = json!({ "number": event.number, "plate": format!("沪A{}", event.plate) });
                let details = json!({ "fields": fields }).to_string();
                transaction
                    .execute(
                        "INSERT INTO events (time_ms, site, agent, key, kind, details, late, time_status, received_ms,
                             epoch, seq, opaque)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 'trusted', 0, 'e', ?7, 0)",
                        params![
                            event.time_ms,
                            SITES[event.place],
                            event.agent(),
                            format!("gate-{}", event.key),
                            KINDS[event.kind],
                            details,
                            event.number
                        ],
                    )
                    .unwrap();
            }
            transaction.commit().unwrap();
            self.known.extend(events);
        }
    }

    fn reopen(&mut self, lost: Option<(usize, &'static str)>) {
        self.open.clear();
        let nowhere = tempfile::tempdir().unwrap();
        // Closes every file of this folder.
        (self.partitions, self.lookup, self.keeper) = open(nowhere.path());
        if let Some((month, left)) = lost {
            let path = self.folder.path().join(["events-2026-10.db", "events-2026-11.db"][month]);
            if path.exists() {
                delete_file(&path).unwrap();
                if left != NOTHING {
                    std::fs::write(&path, left).unwrap();
                }
            }
        }
        (self.partitions, self.lookup, self.keeper) = open(self.folder.path());
    }

    fn remove(&mut self, day: i64, cut: bool) {
        if !self.partitions.has(day) {
            return;
        }
        self.open.remove(&day);
        if !cut {
            self.keeper.forget(day);
        }
        self.partitions.remove(day);
        delete_file(&partition_path(self.folder.path(), day)).unwrap();
        self.known.retain(|event| event.day() != day);
        if cut {
            self.reopen(None);
        }
    }

    fn ask(&mut self, question: &Question, between: &[Step]) {
        let sites: &[&str] = [&SITES[..], &SITES[..1], &SITES[1..], &[]][usize::from(question.scope)];
        let scope = match question.scope {
            0 => Scope::All,
            _ => Scope::Sites(sites.iter().map(|site| (*site).to_owned()).collect()),
        };
        let time = |instant: Option<(usize, i64)>, default: i64| {
            instant.map_or(default, |(day, slot)| day_ms(FIRST_DAY + DAYS[day]) + slot * SLOT_MS)
        };
        let (from, to) = (time(question.from, 0), time(question.to, i64::MAX));
        let until = if question.device.is_some_and(|(_, while_only)| while_only) {
            day_ms(FIRST_DAY + 1) + 2 * SLOT_MS
        } else {
            i64::MAX
        };
        let spans = question.device.map(|(key, _)| {
            let span = |agent: usize| Span {
                device: format!("device-{agent}"),
                agent: format!("agent-{agent}").parse().unwrap(),
                key: format!("gate-{key}").parse().unwrap(),
                from_ms: 0,
                to_ms: until,
            };
            [1, 2].map(span).to_vec()
        });
        let number = question.number.map(|back| self.added - back);
        let is_wanted = |event: &Known| {
            sites.contains(&SITES[event.place])
                && question.kind.is_none_or(|kind| kind == event.kind)
                && question.plate.is_none_or(|plate| plate == event.plate)
                && number.is_none_or(|number| number == event.number)
                && question.device.is_none_or(|(key, _)| key == event.key && event.place > 0 && event.time_ms < until)
                && (from..to).contains(&event.time_ms)
        };
        let mut fields = Vec::new();
        fields.extend(question.plate.map(|plate| ("plate".to_owned(), format!("沪A{plate}"))));
        fields.extend(number.map(|number| ("number".to_owned(), number.to_string())));
        let mut filter = EventFilter {
            from: Timestamp(from),
            to: Timestamp(to),
            kind: question.kind.map(|kind| KINDS[kind].to_owned()),
            fields,
            only_spans: spans.is_some(),
            spans: spans.unwrap_or_default(),
            newest_first: question.newest_first,
            after: None,
        };
        let (before, patience) = (self.added, Duration::from_secs(if question.hurried { 0 } else { 3_600 }));
        let (mut rows, mut pages) = (Vec::<EventRow>::new(), 0);
        loop {
            let page =
                events::read((&self.lookup, &self.partitions), &scope, &filter, (question.limit, patience)).unwrap();
            assert!(page.rows.len() <= question.limit);
            if page.next.is_some() {
                assert!(question.hurried || page.rows.len() == question.limit, "a page before the last one is full");
                assert_ne!(page.next, filter.after, "each page goes on");
            }
            rows.extend(page.rows);
            let Some(next) = page.next else { break };
            filter.after = Some(next);
            // Then it only pages on, so that it ends.
            if let Some(step) = between.get(pages) {
                self.run(step);
            }
            pages += 1;
        }
        let number = |row: &EventRow| row.fields["number"].as_i64().unwrap();
        let found: Vec<i64> = rows.iter().map(number).collect();
        let mut expected: Vec<&Known> = self.known.iter().filter(|event| is_wanted(event)).collect();
        // Those of one time in the order in which they were stored.
        expected.sort_by_key(|event| (event.time_ms, event.number));
        if question.newest_first {
            expected.reverse();
        }
        // What came in between stands there in its place, or came too late for the page that it belongs to.
        let is_right = |event: &&&Known| event.number <= before || found.contains(&event.number);
        let expected: Vec<i64> = expected.iter().filter(is_right).map(|event| event.number).collect();
        assert_eq!(found, expected, "{question:?}");
        if question.device.is_some() {
            assert!(rows.iter().all(|row| row.device.is_some()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_exact(steps in prop::collection::vec(step(), 1..40)) {
        let mut files = Files::new();
        for step in &steps {
            files.run(step);
        }
    }
}
