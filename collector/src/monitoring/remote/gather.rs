//! From entries of the log to series.

use std::collections::BTreeMap;

use kouan_protocol::{CellSink, GroupRows, GroupSpec, PointKind, Quality, QualityReason, RawValue, Timestamp, Value};

use super::message::{Series, SeriesName, stale};
use super::names::Names;
use crate::monitoring::Labels;
use crate::monitoring::series::{COUNTER, MEASUREMENT, OTHER, STATE, own_words, samples_of};
use crate::state::SharedFleet;
use crate::store::StoreError;
use crate::store::log::{Catalogues, Entry, FollowLog, Found};

/// Series in the making, by name, so that a request has each once.
#[derive(Debug, Default)]
pub(super) struct Gathered(BTreeMap<SeriesName, Vec<(i64, f64)>>);

impl Gathered {
    /// Takes the readings of an entry. What does not open is in quarantine and no reading.
    pub(super) fn add(
        &mut self,
        entry: &Entry,
        log: &mut dyn FollowLog,
        catalogues: &Catalogues,
        (names, fleet): (&Names, &SharedFleet),
    ) -> Result<(), StoreError> {
        let Ok(opened) = entry.open() else { return Ok(()) };
        let batch = &opened.batch;
        let Some(hash) = batch.catalogue.filter(|_| !batch.groups.is_empty()) else { return Ok(()) };
        let Found::Open(catalogue) = catalogues.find(log, &entry.agent, hash)? else { return Ok(()) };
        for rows in &batch.groups {
            let Some((device, group)) = catalogue.at(rows.group()) else { continue };
            let times: Vec<Timestamp> = rows
                .boot_times(&batch.anchor)
                .map(|boot_time| entry.correction.time_of(&batch.anchor, boot_time))
                .collect();
            let Some(first) = times.first() else { continue };
            let Some(labels) = names.labels(fleet, &entry.agent, device.key.as_str(), first.0) else { continue };
            self.add_rows(rows, group, &times, labels, (entry.from_seq, batch.first_seq));
        }
        Ok(())
    }

    fn add_rows(
        &mut self,
        rows: &GroupRows,
        group: &GroupSpec,
        times: &[Timestamp],
        labels: Labels,
        (from_seq, first_seq): (u64, u64),
    ) {
        let Ok(seqs) = rows.seqs(first_seq) else { return };
        let seqs: Vec<u64> = seqs.into_iter().collect();
        let mut cells = Cells(Vec::new());
        if rows.visit(group, &mut cells).is_err() {
            return;
        }
        for (column, row, value) in cells.0 {
            // What an earlier batch brought was sent with it.
            let is_new = seqs.get(row).is_some_and(|seq| *seq >= from_seq);
            let (Some(spec), Some(time)) = (group.points.get(column), times.get(row).filter(|_| is_new)) else {
                continue;
            };
            let point = Labels { point: spec.name.to_string(), ..labels.clone() };
            let mut put = |metric, state: Option<&str>, value| {
                let name = SeriesName { metric, labels: point.clone(), state: state.map(str::to_owned) };
                self.0.entry(name).or_default().push((time.0, value));
            };
            match &value {
                Some(value) => {
                    let samples = samples_of(spec.kind, &spec.states, value);
                    // Nothing ends a series here but a sample that says so.
                    if spec.kind == PointKind::State && !samples.iter().any(|sample| sample.state == Some(OTHER)) {
                        put(STATE, Some(OTHER), 0.0);
                    }
                    for sample in samples {
                        put(sample.name, sample.state, sample.value);
                    }
                }
                // Nothing is known from here on; what was known must not stand on.
                None => match spec.kind {
                    PointKind::Measurement => put(MEASUREMENT, None, stale()),
                    PointKind::Counter => put(COUNTER, None, stale()),
                    PointKind::State => {
                        put(STATE, Some(OTHER), stale());
                        own_words(&spec.states)
                            .filter(|state| *state != OTHER)
                            .for_each(|state| put(STATE, Some(state), stale()));
                    }
                    PointKind::Text => {}
                },
            }
        }
    }

    /// The series in requests of at most `most` samples, each series by time and each time once.
    pub(super) fn into_requests(self, most: usize) -> Vec<Vec<Series>> {
        let (mut requests, mut request, mut size) = (Vec::new(), Vec::new(), 0);
        for (name, mut samples) in self.0 {
            samples.sort_by_key(|(time_ms, _)| *time_ms);
            // Of two readings of one millisecond a receiver takes one.
            samples.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                if same {
                    kept.1 = next.1;
                }
                same
            });
            for part in samples.chunks(most) {
                if size + part.len() > most {
                    requests.push(std::mem::take(&mut request));
                    size = 0;
                }
                size += part.len();
                request.push(Series { name: name.clone(), samples: part.to_vec() });
            }
        }
        if !request.is_empty() {
            requests.push(request);
        }
        requests
    }
}

struct Cells(Vec<(usize, usize, Option<Value>)>);

impl CellSink for Cells {
    fn cell(&mut self, column: usize, row: usize, value: Option<RawValue<'_>>, _: Quality, _: QualityReason) {
        self.0.push((column, row, value.map(RawValue::to_value)));
    }
}
