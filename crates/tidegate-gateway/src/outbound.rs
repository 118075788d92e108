//! The way out: requests to systems we do not own.
//!
//! An [`Endpoint`] is one address of an external system with all that belongs to it: where it may lie
//! ([`Guard`]), whose certificates are believed, how we prove ourselves ([`auth`]), through which proxy.
//! A [`Transport`] sends requests to endpoints and keeps their connections. What comes back is always
//! an [`Outcome`]: an answer of any status, or a [`Failure`] that says whose fault it was and whether
//! anything was sent.
//!
//! - *Addresses.* A name is resolved by us, every address of the answer is checked, and the connection is
//!   opened to an address that was checked; there is no second lookup to lie to. See [`Guard`] for what is
//!   refused and what a forward proxy changes.
//! - *Redirects* are answers and never followed.
//! - *Repeats.* A request is sent again by itself in two cases only: over another connection if a kept one
//!   turned out dead before a byte was written, and once with a new token if the answer was 401.
//! - *Connections* are kept per endpoint and never shared between endpoints: one endpoint's exception
//!   from the guard must not open a way for another.
//! - HTTP/1.1 only. Each request in flight has a connection of its own, so one slow answer delays no other.
//! - *Bounds* on everything that is theirs: heads, bodies, time from the first lookup to the last byte.
//!   Bodies are asked for without compression.

pub mod auth;
pub mod aws;
mod configured;

mod dial;
mod endpoint;
mod exchange;
mod guard;
mod headers;
mod location;
mod meter;
mod outcome;
mod pool;
mod proxy;
mod resolve;
mod tls;
mod transport;

pub(crate) use configured::{aws_signature, configured};
pub use endpoint::{Endpoint, EndpointError, EndpointSettings};
pub use guard::{AddressClass, Cidr, Guard, GuardSettings, InvalidCidr, Refused};
pub use headers::{HeaderProblem, header};
pub use location::{Base, Location, LocationProblem};
pub use outcome::{Answer, BodyEnd, Failure, FailureKind, Outcome, Sent};
pub use pool::PoolStats;
pub use proxy::ProxySettings;
pub use resolve::{Resolve, Resolving, SystemResolver};
pub use tls::ClientIdentity;
pub use transport::{Preview, Request, Transport, TransportSettings};
