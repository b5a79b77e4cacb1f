//! kouan-collector
