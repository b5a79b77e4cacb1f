//! The reader that writes the history.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use kouan_protocol::{Batch, Event, Lane, Privacy, RecordBody, RecordKind, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use serde_json::{Map, Value, json};

use super::{day_of, partition_path};
use crate::reader::Reader;
use crate::store::log::{Catalogues, Entry, EntryKind, FollowLog, Found, Page, SqliteFollower, Wanted};
use crate::store::{During as _, File, StoreError, open_writable};

/// Bytes of batches that one step takes.
const STEP_BYTES: usize = 2 << 20;
/// Partitions that stay open for writing: today, and a few more while a backlog arrives.
const OPEN_PARTITIONS: usize = 8;
/// The name under which the cursor is kept.
pub const HISTORY_CURSOR: &str = "history";

/// Follows the log and writes partitions.
///
/// A step commits each partition that it touches and then its cursor. A crash in between lets the step run again;
/// the keys of blocks and events make that harmless.
pub struct HistoryReader(Option<Box<Inner>>);

struct Inner {
    log: SqliteFollower,
    catalogues: Catalogues,
    folder: PathBuf,
    index: Connection,
    partitions: HashMap<i64, Connection>,
    keep_personal: Vec<String>,
    cursor: i64,
}

impl HistoryReader {
    /// Opens the log and the history's index. Personal values are kept only at the sites `keep_personal`.
    ///
    /// # Errors
    /// When a file cannot be opened.
    pub fn open(ingest: &Path, folder: &Path, keep_personal: Vec<String>) -> Result<Self, StoreError> {
        let index = open_writable(&folder.join("index.db"), File::HistoryIndex)?;
        let cursor = index
            .query_row("SELECT log_id FROM cursors WHERE reader = ?1", [HISTORY_CURSOR], |row| row.get(0))
            .optional()
            .during("read the history's cursor")?;
        Ok(Self(Some(Box::new(Inner {
            log: SqliteFollower::open(ingest)?,
            catalogues: Catalogues::default(),
            folder: folder.to_owned(),
            index,
            partitions: HashMap::new(),
            keep_personal,
            cursor: cursor.unwrap_or(0),
        }))))
    }
}

impl Reader for HistoryReader {
    const NAME: &'static str = "history";

    async fn step(&mut self) -> Result<bool, StoreError> {
        let mut inner = self.0.take().ok_or(StoreError::Closed)?;
        let stepped = tokio::task::spawn_blocking(move || {
            let result = inner.step();
            (inner, result)
        });
        let (inner, result) = stepped.await.map_err(|_| StoreError::Closed)?;
        self.0 = Some(inner);
        result
    }

    fn cursor(&self) -> i64 {
        self.0.as_ref().map_or(0, |inner| inner.cursor)
    }

