//! The shells of receive, publish and subscribe.
//!
//! A request on the public listener is routed by the current [`generation`] of the configuration:
//! to a flow ([`receive`]: verify, identify, map, offer to the hub, answer) or to the door of our
//! own services ([`services`]: publish and subscribe). Whatever is answered 2xx is on disk.
//!
//! Boundary: decisions are made by the pure crates; this one moves bytes between sockets and them.

pub mod gateway;
pub mod http;
pub mod metrics;
pub mod outbound;

mod answer;
mod generation;
mod horizon;
mod mapper;
mod offer;
mod original;
mod public;
mod receive;
mod sample;
mod services;
