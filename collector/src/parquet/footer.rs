//! The metadata at the end of a file (parquet-format, parquet.thrift).

use super::column::{Field, Kind, Written};
use super::thrift::Struct;
use super::writer::CODEC_ZSTD;

/// Where a row group is, and what it holds.
#[derive(Debug)]
pub(super) struct RowGroup {
    pub(super) at: i64,
    pub(super) rows: i64,
    pub(super) columns: Vec<(Written, &'static [i32])>,
}

fn physical(kind: Kind) -> i32 {
    match kind {
        Kind::Truth => 0,
        Kind::Time => 2,
        Kind::Number => 5,
        Kind::Word | Kind::Text => 6,
    }
}

fn schema(field: &Field) -> Struct {
    const UTF8: i32 = 0;
    const TIMESTAMP_MILLIS: i32 = 9;
    let element = Struct::default()
        .i32(1, physical(field.kind))
        .i32(3, i32::from(field.optional))
        .binary(4, field.name.as_bytes());
    match field.kind {
        Kind::Time => {
            let milliseconds = Struct::default().nested(1, Struct::default());
            let timestamp = Struct::default().truth(1, true).nested(2, milliseconds);
            element.i32(6, TIMESTAMP_MILLIS).nested(10, Struct::default().nested(8, timestamp))
        }
        Kind::Word | Kind::Text => element.i32(6, UTF8).nested(10, Struct::default().nested(1, Struct::default())),
        Kind::Number | Kind::Truth => element,
    }
}

fn column(field: &Field, at: i64, written: &Written, encodings: &[i32]) -> Struct {
    let mut metadata = Struct::default()
        .i32(1, physical(field.kind))
        .i32s(2, encodings)
        .binaries(3, &[field.name.as_bytes()])
        .i32(4, CODEC_ZSTD)
        .i64(5, written.rows)
        .i64(6, written.plain_bytes)
        .i64(7, written.bytes)
        .i64(9, at + written.data_at);
    if written.has_dictionary {
        metadata = metadata.i64(11, at);
    }
    if let Some((least, greatest)) = written.bounds {
        let bounds = Struct::default().i64(3, 0).binary(5, &greatest.to_le_bytes()).binary(6, &least.to_le_bytes());
        metadata = metadata.nested(12, bounds);
    }
    Struct::default().i64(2, at).nested(3, metadata)
}

fn row_group(fields: &[Field], group: &RowGroup) -> Struct {
    let mut at = group.at;
    let columns: Vec<Struct> = fields
        .iter()
        .zip(&group.columns)
        .map(|(field, (written, encodings))| {
            let begins = at;
            at += written.bytes;
            column(field, begins, written, encodings)
        })
        .collect();
    let plain = group.columns.iter().map(|(written, _)| written.plain_bytes).sum();
    Struct::default()
        .structs(1, columns.into_iter())
        .i64(2, plain)
        .i64(3, group.rows)
        .i64(5, group.at)
        .i64(6, at - group.at)
}

/// The metadata of a file.
pub(super) fn of(fields: &[Field], groups: &[RowGroup], created_by: &str) -> Vec<u8> {
    let root = Struct::default().binary(4, b"schema").i32(5, fields.len() as i32);
    let schema: Vec<Struct> = [root].into_iter().chain(fields.iter().map(schema)).collect();
    // Without its order, readers leave the bounds of a column unused.
    let orders: Vec<Struct> = fields.iter().map(|_| Struct::default().nested(1, Struct::default())).collect();
    Struct::default()
        .i32(1, 1)
        .structs(2, schema.into_iter())
        .i64(3, groups.iter().map(|group| group.rows).sum())
        .structs(4, groups.iter().map(|group| row_group(fields, group)).collect::<Vec<_>>().into_iter())
        .binary(6, created_by.as_bytes())
        .structs(7, orders.into_iter())
        .end()
}
