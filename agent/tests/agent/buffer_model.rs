//! The buffer against a reference that keeps everything in memory: any order of appending, sending, confirming,
//! dropping at limits, damage, new starts and new epochs.
//!
//! Whatever happens: numbers have no hole and never come to mean something else, every record is delivered in order or
//! lies in a gap, a gap takes only what a limit or damage explains, and the claim of the hello is right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kouan_agent::buffer::{Buffer, BufferConfig, BufferThreads, LaneLimit, StoredBatch};
use kouan_protocol::*;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use tempfile::TempDir;

use crate::site::{catalogue, clock, config, event, open_with, row};

/// A batch of one event takes about 60 bytes: a handful fits.
const BYTES: u64 = 600;
const AGE_MS: u64 = 100_000;
/// A lane is read so often until everything in it is there.
const ATTEMPTS: usize = 20;

/// Something that happens. Numbers are drawn without knowing the state and taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    /// Records are appended together; in `readings`, rows that are committed together.
    Append { lane: Lane, count: u64 },
    /// The collector confirms, perhaps of another epoch, perhaps what it confirmed before.
    Confirm { lane: Lane, part: u64, of_this_epoch: bool },
    /// A part of the lane is read, as the uplink does.
    Read { lane: Lane, part: u64, bytes: usize, batches: usize },
    /// The whole lane is read.
    ReadAll { lane: Lane },
    /// Time passes.
    Wait { ms: u64 },
    /// The bytes of a batch are damaged while the agent does not run.
    Damage { lane: Lane, part: u64 },
    /// The agent starts anew.
    Restart,
    /// The two sides agree up to a batch and disagree about the rest.
    NewEpoch { lane: Lane, part: u64 },
}

fn lane() -> impl Strategy<Value = Lane> {
    prop::sample::select(Lane::ALL.to_vec())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (lane(), 1_u64..5).prop_map(|(lane, count)| Step::Append { lane, count }),
        4 => (lane(), any::<u64>(), prop::bool::weighted(0.9))
            .prop_map(|(lane, part, of_this_epoch)| Step::Confirm { lane, part, of_this_epoch }),
        3 => (lane(), any::<u64>(), 0_usize..500, 1_usize..5)
            .prop_map(|(lane, part, bytes, batches)| Step::Read { lane, part, bytes, batches }),
        2 => lane().prop_map(|lane| Step::ReadAll { lane }),
        1 => (0_u64..AGE_MS).prop_map(|ms| Step::Wait { ms }),
        1 => (lane(), any::<u64>()).prop_map(|(lane, part)| Step::Damage { lane, part }),
        1 => Just(Step::Restart),
        1 => (lane(), any::<u64>()).prop_map(|(lane, part)| Step::NewEpoch { lane, part }),
    ]
}

/// What a number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// The record or row of that ordinal.
    Record(u64),
    /// It lies in a gap.
    Gap,
}

/// A lane of the reference.
#[derive(Debug, Clone)]
struct Reference {
    epoch: Epoch,
    next_seq: u64,
    confirmed: u64,
    /// What each number was given to, by everything that was seen so far.
    numbers: BTreeMap<u64, Content>,
    /// Numbers up to this one were agreed upon when the epoch began; whatever was not kept is a gap since then.
    common: u64,
    /// Numbers whose bytes were damaged on purpose.
    damaged: BTreeSet<u64>,
    /// Ordinal of the last record that was made.
    made: u64,
}

impl Reference {
    fn append(&mut self, count: u64) {
        for _ in 0..count {
            self.made += 1;
            self.numbers.insert(self.next_seq, Content::Record(self.made));
            self.next_seq += 1;
        }
    }
}

struct Model {
    _folder: TempDir,
    config: BufferConfig,
    clock: Arc<ManualClock>,
    open: Option<(Buffer, BufferThreads)>,
    lanes: BTreeMap<Lane, Reference>,
}