    async fn stop(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Inner {
    fn step(&mut self) -> Result<bool, StoreError> {
        let Page { entries, through: last } = self.log.after(self.cursor, STEP_BYTES, Wanted::All)?;
        if entries.is_empty() {
            return Ok(false);
        }
        let mut days: BTreeMap<i64, Vec<Item>> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.kind == EntryKind::Batch) {
            match Lane::from_number(entry.lane) {
                Some(Lane::Readings) => self.readings(entry, &mut days)?,
                Some(Lane::Events) => self.events(entry, &mut days),
                Some(Lane::Urgent) | None => {}
            }
        }
        for (day, items) in days {
            self.write(day, &items)?;
        }
        self.index
            .execute("INSERT OR REPLACE INTO cursors (reader, log_id) VALUES (?1, ?2)", params![HISTORY_CURSOR, last])
            .during("move the history's cursor")?;
        self.cursor = last;
        Ok(true)
    }

    fn write(&mut self, day: i64, items: &[Item]) -> Result<(), StoreError> {
        if !self.partitions.contains_key(&day) {
            if self.partitions.len() >= OPEN_PARTITIONS {
                self.partitions.clear();
            }
            let partition = open_partition(&partition_path(&self.folder, day))?;
            self.partitions.insert(day, partition);
        }
        let Some(partition) = self.partitions.get_mut(&day) else { return Err(StoreError::Closed) };
        let transaction =
            partition.transaction_with_behavior(TransactionBehavior::Immediate).during("begin writing a partition")?;
        for item in items {
            match item {
                Item::Block(block) => insert_block(&transaction, block)?,
                Item::Event(event) => insert_event(&transaction, event)?,
            }
        }
        transaction.commit().during("commit a partition")
    }

    fn readings(&mut self, entry: &Entry, days: &mut BTreeMap<i64, Vec<Item>>) -> Result<(), StoreError> {
        let batch = match Batch::decode(&entry.body) {
            Ok(batch) => batch,
            Err(error) => {
                days.entry(day_of(entry.correction.received)).or_default().push(unopened(entry, error.to_string()));
                return Ok(());
            }
        };
        let Some(hash) = batch.catalogue.filter(|_| !batch.groups.is_empty()) else { return Ok(()) };
        let problem = match self.catalogues.find(&mut self.log, &entry.agent, hash)? {
            Found::Unusable(problem) => problem.to_string(),
            Found::Open(catalogue) => match blocks(entry, &batch, &catalogue) {
                Ok(found) => {
                    for (day, block) in found {
                        days.entry(day).or_default().push(Item::Block(block));
                    }
                    return Ok(());
                }
                Err(error) => error.to_string(),
            },
        };
        days.entry(day_of(entry.correction.received)).or_default().push(unopened(entry, problem));
        Ok(())
    }

    fn events(&self, entry: &Entry, days: &mut BTreeMap<i64, Vec<Item>>) {
        let Ok(batch) = Batch::decode(&entry.body) else { return };
        let mut next = batch.first_seq;
        for record in batch.records {
            let seq = next;
            next += record.span;
            let time = entry.correction.time_of(&batch.anchor, record.boot_time);
            let (key, kind, details, opaque) = match &record.body {
                RecordBody::Event(event) => {
                    let keep = self.keep_personal.contains(&entry.site);
                    let mut details = details(event, keep);
                    details["agent_time_ms"] = json!(batch.anchor.wall_at(record.boot_time).0);
                    (event.device.to_string(), event.kind.clone(), details, false)
                }
                RecordBody::Gap(_) => continue,
                // Whatever else stands in this lane is counted, so that every number can be accounted for.
                other => {
                    let RecordKind(kind) = other.encode().0;
                    (String::new(), format!("kind {kind}"), Value::Null, true)
                }
            };
            if seq < entry.from_seq {
                continue;
            }
            let event = EventItem {
                time,
                site: entry.site.clone(),
                agent: entry.agent.to_string(),
                key,
                kind,
                details: details.to_string(),
                late: entry.correction.is_late(time),
                time_status: entry.correction.status.as_str(),
                received: entry.correction.received,
                epoch: entry.epoch.to_string(),
                seq,
                opaque,
            };
            days.entry(day_of(time)).or_default().push(Item::Event(event));
        }
    }
}

/// Opens a day's file. A new one gets its name only when it has its tables, because whoever reads the history takes
/// every file that is there.
fn open_partition(path: &Path) -> Result<Connection, StoreError> {
    if !path.exists() {
        let unfinished = path.with_extension("new");
        drop(open_writable(&unfinished, File::Partition)?);
        std::fs::rename(&unfinished, path).map_err(StoreError::io("name", path))?;
        sync_folder(path)?;
    }
    open_writable(path, File::Partition)
}

/// Makes sure that a new name survives a power cut.
fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::io("sync", folder))
}

/// What an event says, as JSON; a personal value stays out unless its site keeps such values.
fn details(event: &Event, keep_personal: bool) -> Value {
    let mut fields = Map::new();
    let mut left_out = Vec::new();
    for field in &event.fields {
        if field.privacy == Privacy::Personal && !keep_personal {
            left_out.push(field.name.clone());
        } else {
            fields.insert(field.name.clone(), json!(field.value));
        }
    }
    let blobs = event.blobs.iter().map(|blob| {
        let sha256: String = blob.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({ "sha256": sha256, "size": blob.size, "media_type": blob.media_type })
    });
    json!({ "fields": fields, "left_out": left_out, "blobs": blobs.collect::<Vec<_>>() })
}

enum Item {
    Block(Block),
    Event(EventItem),
}

struct Block {
    agent: String,
    epoch: String,
    first_seq: u64,
    from_seq: u64,
    part: i64,
    site: String,
    key: String,
    group_name: String,
    catalogue: String,
    times: (i64, i64),
    rows: u64,
    received: Timestamp,
    anchor: kouan_protocol::Anchor,
    shift_ms: i64,
    time_status: &'static str,
    problem: String,
    body: Vec<u8>,
}

