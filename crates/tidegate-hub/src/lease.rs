//! The lease of this node, driven: the stores that leases stand in, and the task that asks them.
//!
//! [`tidegate_core::lease`] decides; here is what it cannot have: sockets, the clock, a task.

pub mod conformance;
pub mod keeper;
pub mod memory;
pub mod nats;
pub mod store;
