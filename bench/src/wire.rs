//! Bytes per poll: one row of ten points, at a quiet site and at a busy one, before and after zstd.

use kouan_protocol::session::{Envelope, Upload};
use kouan_protocol::{Batch, Catalogue, Digest, Epoch, GroupRows, Lane, Row, SessionId, frame};

use crate::site::{self, Dice};
use kouan_figures::Figure;

const POINTS: usize = 10;

/// A kind of site: devices, how many of its values change, and rows of one group in a batch.
struct Shape {
    name: &'static str,
    devices: usize,
    changed_one_in: u64,
    rows_per_group: usize,
}

pub(crate) fn measure() -> anyhow::Result<Vec<Figure>> {
    let shapes = [
        Shape { name: "quiet: 10 devices, 1 in 10 values changes", devices: 10, changed_one_in: 10, rows_per_group: 1 },
        Shape { name: "busy: 200 devices, 1 in 3 values changes", devices: 200, changed_one_in: 3, rows_per_group: 1 },
        Shape { name: "full rows: 200 devices, all values", devices: 200, changed_one_in: 1, rows_per_group: 1 },
        Shape { name: "full rows, 10 polls a batch", devices: 200, changed_one_in: 1, rows_per_group: 10 },
    ];
    let mut figures = Vec::new();
    for shape in shapes {
        figures.extend(shape.measure()?);
    }
    Ok(figures)
}

impl Shape {
    fn measure(&self) -> anyhow::Result<Vec<Figure>> {
        let catalogue = site::catalogue(self.devices, POINTS)?;
        let hash = Catalogue::hash_of(&catalogue.encode());
        let mut dice = Dice::new(7);
        let mut values: Vec<Vec<f64>> = (0..self.devices).map(|at| vec![200.0 + at as f64; POINTS]).collect();
        let (mut rows, mut cells, mut batch_bytes, mut sent_bytes) = (0_usize, 0_usize, 0_usize, 0_usize);
        for second in 0..60_u64 {
            let anchor = site::anchor(1_000_000 + (second + 1) * 1000);
            let mut groups: Vec<Vec<Row>> = vec![Vec::new(); self.devices];
            let mut seq = 1;
            for _ in 0..self.rows_per_group {
                for (group, values) in groups.iter_mut().zip(&mut values) {
                    // Polls are spread over the second, with a little jitter.
                    let offset = seq * 1000 / (self.devices * self.rows_per_group) as u64 + dice.next() % 7;
                    let at = anchor.boot_time.0 - 1000 + offset.min(999);
                    let row = site::row(seq, at, values, &mut dice, self.changed_one_in);
                    if !row.cells.is_empty() {
                        cells += row.cells.len();
                        group.push(row);
                        seq += 1;
                    }
                }
            }
            let encoded = catalogue.groups().zip(&groups).filter(|(_, rows)| !rows.is_empty());
            let groups: Vec<_> =
                encoded.map(|((index, _, spec), rows)| GroupRows::encode(index, spec, rows, 1, &anchor)).collect();
            let count = seq - 1;
            rows += count as usize;
            let batch = Batch {
                first_seq: 1 + second * 4096,
                count,
                anchor,
                catalogue: Some(hash),
                groups,
                records: vec![],
                volatile: false,
                all_alarms: false,
            };
            let body = batch.encode();
            batch_bytes += body.len();
            let envelope = Envelope {
                lane: Lane::Readings.number(),
                epoch: Epoch(0x1234_5678_9ABC_DEF0),
                first_seq: batch.first_seq,
                last_seq: batch.last_seq(),
                digest: Digest::of(&body),
                body,
            };
            let upload = Upload {
                session: SessionId(0x0FED_CBA9_8765_4321),
                now: anchor,
                catalogues: vec![],
                batches: vec![envelope],
                snapshots: vec![],
            };
            sent_bytes += frame::compress(&upload.encode())?.len();
        }
        let polls = (60 * self.devices * self.rows_per_group) as f64;
        let per = |bytes: usize, of: f64| bytes as f64 / of;
        Ok(vec![
            Figure::new("wire", format!("{}: kept values per poll", self.name), cells as f64 / polls, "values"),
            Figure::new("wire", format!("{}: rows per poll", self.name), rows as f64 / polls, "rows"),
            Figure::new("wire", format!("{}: batch bytes per poll", self.name), per(batch_bytes, polls), "B"),
            Figure::new("wire", format!("{}: sent bytes per poll", self.name), per(sent_bytes, polls), "B"),
            Figure::new(
                "wire",
                format!("{}: sent bytes per kept value", self.name),
                per(sent_bytes, cells as f64),
                "B",
            ),
        ])
    }
}
