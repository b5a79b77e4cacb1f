//! The ingest log against a reference in memory: an agent that makes, drops and sends records, loses answers, is put
//! back from a backup or gets another disk; a collector that is put back from a backup, pruned and opened anew.
//!
//! Whatever happens: the numbers of a lane are stored without a hole, each once, and in order; after a hello that ends
//! in agreement no number means one record here and another there; and what the agent may forget is stored here, or
//! this side has said that it lost it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kouan_collector::store::log::*;
use kouan_collector::store::{File, open_writable};
use kouan_protocol::session::{BatchDigest, Hello, LaneClaim, PROTOCOL};
use kouan_protocol::*;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use tempfile::TempDir;

/// Digests of confirmed batches that the agent remembers, and of waiting ones that its hello shows.
const REMEMBERED: usize = 32;
const LANE: Lane = Lane::Events;

#[derive(Debug, Clone)]
enum Step {
    /// The agent makes records that form one batch.
    Make {
        count: u64,
    },
    /// The agent's limit drops its oldest batches; a gap takes their place.
    Drop {
        batches: usize,
    },
    /// The agent says hello.
    Hello,
    /// It uploads so many batches after the last that it knows to be stored.
    Upload {
        batches: usize,
        answer_arrives: bool,
    },
    /// It uploads from anywhere in what it still has: again, or with a hole.
    UploadFrom {
        part: usize,
        batches: usize,
    },
    /// Copies of either side are made and put back.
    SaveAgent,
    RestoreAgent,
    SaveCollector,
    RestoreCollector,
    /// The agent gets another disk.
    ReplaceAgent,
    /// Old entries leave the log.
    Prune {
        part: u64,
    },
    /// The collector starts anew.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (1_u64..6).prop_map(|count| Step::Make { count }),
        2 => (1_usize..4).prop_map(|batches| Step::Drop { batches }),
        4 => Just(Step::Hello),
        8 => (1_usize..6, prop::bool::weighted(0.7))
            .prop_map(|(batches, answer_arrives)| Step::Upload { batches, answer_arrives }),
        2 => (any::<usize>(), 1_usize..4).prop_map(|(part, batches)| Step::UploadFrom { part, batches }),
        1 => Just(Step::SaveAgent),
        1 => Just(Step::RestoreAgent),
        1 => Just(Step::SaveCollector),
        1 => Just(Step::RestoreCollector),
        1 => Just(Step::ReplaceAgent),
        1 => any::<u64>().prop_map(|part| Step::Prune { part }),
        1 => Just(Step::Reopen),
    ]
}

/// What a number was given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Record(u64),
    Gap,
}

#[derive(Debug, Clone)]
struct MadeBatch {
    first_seq: u64,
    given: Vec<Given>,
    body: Vec<u8>,
}

impl MadeBatch {
    fn new(first_seq: u64, given: Vec<Given>) -> Self {
        let body = serde_json::to_vec(&given.iter().map(ordinal).collect::<Vec<_>>()).unwrap();
        Self { first_seq, given, body }
    }

    fn last_seq(&self) -> u64 {
        self.first_seq + self.given.len() as u64 - 1
    }

    fn is_gap(&self) -> bool {
        self.given.contains(&Given::Gap)
    }

    fn digest(&self) -> BatchDigest {
        let (first_seq, last_seq) = (self.first_seq, self.last_seq());
        BatchDigest { first_seq, last_seq, digest: Digest::of(&self.body), gap: self.is_gap() }
    }
}

/// A record's ordinal; 0 for a number in a gap.
fn ordinal(given: &Given) -> u64 {
    match given {
        Given::Record(ordinal) => *ordinal,
        Given::Gap => 0,
    }
}

/// The agent's disk, as far as one lane goes.
#[derive(Debug, Clone)]
struct Agent {
    epoch: Epoch,
    next_seq: u64,
    confirmed: u64,
    batches: Vec<MadeBatch>,
    confirmed_digests: Vec<BatchDigest>,
    /// What it gave every number of this epoch to.
    given: BTreeMap<u64, Given>,
}

