//! Rows that wait for their columns.

use std::sync::Arc;

use kouan_protocol::{Anchor, DecodeError, GroupIndex, GroupRows, GroupSpec, RowsView};

use crate::store::log::{Correction, OpenCatalogue};

/// Rows that wait for their columns, at most.
const ROWS: usize = 64;
/// A part of a batch with more rows does not wait.
const FEW_ROWS: usize = 4;
/// Bytes that wait, at most.
const BYTES: usize = 4 << 10;

/// What rows of one batch have in common.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) entry: i64,
    pub(super) anchor: Anchor,
    pub(super) correction: Correction,
}

/// Rows of a group as they came, copied out of their batches.
///
/// Batches of a quiet site bring one row of each group. Writing it into its columns at once would touch as much memory
/// as writing fifty; keeping the batch until then would keep all that else is in it, and whoever comes to read the row
/// would wait for memory again.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Where they are described; all of them in the same place.
    described: Option<(Arc<OpenCatalogue>, GroupIndex)>,
    /// How many bytes each part of a batch has, and where it comes from.
    parts: Vec<(u32, Arc<Source>)>,
    bytes: Vec<u8>,
    rows: usize,
}

impl Waiting {
    /// Whether rows that are described there can join those that are here.
    pub(super) fn has_room(&self, rows: &GroupRows, catalogue: &Arc<OpenCatalogue>) -> bool {
        self.rows + rows.len() <= ROWS
            && self.bytes.len() + rows.encoded().len() <= BYTES
            && self
                .described
                .as_ref()
                .is_none_or(|(known, index)| Arc::ptr_eq(known, catalogue) && *index == rows.group())
    }

    /// Adds rows that are known to open, for which there is room.
    pub(super) fn add(&mut self, rows: &GroupRows, catalogue: &Arc<OpenCatalogue>, source: &Arc<Source>) {
        if self.described.is_none() {
            self.described = Some((Arc::clone(catalogue), rows.group()));
        }
        let encoded = rows.encoded();
        self.parts.push((encoded.len() as u32, Arc::clone(source)));
        self.bytes.extend_from_slice(encoded);
        self.rows += rows.len();
    }

    /// Whether so large a part of a batch may wait at all: many rows are worth their columns at once.
    pub(super) fn suits(rows: &GroupRows) -> bool {
        rows.len() <= FEW_ROWS && rows.encoded().len() <= BYTES / 4
    }

    /// Hands all of them to `write`, in the order in which they came.
    pub(super) fn drain(
        &mut self,
        mut write: impl FnMut(RowsView<'_>, &GroupSpec, &Source) -> Result<(), DecodeError>,
    ) {
        let Some((catalogue, index)) = self.described.take() else { return };
        let mut bytes = self.bytes.as_slice();
        for (length, source) in self.parts.drain(..) {
            let Some((part, rest)) = bytes.split_at_checked(length as usize) else { break };
            bytes = rest;
            let Some((_, spec)) = catalogue.at(index) else { break };
            let written = RowsView::open(part).and_then(|view| write(view, spec, &source));
            debug_assert!(written.is_ok(), "rows are checked before they wait");
        }
        self.bytes.clear();
        self.rows = 0;
    }
}