impl Model {
    async fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let limit = LaneLimit { bytes: BYTES, age: Duration::from_millis(AGE_MS) };
        let config = BufferConfig {
            urgent: limit,
            events: limit,
            readings: limit,
            commit_every: Duration::from_secs(60),
            ..config(folder.path())
        };
        let clock = clock();
        let open = open_with(&config, &clock);
        let claims = open.0.claims().await.unwrap();
        let reference = |epoch| Reference {
            epoch,
            next_seq: 1,
            confirmed: 0,
            common: 0,
            numbers: BTreeMap::new(),
            damaged: BTreeSet::new(),
            made: 0,
        };
        let lanes = claims.iter().map(|claim| (claim.lane, reference(claim.epoch))).collect();
        Self { _folder: folder, config, clock, open: Some(open), lanes }
    }

    fn buffer(&self) -> &Buffer {
        &self.open.as_ref().unwrap().0
    }

    fn reference(&mut self, lane: Lane) -> &mut Reference {
        self.lanes.get_mut(&lane).unwrap()
    }

    async fn take(&mut self, step: &Step) -> TestCaseResult {
        match *step {
            Step::Append { lane, count } => self.append(lane, count).await,
            Step::Confirm { lane, part, of_this_epoch } => {
                let reference = self.reference(lane);
                let seq = part % reference.next_seq;
                let epoch = if of_this_epoch { reference.epoch } else { Epoch(reference.epoch.0 ^ 1) };
                if of_this_epoch {
                    reference.confirmed = seq.max(reference.confirmed);
                }
                self.buffer().acknowledge(lane, epoch, seq).await.unwrap();
            }
            Step::Read { lane, part, bytes, batches } => return self.read(lane, part, bytes, batches).await,
            Step::ReadAll { lane } => return self.check(lane).await,
            Step::Wait { ms } => self.clock.advance_ms(ms),
            Step::Damage { lane, part } => return self.damage(lane, part).await,
            Step::Restart => self.restart(|_| ()).await,
            Step::NewEpoch { lane, part } => return self.new_epoch(lane, part).await,
        }
        Ok(())
    }

    async fn append(&mut self, lane: Lane, count: u64) {
        let reference = self.reference(lane);
        let first = reference.made + 1;
        reference.append(count);
        let ordinals = first..first + count;
        match lane {
            Lane::Readings => {
                for ordinal in ordinals {
                    self.buffer().push(GroupIndex(0), row(ordinal as f64)).await.unwrap();
                }
                // The interval would commit them at a time that no test can know.
                self.buffer().flush().await.unwrap();
            }
            _ => {
                let records = ordinals.map(|ordinal| event(&ordinal.to_string())).collect();
                self.buffer().append(lane, records, vec![]).await.unwrap();
            }
        }
    }

    async fn restart(&mut self, meanwhile: impl FnOnce(&Path)) {
        let (buffer, threads) = self.open.take().unwrap();
        drop(buffer);
        threads.join();
        meanwhile(&self.config.folder);
        self.open = Some(open_with(&self.config, &self.clock));
    }

    async fn damage(&mut self, lane: Lane, part: u64) -> TestCaseResult {
        let batches = self.check(lane).await.map(|()| self.all(lane))?.await;
        let Some(batch) = batches.get(part as usize % batches.len().max(1)) else { return Ok(()) };
        let (first, last) = (batch.first_seq, batch.last_seq);
        self.reference(lane).damaged.extend(first..=last);
        self.restart(|folder| {
            let name = if lane == Lane::Readings { "readings.db" } else { "urgent.db" };
            let file = rusqlite::Connection::open(folder.join(name)).unwrap();
            let sql = format!("UPDATE batch_{} SET body = zeroblob(LENGTH(body)) WHERE first_seq = ?1", lane.number());
            // It may have grown too old while the agent stopped.
            file.execute(&sql, [first as i64]).unwrap();
        })
        .await;
        Ok(())
    }

    /// Everything that is not confirmed, read again and again until no damage is left to be found.
    async fn all(&self, lane: Lane) -> Vec<StoredBatch> {
        let confirmed = self.lanes[&lane].confirmed;
        let mut batches = Vec::new();
        // Each reading finds one damage at most; what stays incomplete is the comparison's to tell.
        for _ in 0..ATTEMPTS {
            batches = self.buffer().read(lane, confirmed, usize::MAX, 100_000).await.unwrap();
            let last = batches.last().map_or(confirmed, |batch| batch.last_seq);
            if last + 1 >= self.lanes[&lane].next_seq {
                break;
            }
        }
        batches
    }

    /// A part of a lane is the beginning of what the whole has after that number.
    async fn read(&mut self, lane: Lane, part: u64, bytes: usize, most: usize) -> TestCaseResult {
        self.check(lane).await?;
        let reference = &self.lanes[&lane];
        let after = reference.confirmed + part % (reference.next_seq - reference.confirmed);
        let all = self.all(lane).await;
        let expected: Vec<_> = all.into_iter().filter(|batch| batch.last_seq > after).collect();
        let batches = self.buffer().read(lane, after, bytes, most).await.unwrap();
        prop_assert!(batches.len() <= most, "{} batches for {most}", batches.len());
        prop_assert_eq!(&batches[..], &expected[..batches.len()]);
        prop_assert!(!batches.is_empty() || expected.is_empty(), "at least one if there is any");
        let beyond_the_first: usize = batches.iter().skip(1).map(|batch| batch.body.len()).sum();
        prop_assert!(beyond_the_first <= bytes, "{beyond_the_first} bytes for {bytes}");
        Ok(())
    }

    /// Compares the whole lane with the reference, and teaches the reference what has become a gap.
    async fn check(&mut self, lane: Lane) -> TestCaseResult {
        // The claim comes from the writer, which has then done everything that it was told before.
        self.buffer().claims().await.unwrap();
        let batches = self.all(lane).await;
        let claim = self.buffer().claims().await.unwrap().into_iter().find(|claim| claim.lane == lane).unwrap();
        let status = self.buffer().status().await.unwrap().into_iter().find(|status| status.lane == lane).unwrap();
        let reference = self.lanes.get_mut(&lane).unwrap();

        prop_assert_eq!((claim.epoch, claim.next_seq), (reference.epoch, reference.next_seq));
        prop_assert_eq!(claim.oldest_seq, reference.confirmed + 1);
        prop_assert!(!claim.volatile);
        for shown in claim.digests.iter().filter(|shown| shown.last_seq > reference.confirmed) {
            let batch =
                batches.iter().find(|batch| (batch.first_seq, batch.last_seq) == (shown.first_seq, shown.last_seq));
            let batch = batch.map(|batch| (batch.digest, is_gap(&batch.body)));
            prop_assert_eq!(batch, Some((shown.digest, shown.gap)), "{:?} is claimed", shown);
        }
        let bytes: u64 = batches.iter().map(|batch| batch.body.len() as u64).sum();
        prop_assert_eq!(status.bytes, bytes);
        prop_assert!(!status.gap_open, "reading closes a gap");

        let (mut next, mut only_oldest) = (reference.confirmed + 1, true);
        for batch in &batches {
            prop_assert!(batch.first_seq <= next && batch.last_seq >= next, "{next} is missing");
            next = batch.last_seq + 1;
            for (seq, content, reason) in contents(batch) {
                let known = reference.numbers.insert(seq, content);
                match (known, content) {
                    (Some(known), content) if known == content => {}
                    (Some(Content::Record(_)), Content::Gap) => match reason {
                        Some(GapReason::Diverged) => prop_assert!(seq <= reference.common, "{seq} was not agreed upon"),
                        Some(GapReason::Damaged) => prop_assert!(reference.damaged.contains(&seq), "{seq} was whole"),
                        Some(GapReason::BytesLimit | GapReason::AgeLimit) => {
                            prop_assert!(only_oldest, "{seq} was dropped and is not the oldest");
                        }
                        other => prop_assert!(false, "{seq} became a gap for {other:?}"),
                    },
                    (known, content) => prop_assert!(false, "{seq} was {known:?} and is {content:?}"),
                }
                only_oldest &= content == Content::Gap;
            }
        }
        prop_assert_eq!(next, reference.next_seq);
        Ok(())
    }

    async fn new_epoch(&mut self, lane: Lane, part: u64) -> TestCaseResult {
        self.check(lane).await?;
        let batches = self.all(lane).await;
        let reference = self.lanes.get_mut(&lane).unwrap();
        // Both sides agree up to a whole batch, or up to what is confirmed.
        let borders: Vec<_> =
            std::iter::once(reference.confirmed).chain(batches.iter().map(|batch| batch.last_seq)).collect();
        let common = borders[part as usize % borders.len()];
        let old = reference.epoch;
        let epoch = self.buffer().new_epoch(lane, old, common).await.unwrap();
        prop_assert_ne!(epoch, old, "a new epoch has a new name");
        let claim = self.buffer().claims().await.unwrap().into_iter().find(|claim| claim.lane == lane).unwrap();
        let reference = self.lanes.get_mut(&lane).unwrap();
        (reference.epoch, reference.confirmed, reference.common) = (epoch, 0, common);
        // A gap takes the numbers before what is kept, or one more where there are none before it.
        if claim.next_seq == reference.next_seq + 1 {
            reference.numbers.insert(reference.next_seq, Content::Gap);
            reference.next_seq += 1;
        }
        self.check(lane).await?;
        let told = self.all(lane).await;
        let told = told.iter().flat_map(contents).filter(|(_, _, reason)| *reason == Some(GapReason::Diverged));
        prop_assert!(told.count() > 0, "the new epoch does not say that it is one");
        Ok(())
    }
}

