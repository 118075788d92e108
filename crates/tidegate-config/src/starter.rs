//! The file that `tidegate init` writes.

/// A commented starter that passes the check as it stands.
pub const STARTER: &str = include_str!("starter.yaml");