struct EventItem {
    time: Timestamp,
    site: String,
    agent: String,
    key: String,
    kind: String,
    details: String,
    late: bool,
    time_status: &'static str,
    received: Timestamp,
    epoch: String,
    seq: u64,
    opaque: bool,
}

/// The batch's rows by group and day; a block is written into each day that one of its rows belongs to.
fn blocks(
    entry: &Entry,
    batch: &Batch,
    catalogue: &kouan_protocol::Catalogue,
) -> Result<Vec<(i64, Block)>, kouan_protocol::DecodeError> {
    let mut blocks = Vec::new();
    for (part, (open, rows)) in batch.open_rows(catalogue)?.iter().zip(&batch.groups).enumerate() {
        let mut days: BTreeMap<i64, (i64, i64, u64)> = BTreeMap::new();
        for row in open.rows.iter().filter(|row| row.seq >= entry.from_seq) {
            let time = entry.correction.time_of(&batch.anchor, row.boot_time);
            let day = days.entry(day_of(time)).or_insert((time.0, time.0, 0));
            *day = (day.0.min(time.0), day.1.max(time.0), day.2 + 1);
        }
        for (day, (t_min, t_max, count)) in days {
            let block = Block {
                agent: entry.agent.to_string(),
                epoch: entry.epoch.to_string(),
                first_seq: batch.first_seq,
                from_seq: entry.from_seq,
                part: part as i64,
                site: entry.site.clone(),
                key: open.device.key.to_string(),
                group_name: open.group.name.clone(),
                catalogue: batch.catalogue.map(|hash| hash.to_string()).unwrap_or_default(),
                times: (t_min, t_max),
                rows: count,
                received: entry.correction.received,
                anchor: batch.anchor,
                shift_ms: entry.correction.shift_ms,
                time_status: entry.correction.status.as_str(),
                problem: String::new(),
                body: rows.to_bytes(),
            };
            blocks.push((day, block));
        }
    }
    Ok(blocks)
}

/// Rows that do not open: counted here, kept in quarantine.
fn unopened(entry: &Entry, problem: String) -> Item {
    let received = entry.correction.received;
    let anchor = kouan_protocol::Anchor {
        boot: kouan_protocol::BootId(0),
        boot_time: kouan_protocol::BootTime(0),
        wall: received,
        trusted: false,
    };
    Item::Block(Block {
        agent: entry.agent.to_string(),
        epoch: entry.epoch.to_string(),
        first_seq: entry.first_seq,
        from_seq: entry.from_seq,
        part: -1,
        site: entry.site.clone(),
        key: String::new(),
        group_name: String::new(),
        catalogue: String::new(),
        times: (received.0, received.0),
        rows: entry.numbers(),
        received,
        anchor,
        shift_ms: 0,
        time_status: "uncertain",
        problem,
        body: Vec::new(),
    })
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn insert_block(transaction: &Transaction<'_>, block: &Block) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO blocks (agent, epoch, first_seq, from_seq, part, site, key, group_name, catalogue, t_min,
                 t_max, rows, received_ms, boot, boot_ms, wall_ms, trusted, shift_ms, time_status, problem, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                block.agent,
                block.epoch,
                integer(block.first_seq),
                integer(block.from_seq),
                block.part,
                block.site,
                block.key,
                block.group_name,
                block.catalogue,
                block.times.0,
                block.times.1,
                integer(block.rows),
                block.received.0,
                block.anchor.boot.to_string(),
                integer(block.anchor.boot_time.0),
                block.anchor.wall.0,
                block.anchor.trusted,
                block.shift_ms,
                block.time_status,
                block.problem,
                block.body
            ])
        })
        .during("write a block of readings")?;
    Ok(())
}

fn insert_event(transaction: &Transaction<'_>, event: &EventItem) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO events (time_ms, site, agent, key, kind, details, late, time_status, received_ms, epoch,
                 seq, opaque)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                event.time.0,
                event.site,
                event.agent,
                event.key,
                event.kind,
                event.details,
                event.late,
                event.time_status,
                event.received.0,
                event.epoch,
                integer(event.seq),
                event.opaque
            ])
        })
        .during("write an event")?;
    Ok(())
}
