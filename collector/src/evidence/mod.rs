//! Pictures that show what happened at a device: as evidence of an alarm, an event or a command, or of the device itself.
//!
//! A picture is a file that is named by its SHA-256, and a row of `state.db` that says what it shows. The file is on disk
//! before the row is: a file without a row was never promised to anybody and is swept, and a row without its file is
//! shown as lost. Nothing here knows where pictures come from.
//!
//! | file | subject |
//! |---|---|
//! | `picture.rs` | what bytes are a picture, and how large it is |
//! | `files.rs` | the folder of pictures |
//! | `rows.rs` | what is known of each |
//! | `keep.rs` | both together: keeping, showing, removing |
//! | `care.rs` | what nobody needs any more goes |
//! | `check.rs` | whether every picture is what it was |

mod care;
mod check;
mod files;
mod keep;
mod picture;
mod rows;
#[cfg(test)]
mod tests;

pub(crate) use care::Care;
pub use check::{EvidenceReport, check, needed};
pub use files::{Digest, Files, Placed};
pub use keep::{Evidence, Given};
pub use picture::{PICTURE_BYTES, Picture, PictureProblem};
pub use rows::{EvidenceFilter, EvidenceRow, KeepProblem, Kept, Limits, RemoveProblem, Removed, totals};
