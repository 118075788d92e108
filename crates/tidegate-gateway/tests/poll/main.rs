//! Flows that poll, against sources on real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on shall stop"
)]

mod faults;
mod hostile;
mod lists;
mod queue;
mod reconcile;
mod restarts;
mod site;
mod source;
