//! What the collector has on its disk: its log, read without the collector's own code.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use kouan_protocol::{Batch, Catalogue, Epoch, Field, FieldValue, Gap, Lane, RecordBody};
use rusqlite::{Connection, OpenFlags};

use super::line::LaneEpoch;

/// A number that a device said, in the order in which the collector stored it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredNumber {
    /// Its place in the log; also gaps have one.
    pub place: usize,
    /// The number.
    pub number: u64,
}

/// A gap.
#[derive(Debug, Clone)]
pub struct StoredGap {
    /// Its place in the log.
    pub place: usize,
    /// In which lane.
    pub lane: u32,
    /// Why.
    pub reason: String,
    /// The devices that it touches; `None` for all.
    pub devices: Option<Vec<String>>,
}

impl StoredGap {
    fn of(gap: &Gap, lane: u32, place: usize) -> Self {
        let all = gap.devices.is_empty() || gap.more_devices;
        let devices = (!all).then(|| gap.devices.iter().map(ToString::to_string).collect());
        Self { place, lane, reason: gap.reason.to_string(), devices }
    }

    /// Whether it may tell of this device.
    #[must_use]
    pub fn touches(&self, device: &str) -> bool {
        self.devices.as_ref().is_none_or(|devices| devices.iter().any(|touched| touched == device))
    }
}

/// Everything that the proof needs of the log.
#[derive(Debug, Default)]
pub struct Stored {
    /// By device.
    pub numbers: BTreeMap<String, Vec<StoredNumber>>,
    /// Passages by device.
    pub passages: BTreeMap<String, u64>,
    /// In the order of the log.
    pub gaps: Vec<StoredGap>,
    /// Runs of numbers that were stored, by lane and epoch, in the order of the log.
    pub runs: BTreeMap<LaneEpoch, Vec<(u64, u64)>>,
    /// Batches that the collector could not read.
    pub quarantined: u64,
    places: usize,
}

impl Stored {
    /// Reads the log of a collector's data folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(data: &Path) -> anyhow::Result<Self> {
        let file = data.join("ingest.db");
        let reading = || format!("reading {} failed", file.display());
        let log = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).with_context(reading)?;
        let mut catalogues = BTreeMap::new();
        let mut statement = log.prepare("SELECT hash, body FROM catalogues").with_context(reading)?;
        let mut rows = statement.query([]).with_context(reading)?;
        while let Some(row) = rows.next().with_context(reading)? {
            let (hash, body): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
            catalogues.insert(hash, Catalogue::decode(&body).context("a stored catalogue cannot be read")?);
        }
        let mut stored = Self::default();
        let order =
            "SELECT kind, lane, epoch, from_seq, last_seq, body, reason FROM log WHERE kind <> 'catalogue' ORDER BY id";
        let mut statement = log.prepare(order).with_context(reading)?;
        let mut rows = statement.query([]).with_context(reading)?;
        while let Some(row) = rows.next().with_context(reading)? {
            let (kind, lane, epoch): (String, u32, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let (from, last): (i64, i64) = (row.get(3)?, row.get(4)?);
            let (from, last) = (u64::try_from(from)?, u64::try_from(last)?);
            let epoch: Epoch = epoch.parse().context("an epoch cannot be read")?;
            // A loss of numbers that nobody knows takes none.
            if from <= last {
                stored.runs.entry((lane, epoch)).or_default().push((from, last));
            }
            match kind.as_str() {
                "batch" => {
                    let body: Vec<u8> = row.get(5)?;
                    let batch = Batch::decode(&body).context("a stored batch cannot be read")?;
                    stored.take(lane, from, &batch, &catalogues)?;
                }
                "quarantined" => stored.quarantined += 1,
                // What the collector itself found to be lost, of whatever device.
                _ => {
                    stored.places += 1;
                    let reason = row.get(6)?;
                    stored.gaps.push(StoredGap { place: stored.places, lane, reason, devices: None });
                }
            }
        }
        Ok(stored)
    }

    fn take(
        &mut self,
        lane: u32,
        from: u64,
        batch: &Batch,
        catalogues: &BTreeMap<String, Catalogue>,
    ) -> anyhow::Result<()> {
        let mut seq = batch.first_seq;
        for record in &batch.records {
            let number = seq;
            seq += record.span;
            if seq <= from {
                continue;
            }
            self.places += 1;
            match &record.body {
                RecordBody::Event(event) if event.kind == "passage" => {
                    *self.passages.entry(event.device.to_string()).or_default() += count(&event.fields);
                }
                RecordBody::Gap(gap) => self.gaps.push(StoredGap::of(gap, lane, self.places)),
                RecordBody::Opaque { kind, .. } => ensure!(number == 0, "record {number} of kind {} is opaque", kind.0),
                _ => {}
            }
        }
        let Some(hash) = batch.catalogue else { return Ok(()) };
        let catalogue = catalogues.get(&hash.to_string()).context("a catalogue is missing")?;
        let mut numbers = Vec::new();
        for group in batch.open_rows(catalogue).context("stored rows cannot be read")? {
            let column = group.group.points.iter().position(|point| point.name.as_str() == "number");
            let Some(column) = column.and_then(|column| u16::try_from(column).ok()) else { continue };
            for row in group.rows.iter().filter(|row| row.seq >= from) {
                let cell = row.cells.iter().find(|(index, _)| *index == column);
                let value = cell.and_then(|(_, cell)| cell.value.as_ref()).and_then(kouan_protocol::Value::as_f64);
                if let Some(value) = value {
                    numbers.push((row.seq, group.device.key.to_string(), value as u64));
                }
            }
        }
        numbers.sort_unstable();
        for (_, device, number) in numbers {
            self.places += 1;
            self.numbers.entry(device).or_default().push(StoredNumber { place: self.places, number });
        }
        Ok(())
    }

    /// The gaps of a lane.
    pub fn gaps_of(&self, lane: Lane) -> impl Iterator<Item = &StoredGap> {
        self.gaps.iter().filter(move |gap| gap.lane == lane.number())
    }
}

/// How many passages an event stands for.
fn count(fields: &[Field]) -> u64 {
    let count = fields.iter().find(|field| field.name == "count").map(|field| &field.value);
    match count {
        Some(FieldValue::Integer(count)) => u64::try_from(*count).unwrap_or(1),
        Some(FieldValue::Number(count)) => *count as u64,
        _ => 1,
    }
}
