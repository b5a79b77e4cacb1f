//! kouan-agent
