//! What became of a request.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tidegate_core::log::entry::Blame;

/// What became of a request, and how long it took from the first lookup to the last byte.
#[derive(Debug)]
pub struct Outcome {
    /// An answer of any status, or why there is none.
    pub result: Result<Answer, Failure>,
    /// The time it took.
    pub duration: Duration,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status; 3xx as any other.
    pub status: StatusCode,
    /// Its headers, bounded, with our own credentials blotted out where they came back.
    pub headers: HeaderMap,
    /// The first bytes of its body, as many as were asked for.
    pub body: Bytes,
    /// Whether that is all of it.
    pub body_end: BodyEnd,
    /// Who answered: the address we were connected to (the proxy's, if there is one).
    pub remote: SocketAddr,
}

/// How a body ended. The status stands in any case: an event that was answered 200 is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// It is whole.
    Whole,
    /// There was more than was asked for.
    Cut,
    /// The connection broke, or the time was over, before its end.
    BrokenOff,
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}{}{detail}", if detail.is_empty() { "" } else { ": " })]
pub struct Failure {
    /// What went wrong.
    pub kind: FailureKind,
    /// Whether the other side may have seen the request.
    pub sent: Sent,
    /// The particulars, without secrets; empty if the kind says it all.
    pub detail: String,
}

/// Whether anything of a request left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No byte did: it can be sent again without a second effect.
    Nothing,
    /// Some or all of it did: it may have been processed.
    Something,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FailureKind {
    /// Path, query, headers or body cannot be sent.
    #[error("the request cannot be sent")]
    Request,
    /// The name or address must not be connected to.
    #[error("the address is refused")]
    Guard,
    /// No connection became free in time; the limit is ours.
    #[error("too many requests are in flight")]
    Saturated,
    /// The request could not be signed.
    #[error("the request cannot be signed")]
    Signing,
    /// The token endpoint refuses our credentials.
    #[error("no token is issued to us")]
    TokenRefused,
    /// The token endpoint fails.
    #[error("the token endpoint gives no token")]
    TokenUnavailable,
    /// They do not accept our client certificate, or want one.
    #[error("our certificate is refused")]
    ClientCertificate,
    /// The name has no address.
    #[error("the name cannot be resolved")]
    Resolve,
    /// The port is closed.
    #[error("the connection is refused")]
    ConnectRefused,
    /// No answer to the attempts to connect.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// No route, or another failure before the connection stood.
    #[error("cannot connect")]
    Unreachable,
    /// The certificate is expired, for another name, or of an unknown authority.
    #[error("their certificate is not believed")]
    Certificate,
    /// TLS could not be agreed on.
    #[error("the TLS handshake failed")]
    Handshake,
    /// Either of the two, behind a proxy.
    #[error("TLS through the proxy failed")]
    TunnelTls,
    /// The connection was closed or reset before the answer.
    #[error("the connection ended before the answer")]
    Closed,
    /// The answer is not HTTP, or its head is beyond the limits.
    #[error("the answer is malformed")]
    Malformed,
    /// No answer in time.
    #[error("there was no answer in time")]
    AnswerTimeout,
    /// The proxy cannot be reached.
    #[error("the proxy cannot be reached")]
    ProxyUnreachable,
    /// It wants other credentials (407).
    #[error("the proxy refuses our credentials")]
    ProxyAuthentication,
    /// It refuses the connection.
    #[error("the proxy refuses the connection")]
    ProxyRefused,
    /// It says it cannot reach the target (502 or 504).
    #[error("the proxy cannot reach the target")]
    ProxyUpstream,
    /// It does not answer as proxies do.
    #[error("the proxy's answer is malformed")]
    ProxyMalformed,
}

impl FailureKind {
    /// Whose fault it is, as far as it can be told from here. A certificate that is not believed is theirs
    /// to renew, unless a proxy stands between: then it may as well be one that looks into the tunnel.
    #[must_use]
    pub const fn blame(self) -> Blame {
        match self {
            Self::Request
            | Self::Guard
            | Self::Saturated
            | Self::Signing
            | Self::TokenRefused
            | Self::ClientCertificate => Blame::Us,
            Self::Resolve
            | Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::Unreachable
            | Self::TunnelTls
            | Self::ProxyUpstream => Blame::Path,
            Self::Certificate
            | Self::Handshake
            | Self::Closed
            | Self::Malformed
            | Self::AnswerTimeout
            | Self::TokenUnavailable => Blame::Them,
            Self::ProxyUnreachable
            | Self::ProxyAuthentication
            | Self::ProxyRefused
            | Self::ProxyMalformed => Blame::Proxy,
        }
    }
}

impl Failure {
    /// One with these particulars, in which there may be words of theirs: bounded, and without control
    /// characters.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "texts and errors are given away alike"
    )]
    pub(super) fn new(kind: FailureKind, sent: Sent, detail: impl ToString) -> Self {
        let detail = detail.to_string();
        let plain = detail.chars().filter(|character| !character.is_control());
        Self {
            kind,
            sent,
            detail: plain.take(DETAIL_CHARS_MAX).collect(),
        }
    }

    /// One before anything was sent.
    pub(super) fn unsent(kind: FailureKind, detail: impl ToString) -> Self {
        Self::new(kind, Sent::Nothing, detail)
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        self.kind.blame()
    }
}

/// Longest particulars; a certificate may have thousands of names, and errors repeat them.
const DETAIL_CHARS_MAX: usize = 512;

/// Deeper chains of causes are cut; those of our libraries have three or four links.
const LINKS_MAX: usize = 8;

/// The first `E` among an error and its causes.
pub(super) fn cause<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    for _ in 0..LINKS_MAX {
        let error = next?;
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // An `io::Error` shows what it wraps not as its source but here.
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// An error with all its causes, in one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let links = std::iter::successors(Some(error), |&error| error.source());
    let texts: Vec<String> = links.take(LINKS_MAX).map(ToString::to_string).collect();
    texts.join(": ")
}