fn is_gap(body: &[u8]) -> bool {
    let batch = Batch::decode(body).unwrap();
    batch.records.iter().any(|record| matches!(record.body, RecordBody::Gap(_)))
}

/// What each number of a batch stands for.
fn contents(batch: &StoredBatch) -> Vec<(u64, Content, Option<GapReason>)> {
    let opened = Batch::decode(&batch.body).unwrap();
    assert_eq!((opened.first_seq, opened.last_seq()), (batch.first_seq, batch.last_seq));
    let mut next = batch.first_seq;
    let mut found = Vec::new();
    for record in &opened.records {
        let (content, reason) = match &record.body {
            RecordBody::Event(event) => (Content::Record(event.kind.parse().unwrap()), None),
            RecordBody::Gap(gap) => (Content::Gap, Some(gap.reason)),
            other => panic!("{other:?}"),
        };
        found.extend((next..next + record.span).map(|seq| (seq, content, reason)));
        next += record.span;
    }
    for row in opened.open_rows(&catalogue()).unwrap().into_iter().flat_map(|group| group.rows) {
        let Some(Value::Number(ordinal)) = row.cells[0].1.value else { panic!("{row:?}") };
        found.push((row.seq, Content::Record(ordinal as u64), None));
    }
    found.sort_by_key(|(seq, ..)| *seq);
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_buffer_agrees_with_a_reference_in_memory(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new().await;
            for step in &steps {
                model.take(step).await?;
            }
            for lane in Lane::ALL {
                model.check(lane).await?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}
