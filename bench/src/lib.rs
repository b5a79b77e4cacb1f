//! kouan-bench
