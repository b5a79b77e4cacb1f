//! kouan-settings
