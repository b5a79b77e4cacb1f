//! Sizes that a decoder refuses to exceed. They are part of the protocol (`docs/wire.md`, "Limits").

/// Longest name of an agent, device or point, in bytes.
pub const NAME_BYTES: usize = 64;
/// Longest text value, label or message, in bytes.
pub const TEXT_BYTES: usize = 1024;
/// Most fields of one event, command or outcome.
pub const FIELDS: usize = 64;
/// Largest encoded body of one record, in bytes.
pub const RECORD_BYTES: usize = 16 * 1024;
/// Largest encoded batch, in bytes.
pub const BATCH_BYTES: usize = 256 * 1024;
/// Most numbers (rows and records) in one batch, gaps not counted.
pub const BATCH_RECORDS: usize = 16 * 1024;
/// Most points of one read group.
pub const GROUP_POINTS: usize = 512;
/// Most batches in one upload.
pub const UPLOAD_BATCHES: usize = 512;
/// Largest body of a request as it is sent, in bytes.
pub const BODY_BYTES: usize = 2 * 1024 * 1024;
/// Largest body of a request after decompression, in bytes.
pub const PLAIN_BYTES: usize = 8 * 1024 * 1024;
/// Largest encoded catalogue, in bytes.
pub const CATALOGUE_BYTES: usize = 4 * 1024 * 1024;
/// Most devices in a catalogue.
pub const CATALOGUE_DEVICES: usize = 10_000;
/// Most points in a catalogue.
pub const CATALOGUE_POINTS: usize = 200_000;
/// Most digests a hello carries for one lane.
pub const HELLO_DIGESTS: usize = 64;
/// Longest time a command poll may be held, in milliseconds.
pub const POLL_MS: u32 = 55_000;
