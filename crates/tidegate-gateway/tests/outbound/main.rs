//! The way out over real sockets, against servers, proxies, resolvers and authorities that behave badly.
#![expect(clippy::unwrap_used, reason = "a failed step of a test fails the test")]

mod addresses;
mod answers;
mod aws;
mod connections;
mod credentials;
mod hostile;
mod logs;
mod proxies;
mod support;
mod tls;