impl Agent {
    fn new(epoch: u64) -> Self {
        Self {
            epoch: Epoch(epoch),
            next_seq: 1,
            confirmed: 0,
            batches: Vec::new(),
            confirmed_digests: Vec::new(),
            given: BTreeMap::new(),
        }
    }

    fn append(&mut self, given: Vec<Given>) {
        let batch = MadeBatch::new(self.next_seq, given);
        self.next_seq = batch.last_seq() + 1;
        self.given.extend((batch.first_seq..).zip(batch.given.iter().copied()));
        self.batches.push(batch);
    }

    /// The newest batch always stays.
    fn drop_oldest(&mut self, count: usize) {
        let count = count.min(self.batches.len().saturating_sub(1));
        let (Some(first), Some(last)) = (self.batches.first(), self.batches[..count].last()) else { return };
        let gap = MadeBatch::new(first.first_seq, vec![Given::Gap; (last.last_seq() + 1 - first.first_seq) as usize]);
        self.given.extend((gap.first_seq..).zip(gap.given.iter().copied()));
        self.batches.splice(..count, [gap]);
    }

    fn confirm(&mut self, seq: u64) {
        if seq <= self.confirmed {
            return;
        }
        self.confirmed = seq.min(self.next_seq - 1);
        let leave = self.batches.iter().take_while(|batch| batch.last_seq() <= self.confirmed).count();
        self.confirmed_digests.extend(self.batches.drain(..leave).map(|batch| batch.digest()));
        let forgotten = self.confirmed_digests.len().saturating_sub(REMEMBERED);
        self.confirmed_digests.drain(..forgotten);
    }

    fn claim(&self) -> LaneClaim {
        let shown = self.batches.iter().take(REMEMBERED).map(MadeBatch::digest);
        LaneClaim {
            lane: LANE,
            epoch: self.epoch,
            oldest_seq: self.confirmed + 1,
            next_seq: self.next_seq,
            digests: self.confirmed_digests.iter().copied().chain(shown).collect(),
            volatile: false,
        }
    }

    /// Whether the batch that ends at the collector's position may be the one that is stored there.
    fn agrees(&self, stored_seq: u64, last: Option<Digest>) -> bool {
        let batch = self.batches.iter().find(|batch| batch.last_seq() >= stored_seq);
        match (last, batch) {
            (Some(last), Some(batch)) if batch.first_seq <= stored_seq => {
                batch.is_gap() || batch.digest().digest == last
            }
            _ => true,
        }
    }

    /// Everything after `common` under a new epoch, which begins with a gap.
    fn move_on(&mut self, epoch: u64, common: u64) {
        let old = std::mem::replace(self, Self::new(epoch));
        self.append(vec![Given::Gap]);
        for batch in old.batches.into_iter().filter(|batch| batch.last_seq() > common) {
            self.append(batch.given);
        }
    }
}

/// An entry of the log.
#[derive(Debug)]
struct Stored {
    is_batch: bool,
    epoch: Epoch,
    first_seq: u64,
    last_seq: u64,
    from_seq: u64,
    body: Vec<u8>,
}

struct World {
    folder: TempDir,
    log: Option<SqliteLog>,
    agent: Agent,
    saved_agent: Option<Agent>,
    /// The session's position; without one the agent has to say hello.
    cursor: Option<u64>,
    epochs: u64,
    made: u64,
    /// Epoch and number of what the collector confirmed and has not lost by being put back, and the record's ordinal.
    confirmed: BTreeMap<(u64, u64), u64>,
    saved_confirmed: Option<BTreeMap<(u64, u64), u64>>,
    /// Entries up to this one may have been removed.
    pruned: bool,
    highest_id: i64,
    /// Nothing was put back or replaced: every record must be there exactly once.
    is_calm: bool,
}

