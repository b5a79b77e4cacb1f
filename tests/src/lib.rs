//! kouan-tests
