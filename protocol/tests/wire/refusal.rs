//! What is cut short, too large or contradictory is refused with words that name the place, and never panics.

use crate::samples;

use kouan_protocol::session::{CommandDelivery, Hello, Receipt, Upload, Welcome};
use kouan_protocol::*;
use proptest::prelude::*;

/// A message's name, a good one, and whether bytes are accepted as one.
type Decoder = (&'static str, Vec<u8>, fn(&[u8]) -> bool);

fn decoders() -> Vec<Decoder> {
    vec![
        ("catalogue", samples::catalogue().encode(), |b| Catalogue::decode(b).is_ok()),
        ("readings", samples::readings().encode(), |b| Batch::decode(b).is_ok()),
        ("records", samples::records().encode(), |b| Batch::decode(b).is_ok()),
        ("hello", samples::hello().encode(), |b| Hello::decode(b).is_ok()),
        ("welcome", samples::welcome().encode(), |b| Welcome::decode(b).is_ok()),
        ("upload", samples::upload().encode(), |b| Upload::decode(b).is_ok()),
        ("receipt", samples::receipt().encode(), |b| Receipt::decode(b).is_ok()),
        ("delivery", samples::delivery().encode(), |b| CommandDelivery::decode(b).is_ok()),
    ]
}

#[test]
fn a_truncated_batch_is_refused() {
    let bytes = samples::readings().encode();
    // Cutting inside the last field breaks the message; cutting between fields breaks the announced count.
    let accepted: Vec<_> = (0..bytes.len()).filter(|end| Batch::decode(&bytes[..*end]).is_ok()).collect();
    assert_eq!(accepted, Vec::<usize>::new());
}

#[test]
fn an_oversized_batch_is_refused_before_it_is_read() {
    let error = Batch::decode(&vec![0; limits::BATCH_BYTES + 1]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("batch bytes has {}, the limit is {}", limits::BATCH_BYTES + 1, limits::BATCH_BYTES)
    );
}

#[test]
fn a_body_that_grows_beyond_the_limit_is_refused() {
    let bomb = frame::compress(&vec![0; limits::PLAIN_BYTES + 1]).unwrap();
    assert!(bomb.len() < 10_000);
    assert!(matches!(frame::decompress(&bomb), Err(DecodeError::TooLarge { .. })));
    assert!(matches!(frame::decompress(b"not zstd"), Err(DecodeError::Compression { .. })));
    let plain = b"hello".repeat(100);
    assert_eq!(frame::decompress(&frame::compress(&plain).unwrap()).unwrap(), plain);
}

#[test]
fn a_changed_batch_no_longer_matches_its_digest() {
    let mut upload = samples::upload();
    upload.batches[0].body[10] ^= 1;
    assert_eq!(Upload::decode(&upload.encode()), Err(DecodeError::DigestMismatch { first_seq: 42 }));
}

#[test]
fn numbers_that_do_not_add_up_are_refused() {
    let wrong_count = Batch { count: 5, ..samples::readings() };
    let error = Batch::decode(&wrong_count.encode()).unwrap_err();
    assert_eq!(error.to_string(), "batch: it announces 5 numbers and holds Some(4)");
    let mut doubled = samples::readings();
    doubled.groups[1] = doubled.groups[0].clone();
    assert!(Batch::decode(&doubled.encode()).unwrap_err().to_string().contains("is doubled or outside"));
    let mut spread = samples::records();
    spread.records[0].span = 2;
    assert!(Batch::decode(&spread.encode()).is_err());
}

#[test]
fn a_record_that_cannot_be_read_is_kept_as_it_came() {
    let unknown = RecordBody::Opaque { kind: RecordKind(99), body: vec![1, 2, 3], problem: String::new() };
    let batch = Batch::of_records(1, samples::anchor(), vec![Record::new(BootTime(5), unknown)]);
    let decoded = Batch::decode(&batch.encode()).unwrap();
    let RecordBody::Opaque { kind, body, problem } = &decoded.records[0].body else { panic!("{decoded:?}") };
    assert_eq!((kind.0, body.as_slice(), problem.as_str()), (99, [1, 2, 3].as_slice(), "record kind 99 is not known"));
    assert_eq!(decoded.encode(), batch.encode());
}

#[test]
fn a_number_that_is_not_finite_arrives_as_bad() {
    let catalogue = samples::catalogue();
    let (index, _, group) = catalogue.groups().next().unwrap();
    let row = Row { seq: 1, boot_time: BootTime(1), cells: vec![(6, Cell::good(Value::Number(f64::INFINITY)))] };
    let rows = GroupRows::encode(index, group, &[row], 1, &samples::anchor());
    let opened = rows.rows(group, 1, &samples::anchor()).unwrap();
    assert_eq!(opened[0].cells, vec![(6, Cell::bad(QualityReason::NotUnderstood))]);
}

proptest! {
    #[test]
    fn damaged_bytes_never_panic(which in 0..8_usize, at in any::<prop::sample::Index>(), flip in 1..=255_u8, cut in any::<bool>()) {
        let (_, mut bytes, decode) = decoders().remove(which);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if cut {
            bytes.truncate(at + 1);
        }
        decode(&bytes);
        if let Ok(batch) = Batch::decode(&bytes) {
            let _ = batch.open_rows(&samples::catalogue());
        }
    }

    #[test]
    fn any_rows_come_back_as_they_were(rows in prop::collection::vec(row(), 1..40), first in 1..1_000_000_u64) {
        let catalogue = samples::catalogue();
        let (index, _, group) = catalogue.groups().next().unwrap();
        let mut seq = first;
        let rows: Vec<Row> = rows.into_iter().map(|(step, boot_time, cells)| {
            seq += step;
            let numbered = Row { seq, boot_time: BootTime(boot_time), cells };
            seq += 1;
            numbered
        }).collect();
        let encoded = GroupRows::encode(index, group, &rows, first, &samples::anchor());
        let decoded = encoded.rows(group, first, &samples::anchor()).unwrap();
        prop_assert_eq!(&decoded, &rows);
        prop_assert_eq!(encoded.cell_count(group.points.len()), rows.iter().map(|row| row.cells.len()).sum::<usize>());
    }
}

fn row() -> impl Strategy<Value = (u64, u64, Vec<(u16, Cell)>)> {
    let cells: Vec<_> =
        (0..10_u16).map(|column| prop::option::of(cell(column)).prop_map(move |c| (column, c))).collect();
    let present = |cells: Vec<(u16, Option<Cell>)>| {
        cells.into_iter().filter_map(|(column, cell)| Some((column, cell?))).collect::<Vec<_>>()
    };
    (0..3_u64, 0..200_000_000_u64, cells.prop_map(present))
}

fn cell(column: u16) -> impl Strategy<Value = Cell> {
    let value = match column {
        0 => prop::sample::select(vec!["mains", "battery", "eco", "旁路"]).prop_map(Value::text).boxed(),
        9 => "[a-z文字]{0,12}".prop_map(|text| Value::text(&text)).boxed(),
        _ => prop_oneof![
            (-100_000..100_000_i32).prop_map(|number| Value::Number(f64::from(number) / 10.0)),
            any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::Number),
        ]
        .boxed(),
    };
    let reason = prop::sample::select(vec![QualityReason::OutOfRange, QualityReason::NotAvailable]);
    (value, reason, 0..4_u8).prop_map(|(value, reason, quality)| match quality {
        0 => Cell::bad(reason),
        1 => Cell::uncertain(value, reason),
        _ => Cell::good(value),
    })
}

