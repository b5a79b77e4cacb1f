//! The bytes of every message are those of `golden/`, for ever.
//!
//! A change that alters an encoding on purpose adds a folder beside `v1`; the old files stay and must still decode.
//! `KOUAN_WRITE_GOLDEN=1` writes files that are missing; it never overwrites one.

use crate::samples;

use std::path::PathBuf;

use kouan_protocol::session::{CommandDelivery, CommandPoll, Hello, Receipt, Upload, Welcome};
use kouan_protocol::{Batch, Catalogue};

fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/v1").join(format!("{name}.bin"));
    if !path.exists() && std::env::var_os("KOUAN_WRITE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

macro_rules! golden {
    ($test:ident, $sample:expr, $encode:expr, $decode:expr) => {
        #[test]
        fn $test() {
            let sample = $sample;
            let bytes = $encode(sample.clone());
            let stored = golden(stringify!($test), &bytes);
            assert_eq!(bytes, stored, "the encoding of a released message changed");
            assert_eq!($decode(&stored).unwrap(), sample, "a released message no longer decodes to what it said");
        }
    };
}

golden!(catalogue, samples::catalogue(), |m: Catalogue| m.encode(), Catalogue::decode);
golden!(readings, samples::readings(), |m: Batch| m.encode(), Batch::decode);
golden!(records, samples::records(), |m: Batch| m.encode(), Batch::decode);
golden!(records_in_chinese, samples::records_in_chinese(), |m: Batch| m.encode(), Batch::decode);
golden!(gap, samples::gap(), |m: Batch| m.encode(), Batch::decode);
golden!(snapshot, samples::snapshot(), |m: Batch| m.encode(), Batch::decode);
golden!(snapshot_with_alarms, samples::snapshot_with_alarms(), |m: Batch| m.encode(), Batch::decode);
golden!(volatile, samples::volatile(), |m: Batch| m.encode(), Batch::decode);
golden!(hello_from_memory, samples::hello_from_memory(), |m: Hello| m.encode(), Hello::decode);
golden!(hello, samples::hello(), |m: Hello| m.encode(), Hello::decode);
golden!(welcome, samples::welcome(), |m: Welcome| m.encode(), Welcome::decode);
golden!(upload, samples::upload(), |m: Upload| m.encode(), Upload::decode);
golden!(receipt, samples::receipt(), |m: Receipt| m.encode(), Receipt::decode);
golden!(receipt_held, samples::receipt_held(), |m: Receipt| m.encode(), Receipt::decode);
golden!(poll, samples::poll(), |m: CommandPoll| m.encode(), CommandPoll::decode);
golden!(delivery, samples::delivery(), |m: CommandDelivery| m.encode(), CommandDelivery::decode);

#[test]
fn stored_rows_open_to_what_they_said() {
    let catalogue = samples::catalogue();
    let batch = Batch::decode(&golden("readings", &samples::readings().encode())).unwrap();
    let opened = batch.open_rows(&catalogue).unwrap();
    let rows: Vec<_> = opened.into_iter().map(|group| (group.index, group.rows)).collect();
    assert_eq!(rows, samples::rows());
}
