//! A file, row group by row group.

use super::column::{Column, Field};
use super::footer::{self, RowGroup};

/// The number of zstd among the codecs.
pub(super) const CODEC_ZSTD: i32 = 6;
/// Rows of a row group.
const ROWS: usize = 1 << 17;
/// Memory of a row group, about: texts may be long.
const BYTES: usize = 16 << 20;
const MAGIC: &[u8] = b"PAR1";

/// Writes a file into memory, from which whoever sends it takes piece by piece.
#[derive(Debug)]
pub struct Writer {
    fields: Vec<Field>,
    columns: Vec<Column>,
    groups: Vec<RowGroup>,
    /// Bytes that were not taken yet, and how many were.
    waiting: Vec<u8>,
    taken: i64,
}

impl Writer {
    /// A file with those columns.
    #[must_use]
    pub fn new(fields: &[Field]) -> Self {
        Self {
            fields: fields.to_vec(),
            columns: fields.iter().copied().map(Column::new).collect(),
            groups: Vec::new(),
            waiting: MAGIC.to_vec(),
            taken: 0,
        }
    }

    /// Adds a row: `fill` adds one value to each column, in the order of the fields.
    ///
    /// # Errors
    /// When a row group could not be compressed.
    pub fn row(&mut self, fill: impl FnOnce(&mut [Column])) -> std::io::Result<()> {
        fill(&mut self.columns);
        let rows = self.columns.first().map_or(0, Column::rows);
        debug_assert!(self.columns.iter().all(|column| column.rows() == rows), "a value for every column");
        // What a row takes is known without looking at it, but for texts.
        if rows >= ROWS || rows.is_multiple_of(1_024) && self.columns.iter().map(Column::bytes).sum::<usize>() >= BYTES
        {
            self.end_group()?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> std::io::Result<()> {
        let rows = self.columns.first().map_or(0, Column::rows);
        if rows == 0 {
            return Ok(());
        }
        let at = self.taken + self.waiting.len() as i64;
        let mut columns = Vec::new();
        for column in &self.columns {
            columns.push((column.write(&mut self.waiting)?, column.encodings()));
        }
        self.groups.push(RowGroup { at, rows: rows as i64, columns });
        self.columns = self.fields.iter().copied().map(Column::new).collect();
        Ok(())
    }

    /// The bytes since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        self.taken += self.waiting.len() as i64;
        std::mem::take(&mut self.waiting)
    }

    /// Ends the file. Returns its last bytes.
    ///
    /// # Errors
    /// When a row group could not be compressed.
    pub fn finish(mut self) -> std::io::Result<Vec<u8>> {
        self.end_group()?;
        let created_by = concat!("kouan-collector version ", env!("CARGO_PKG_VERSION"));
        let metadata = footer::of(&self.fields, &self.groups, created_by);
        self.waiting.extend_from_slice(&metadata);
        self.waiting.extend((metadata.len() as u32).to_le_bytes());
        self.waiting.extend_from_slice(MAGIC);
        Ok(self.take())
    }
}
