//! The gateway as senders and services meet it: a real hub, real sockets, a configuration from text.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test fails the test"
)]

mod call;
mod cloudevents;
mod faults;
mod hostile;
mod identity;
mod limits;
mod metrics;
mod originals;
mod overload;
mod pages;
mod publish;
mod reload;
mod schemes;
mod site;
mod subscribe;
mod tls;
