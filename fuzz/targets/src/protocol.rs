//! The wire between agent and collector.

use kouan_protocol::session::{CommandDelivery, CommandPoll, Hello, Receipt, Upload, Welcome};
use kouan_protocol::{Batch, Catalogue};

use crate::Target;

/// The released encodings of these messages; files of every version stay (`protocol/golden`).
macro_rules! golden {
    ($($name:literal),*) => {
        vec![$(include_bytes!(concat!("../../../protocol/golden/v1/", $name, ".bin")).to_vec()),*]
    };
}

const CATALOGUE_BYTES: &[u8] = include_bytes!("../../../protocol/golden/v1/catalogue.bin");

pub(crate) const BATCH: Target = Target {
    name: "batch",
    run: batch,
    seeds: || golden!("readings", "records", "gap", "snapshot", "snapshot_with_alarms", "volatile"),
};
pub(crate) const CATALOGUE: Target = Target { name: "catalogue", run: catalogue, seeds: || golden!("catalogue") };
pub(crate) const SESSION: Target = Target {
    name: "session",
    run: session,
    seeds: || golden!("hello", "hello_from_memory", "welcome", "receipt", "receipt_held", "poll", "delivery"),
};
pub(crate) const UPLOAD: Target = Target { name: "upload", run: upload, seeds: || golden!("upload") };

fn batch(data: &[u8]) {
    let Ok(batch) = Batch::decode(data) else { return };
    let again = Batch::decode(&batch.encode());
    assert_eq!(again.as_ref(), Ok(&batch), "a batch does not read what it wrote");
    let catalogue = Catalogue::decode(CATALOGUE_BYTES).expect("a released catalogue");
    // Rows that do not fit the catalogue are refused, whatever they say.
    let _ = batch.open_rows(&catalogue);
}

fn catalogue(data: &[u8]) {
    let Ok(catalogue) = Catalogue::decode(data) else { return };
    assert_eq!(Catalogue::decode(&catalogue.encode()), Ok(catalogue), "a catalogue does not read what it wrote");
}

fn session(data: &[u8]) {
    if let Ok(hello) = Hello::decode(data) {
        assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
    }
    if let Ok(welcome) = Welcome::decode(data) {
        assert_eq!(Welcome::decode(&welcome.encode()), Ok(welcome));
    }
    if let Ok(receipt) = Receipt::decode(data) {
        assert_eq!(Receipt::decode(&receipt.encode()), Ok(receipt));
    }
    if let Ok(poll) = CommandPoll::decode(data) {
        assert_eq!(CommandPoll::decode(&poll.encode()), Ok(poll));
    }
    if let Ok(delivery) = CommandDelivery::decode(data) {
        assert_eq!(CommandDelivery::decode(&delivery.encode()), Ok(delivery));
    }
}

fn upload(data: &[u8]) {
    let Ok(upload) = Upload::decode(data) else { return };
    assert_eq!(Upload::decode(&upload.clone().encode()), Ok(upload), "an upload does not read what it wrote");
}
