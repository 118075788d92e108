//! The shells of receive, publish and subscribe.

pub mod http;
