//! The lease against a model of the store, the network and the clocks.
//!
//! [`search`] visits every state that two or three nodes can come to with a bounded number of faults;
//! [`random`] plays long runs with any number of them, in milliseconds. Both watch the same
//! invariants ([`witness`]), and [`mutants`] breaks one rule of the machine at a time to see that they
//! notice.

mod claims;
mod mutants;
mod random;
mod records;
mod rules;
mod search;
mod store;
mod witness;

use super::{Identity, Lease, Name, ShardId, Terms, Timing};
use tidegate_types::time::BootMillis;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn shard(text: &str) -> ShardId {
    text.parse().unwrap()
}

/// The node `index`, in a region of its own.
fn identity(index: usize, life: u64) -> Identity {
    Identity {
        node: name(&format!("n{index}")),
        region: name(&format!("r{index}")),
        nonce: life,
    }
}

fn lease(timing: Timing, index: usize, life: u64, now: BootMillis) -> Lease {
    Lease::new(timing, identity(index, life), now)
}

fn terms(lock_delay_ms: u64) -> Terms {
    Terms {
        lock_delay_ms,
        ..Terms::default()
    }
}
