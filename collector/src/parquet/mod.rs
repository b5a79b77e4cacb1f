//! Files in the format of Apache Parquet (github.com/apache/parquet-format), written row group by row group into
//! whatever takes bytes: the memory of a file of any length is that of one row group and of the list of those before.
//!
//! Only what tables of readings need: flat columns of whole numbers, numbers, truths and words, each required or
//! optional; words as a dictionary where they repeat; pages compressed with zstd.

mod column;
mod footer;
mod hybrid;
mod thrift;
mod writer;

pub use column::{Column, Field, Kind};
pub use writer::Writer;
