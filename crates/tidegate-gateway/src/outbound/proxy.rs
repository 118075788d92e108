//! Forward proxies: a tunnel for `https`, absolute addresses for `http` (RFC 9110, section 9.3.6).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use tidegate_types::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::guard::Host;
use super::location::Base;
use super::outcome::{Failure, FailureKind};

/// A forward proxy.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Its address, `http://proxy.example:3128`. The guard does not apply to it.
    pub url: String,
    /// User and password, if it asks for them.
    pub credentials: Option<(String, Secret)>,
}

/// A proxy, checked.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) host: Host,
    pub(super) port: u16,
    /// `proxy-authorization`, marked as sensitive.
    pub(super) authorization: Option<HeaderValue>,
}

impl Proxy {
    /// `None` if the settings cannot be used.
    pub(super) fn new(settings: &ProxySettings, base: &Base) -> Option<Self> {
        if base.is_secure() {
            return None;
        }
        let authorization = match &settings.credentials {
            None => None,
            Some((user, _)) if user.contains(':') => return None,
            Some((user, password)) => {
                let pair = [user.as_bytes(), b":", password.expose()].concat();
                let text = format!("Basic {}", STANDARD.encode(pair));
                let mut value = HeaderValue::try_from(text).ok()?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Some(Self {
            host: base.host().clone(),
            port: base.port(),
            authorization,
        })
    }

    /// Asks for a tunnel to `target`, a host and a port.
    pub(super) async fn tunnel(&self, stream: &mut TcpStream, target: &str) -> Result<(), Failure> {
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        let broken = |error| Failure::unsent(FailureKind::ProxyUnreachable, error);
        stream.write_all(&request).await.map_err(broken)?;
        let mut head = Vec::with_capacity(512);
        while !head.ends_with(b"\r\n\r\n") {
            // Byte by byte, so that not one of the tunnel's own is taken; it is a short head.
            head.push(stream.read_u8().await.map_err(broken)?);
            if head.len() > HEAD_BYTES_MAX {
                return Err(malformed("its head does not end"));
            }
        }
        verdict(status(&head).ok_or_else(|| malformed("it has no status"))?)
    }
}

/// A status of the proxy's own, in answer to `CONNECT`.
fn verdict(status: u16) -> Result<(), Failure> {
    let kind = match status {
        200..=299 => return Ok(()),
        407 => FailureKind::ProxyAuthentication,
        502 | 504 => FailureKind::ProxyUpstream,
        _ => FailureKind::ProxyRefused,
    };
    Err(Failure::unsent(kind, format!("it answers {status}")))
}

fn malformed(why: &str) -> Failure {
    Failure::unsent(FailureKind::ProxyMalformed, why)
}

/// The status in `HTTP/1.1 200 Connection established`.
fn status(head: &[u8]) -> Option<u16> {
    let line = str::from_utf8(head).ok()?.lines().next()?;
    let mut words = line.strip_prefix("HTTP/1.")?.split(' ');
    let _minor: u8 = words.next()?.parse().ok()?;
    let digits = words.next().filter(|digits| digits.len() == 3)?;
    digits.parse().ok()
}

/// Longest head of an answer to `CONNECT`.
const HEAD_BYTES_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407\r\n\r\n"), Some(407));
        for bad in [
            "",
            "SSH-2.0",
            "HTTP/2 200",
            "HTTP/1.1",
            "HTTP/1.1 20",
            "HTTP/1.1 2000",
            "HTTP/1.x 200",
        ] {
            assert_eq!(status(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn blame() {
        let kind = |status| verdict(status).map_err(|failure| failure.kind);
        assert_eq!(kind(204), Ok(()));
        assert_eq!(kind(407), Err(FailureKind::ProxyAuthentication));
        assert_eq!(kind(403), Err(FailureKind::ProxyRefused));
        assert_eq!(kind(504), Err(FailureKind::ProxyUpstream));
    }
}