impl World {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let mut world = Self {
            folder,
            log: None,
            agent: Agent::new(1),
            saved_agent: None,
            cursor: None,
            epochs: 1,
            made: 0,
            confirmed: BTreeMap::new(),
            saved_confirmed: None,
            pruned: false,
            highest_id: 0,
            is_calm: true,
        };
        world.open();
        world
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ingest.db")
    }

    fn backup(&self) -> PathBuf {
        self.folder.path().join("backup.db")
    }

    fn open(&mut self) {
        self.log = Some(SqliteLog::new(open_writable(&self.file(), File::Ingest).unwrap()).unwrap());
    }

    fn new_epoch(&mut self) -> u64 {
        self.epochs += 1;
        self.epochs
    }

    fn take(&mut self, step: &Step) -> TestCaseResult {
        match *step {
            Step::Make { count } => {
                let first = self.made + 1;
                self.made += count;
                self.agent.append((first..=self.made).map(Given::Record).collect());
            }
            Step::Drop { batches } => self.agent.drop_oldest(batches),
            Step::Hello => return self.hello(),
            Step::Upload { batches, answer_arrives } => {
                let Some(cursor) = self.cursor else { return Ok(()) };
                let after = self.agent.batches.iter().position(|batch| batch.last_seq() > cursor);
                return self.upload(after.unwrap_or(self.agent.batches.len()), batches, answer_arrives);
            }
            Step::UploadFrom { part, batches } => {
                if self.cursor.is_some() && !self.agent.batches.is_empty() {
                    return self.upload(part % self.agent.batches.len(), batches, true);
                }
            }
            Step::SaveAgent => self.saved_agent = Some(self.agent.clone()),
            Step::RestoreAgent => {
                if let Some(saved) = &self.saved_agent {
                    (self.agent, self.cursor, self.is_calm) = (saved.clone(), None, false);
                }
            }
            Step::ReplaceAgent => {
                (self.agent, self.cursor, self.is_calm) = (Agent::new(self.new_epoch()), None, false);
            }
            Step::SaveCollector => {
                self.log = None;
                std::fs::copy(self.file(), self.backup()).unwrap();
                self.saved_confirmed = Some(self.confirmed.clone());
                self.open();
            }
            Step::RestoreCollector => {
                if let Some(saved) = self.saved_confirmed.clone() {
                    self.log = None;
                    std::fs::copy(self.backup(), self.file()).unwrap();
                    self.open();
                    self.log.as_mut().unwrap().begin_again(self.highest_id).unwrap();
                    (self.confirmed, self.cursor, self.is_calm) = (saved, None, false);
                }
            }
            Step::Prune { part } => {
                let head = self.log.as_ref().unwrap().head().unwrap();
                let through = i64::try_from(part % (head.unsigned_abs() + 1)).unwrap();
                let nothing = Timestamp(i64::MAX)..=Timestamp(i64::MAX);
                self.log.as_mut().unwrap().prune(through, &nothing).unwrap();
                self.pruned = true;
            }
            Step::Reopen => {
                self.log = None;
                self.open();
                self.cursor = None;
            }
        }
        Ok(())
    }

    fn hello(&mut self) -> TestCaseResult {
        for _ in 0..3 {
            let hello = Hello {
                protocol: PROTOCOL,
                software: "model".to_owned(),
                incarnation: Incarnation(1),
                journal: Incarnation(1),
                now: anchor(),
                lanes: vec![self.agent.claim()],
                kinds: RecordKind::KNOWN.to_vec(),
                catalogues: Vec::new(),
                config_hash: String::new(),
            };
            let agent = "agent".parse().unwrap();
            let mut settled = self.log.as_mut().unwrap().reconcile(&agent, "site", &hello, anchor().wall).unwrap();
            let verdict = settled.lanes.remove(0);
            prop_assert_eq!((verdict.lane, verdict.epoch), (LANE, self.agent.epoch));
            prop_assert!(
                !self.is_calm || (!verdict.new_epoch && !settled.lost_here),
                "nobody lost anything: {verdict:?}"
            );
            let agrees = self.agent.agrees(verdict.stored_seq, verdict.last);
            prop_assert!(!self.is_calm || agrees, "both have the same: {verdict:?}");
            if verdict.new_epoch || !agrees {
                let epoch = self.new_epoch();
                // What the agent's own comparison finds says nothing about where both still agreed.
                let common = if verdict.new_epoch { verdict.stored_seq } else { self.agent.confirmed };
                self.agent.move_on(epoch, common);
                continue;
            }
            self.agent.confirm(verdict.stored_seq);
            self.cursor = Some(verdict.stored_seq);
            return self.check();
        }
        prop_assert!(false, "hellos do not come to an end");
        Ok(())
    }

    fn upload(&mut self, from: usize, count: usize, answer_arrives: bool) -> TestCaseResult {
        let batches: Vec<_> = self.agent.batches.iter().skip(from).take(count).cloned().collect();
        let Some(position) = self.cursor else { return Ok(()) };
        let before = self.position()?;
        prop_assert!(before >= position, "a position never goes back within a session");
        let correction = Correction { received: anchor().wall, shift_ms: 0, status: TimeStatus::Trusted };
        let checked = batches.iter().map(|batch| {
            let digest = batch.digest();
            let gaps = if batch.is_gap() { vec![(digest.first_seq, digest.last_seq)] } else { Vec::new() };
            CheckedBatch {
                lane: LANE.number(),
                epoch: self.agent.epoch,
                first_seq: digest.first_seq,
                last_seq: digest.last_seq,
                digest: digest.digest,
                body: batch.body.clone(),
                content: Ok(Content { catalogue: None, correction, gaps }),
                opened: None,
            }
        });
        let arrival = Arrival {
            agent: "agent".parse().unwrap(),
            site: "site".to_owned(),
            received: anchor().wall,
            sent: anchor(),
            catalogues: Vec::new(),
            batches: checked.collect(),
        };
        let appended = self.log.as_mut().unwrap().append(&[arrival]).unwrap().remove(0);
        // The reference: each batch is known, or follows, or leaves a hole, and a hole ends the upload.
        let (mut expected, mut has_hole, mut known) = (before, false, 0);
        for batch in &batches {
            if batch.last_seq() <= expected {
                known += 1;
            } else if batch.first_seq <= expected + 1 {
                expected = batch.last_seq();
            } else {
                has_hole = true;
                break;
            }
        }
        prop_assert_eq!(appended.hello_required.is_some(), has_hole);
        prop_assert_eq!(appended.duplicates, known);
        prop_assert_eq!(self.position()?, expected);
        if !answer_arrives {
            self.cursor = None;
            return Ok(());
        }
        if has_hole {
            self.cursor = None;
        }
        if let Some(stored) = appended.stored.first() {
            prop_assert_eq!((stored.epoch, stored.stored_seq), (self.agent.epoch, expected));
            let epoch = self.agent.epoch.0;
            let told = self.agent.given.range(..=expected).map(|(seq, given)| ((epoch, *seq), ordinal(given)));
            self.confirmed.extend(told.filter(|(_, ordinal)| *ordinal > 0));
            self.agent.confirm(expected);
            self.cursor = self.cursor.map(|_| expected);
        }
        Ok(())
    }

    fn position(&mut self) -> Result<u64, TestCaseError> {
        let entries = self.entries()?;
        let last = entries.iter().filter(|entry| entry.epoch == self.agent.epoch).map(|entry| entry.last_seq).max();
        // Everything of the epoch may have been pruned, or nothing was stored yet.
        Ok(last.unwrap_or(self.cursor.unwrap_or(0)))
    }

    fn entries(&mut self) -> Result<Vec<Stored>, TestCaseError> {
        let file = rusqlite::Connection::open(self.file()).unwrap();
        let columns = "SELECT kind, epoch, first_seq, last_seq, from_seq, body, id FROM log ORDER BY id";
        let mut statement = file.prepare(columns).unwrap();
        let rows = statement.query_map([], |row| {
            self.highest_id = self.highest_id.max(row.get(6)?);
            let number = |at| row.get::<_, i64>(at).map(i64::unsigned_abs);
            Ok(Stored {
                is_batch: row.get::<_, String>(0)? == "batch",
                epoch: row.get::<_, String>(1)?.parse().unwrap(),
                first_seq: number(2)?,
                last_seq: number(3)?,
                from_seq: number(4)?,
                body: row.get(5)?,
            })
        });
        Ok(rows.unwrap().collect::<rusqlite::Result<_>>().unwrap())
    }

    fn check(&mut self) -> TestCaseResult {
        let entries = self.entries()?;
        let mut ends: BTreeMap<u64, u64> = BTreeMap::new();
        let mut stored: BTreeMap<(u64, u64), Option<Given>> = BTreeMap::new();
        let mut times: BTreeMap<u64, u32> = BTreeMap::new();
        for entry in &entries {
            let numbers = entry.from_seq..=entry.last_seq;
            if numbers.is_empty() {
                continue;
            }
            let end = ends.insert(entry.epoch.0, entry.last_seq);
            if let Some(end) = end.or((!self.pruned).then_some(0)) {
                prop_assert_eq!(entry.from_seq, end + 1, "numbers follow each other: {:?}", entry);
            }
            let held: Vec<u64> = if entry.is_batch { serde_json::from_slice(&entry.body).unwrap() } else { Vec::new() };
            for seq in numbers {
                let ordinal = held.get(usize::try_from(seq - entry.first_seq).unwrap());
                let given = ordinal.map(|ordinal| if *ordinal == 0 { Given::Gap } else { Given::Record(*ordinal) });
                if let Some(Given::Record(ordinal)) = given {
                    *times.entry(ordinal).or_default() += 1;
                }
                stored.insert((entry.epoch.0, seq), given);
            }
        }
        for (seq, given) in &self.agent.given {
            let Some(Some(Given::Record(here))) = stored.get(&(self.agent.epoch.0, *seq)) else { continue };
            // A gap at the agent may have taken the place of what was stored before.
            let same = matches!(given, Given::Gap) || *given == Given::Record(*here);
            prop_assert!(same, "number {seq} is {given:?} at the agent and record {here} here");
        }
        if !self.pruned {
            for (number, ordinal) in &self.confirmed {
                // What this side lost by being put back is in the log as lost.
                let here = stored.get(number);
                let is_right =
                    matches!(here, Some(None | Some(Given::Gap))) || here == Some(&Some(Given::Record(*ordinal)));
                prop_assert!(is_right, "{number:?} was confirmed as record {ordinal} and is {here:?}");
            }
        }
        if self.is_calm {
            prop_assert!(times.values().all(|times| *times == 1), "a record is stored twice: {times:?}");
        }
        Ok(())
    }

    /// Everything that the agent still has reaches the log.
    fn drain(&mut self) -> TestCaseResult {
        self.hello()?;
        for _ in 0..self.agent.batches.len() {
            if self.agent.batches.is_empty() {
                break;
            }
            let cursor = self.cursor.unwrap_or(0);
            let after = self.agent.batches.iter().position(|batch| batch.last_seq() > cursor).unwrap_or(0);
            self.upload(after, 4, true)?;
        }
        prop_assert!(self.agent.batches.is_empty(), "batches stay behind: {:?}", self.agent.batches);
        self.check()?;
        if self.is_calm && !self.pruned {
            let entries = self.entries()?;
            let bodies = entries.iter().filter(|entry| entry.is_batch);
            let stored: BTreeSet<u64> =
                bodies.flat_map(|entry| serde_json::from_slice::<Vec<u64>>(&entry.body).unwrap()).collect();
            let kept = self.agent.given.values().map(ordinal).filter(|ordinal| *ordinal > 0);
            for ordinal in kept {
                prop_assert!(stored.contains(&ordinal), "record {ordinal} never arrived");
            }
        }
        Ok(())
    }
}

fn anchor() -> Anchor {
    let wall = Timestamp(1_795_305_600_000);
    Anchor { boot: BootId(7), boot_time: BootTime(3_600_000), wall, trusted: true }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_log_agrees_with_a_reference_in_memory(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step)?;
        }
        world.drain()?;
    }
}