#[test]
fn what_is_taken_for_ordinary_is_carried_at_its_largest() {
    let field = |at: usize| {
        let name = format!("{at}{}", "n".repeat(limits::NAME_BYTES - 1));
        Field { name, value: FieldValue::Text("x".repeat(limits::TEXT_BYTES)), privacy: Privacy::Personal }
    };
    let event = |fields: usize| {
        let device = "d".repeat(limits::NAME_BYTES).parse().unwrap();
        let kind = "k".repeat(limits::NAME_BYTES);
        RecordBody::Event(Event { device, kind, fields: (0..fields).map(field).collect(), blobs: vec![] })
    };
    // 8 fields are judged without encoding, 9 and more by what a reader would do.
    for fields in [0, 8, 9, 40] {
        let body = event(fields);
        let (kind, bytes) = body.encode();
        let is_read = !matches!(RecordBody::decode(kind, bytes), RecordBody::Opaque { .. });
        assert_eq!(body.is_carried(), is_read, "{fields} fields");
    }
    assert!(!event(40).is_carried());
    let endless = Field::new("value", FieldValue::Number(f64::INFINITY));
    let RecordBody::Event(odd) = event(0) else { panic!() };
    assert!(!RecordBody::Event(Event { fields: vec![endless], ..odd }).is_carried());
}
