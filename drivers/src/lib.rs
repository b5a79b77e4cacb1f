//! kouan-drivers
