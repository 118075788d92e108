//! The admin API: what operators, probes and the command line ask a node.
//!
//! [`Admin`] holds what the handlers need and gives the router; [`AdminHandler`] puts the router
//! behind a listener of the gateway. What only the process can do (reading the configuration
//! again, telling its metrics) is asked of a [`Node`].
//!
//! Every handler of a path under `/api/v1` appears in the OpenAPI description ([`openapi_json`]),
//! and its answers are the types of [`view`], which the command line reads with.
//!
//! Bounds: pages by entries, bytes and bytes looked through ([`limits`]); disk questions at a time;
//! long polls and streams at a time; the listener bounds connections and heads.
//!
//! Boundary: nothing here changes events; what cures faults and pauses flows is the process's. Secrets are never shown; originals are kept without
//! credentials by the gateway already.

mod admin;
mod api;
mod guard;
pub mod limits;
mod node;
mod problem;
mod search;
mod serve;
pub mod view;

pub use admin::{Admin, AdminSettings};
pub use api::openapi_json;
pub use node::{
    BooksRefusal, CommandRefusal, ConsumerStatus, DeliverStatus, Doing, FeedStatus, FlowStatus,
    Node, OpenFault, PollStatus, Readiness, ReloadRefusal, Reloaded, ReplayOptions, ReplayPhase,
    Replayed, ResubmitOptions, Resubmitted,
};
pub use problem::{CODES, Code, CodeRow, Problem};
pub use serve::AdminHandler;
