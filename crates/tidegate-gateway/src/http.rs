//! The HTTP edge: listeners for HTTP/1.1 and HTTP/2 with and without TLS, and a small client.
//!
//! A [`Listener`] owns a socket. [`Listener::serve`] accepts connections from it and gives each
//! request to a [`Handler`]; the [`Server`] that comes back tells the figures ([`HttpStats`]), reloads
//! certificates and drains.
//!
//! What bounds a connection:
//!
//! - *How many*: a permit is taken before a connection is accepted. At the limit the kernel's backlog
//!   holds newcomers, and the wait is counted.
//! - *How long*: no connection has a timer of its own and no request starts one on its way. Each
//!   connection publishes what it waits for (`link`), one sweeper per listener looks at all of them
//!   a few times within the smallest limit (`watch`) and ends what waits too long. A limit is
//!   therefore kept to within a quarter of the smallest one, which no limit here needs to be finer.
//! - *How much*: heads by [`ListenerSettings::header_bytes_max`], bodies by [`read_body`].
//!
//! Not here: routes, authentication of requests, logging of requests. The handler owns these.

mod answer;
mod body;
mod client;
mod connection;
mod identity;
mod io;
mod link;
mod listener;
mod registry;
mod reply;
mod settings;
mod stats;
mod tls;
mod watch;
mod workers;

pub use answer::Handler;
pub use body::{BodyError, read_body};
pub use client::{Answer, Client, ClientError, ClientSettings, TrustAnchors};
pub use identity::{Peer, PeerIdentity};
pub use listener::{Drained, Figures, ListenError, Listener, Server};
pub use reply::{ReplyAborted, ReplyBody, ReplyGone, ReplySender};
pub use settings::{Http2Limits, ListenerSettings};
pub use stats::HttpStats;
pub use tls::{ClientAuth, TlsError, TlsSettings, TlsStore};
pub use workers::Workers;

pub(crate) use tls::{authorities, certificates};
