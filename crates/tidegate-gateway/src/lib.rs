//! The shells of receive, deliver, serve, publish and subscribe.
//!
//! A request on the public listener is routed by the current [`generation`] of the configuration:
//! to a flow that receives ([`receive`]: verify, identify, map, offer to the hub, answer), to one that
//! serves ([`feeds`]: pages and streams of events), or to the door of our own services ([`services`]:
//! publish and subscribe). What is taken and answered 2xx is on disk. Flows that fetch have tasks of their
//! own ([`poll`]).
//!
//! Flows that deliver ([`deliver`]) read the log and send through [`outbound`].
//!
//! Boundary: decisions are made by the pure crates; this one moves bytes between sockets and them.

pub mod gateway;
pub mod http;
pub mod metrics;
pub mod outbound;
pub mod peer;
pub mod poll;

mod again;
mod answer;
mod books;
mod deliver;
mod document;
mod feeds;
mod generation;
mod horizon;
mod mapper;
mod offer;
mod original;
mod pause;
mod public;
mod receive;
mod sample;
mod services;
mod tasks;

pub use deliver::trial;
pub use poll::trial as poll_trial;
