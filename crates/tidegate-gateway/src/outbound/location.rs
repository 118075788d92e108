//! Where a request goes: a base address that the operator wrote, and a path that a mapping made.
//!
//! The path is added to the base's and cannot leave it, the query cannot become part of the path, and
//! neither can become a host: a mapped value is data, whatever stands in it.

use http::Uri;
use http::uri::PathAndQuery;

use super::guard::{Guard, Host, Refused};

/// A base address, checked: scheme, host, port and the path before every path.
#[derive(Clone, Debug)]
pub struct Base {
    secure: bool,
    host: Host,
    port: u16,
    /// Host and port as the `host` header has them.
    authority: String,
    path: String,
}

/// Path and query of one request, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location(PathAndQuery);

/// Why an address or a path is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationProblem {
    /// It is no such address.
    #[error(
        "the base address must be http:// or https:// with a host and no user, query or fragment"
    )]
    Base,
    /// The guard refuses it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The path.
    #[error("the path {0}")]
    Path(&'static str),
    /// The query.
    #[error("the query has characters that must be escaped")]
    Query,
    /// Both together.
    #[error("path and query have more than {LOCATION_BYTES_MAX} bytes together")]
    TooLong,
    /// A link leads elsewhere.
    #[error("the link leads to another origin than the base address")]
    Elsewhere,
}

impl Base {
    /// Reads and checks a base address such as `https://api.example/v1`.
    ///
    /// # Errors
    /// It is none, or the guard refuses its host or port.
    pub fn parse(url: &str, guard: &Guard) -> Result<Self, LocationProblem> {
        let base = Self::parse_unguarded(url)?;
        guard.check_port(base.port)?;
        guard.check_host(&base.host)?;
        Ok(base)
    }

    /// As [`Base::parse`], for an address that is the operator's own.
    pub(super) fn parse_unguarded(url: &str) -> Result<Self, LocationProblem> {
        let (secure, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return Err(LocationProblem::Base),
        };
        let (authority, path) = match rest.find(['/', '?', '#', '\\']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        // Whoever reads `https://good.example@evil.example` reads it wrongly.
        if authority.is_empty() || authority.contains('@') || path.contains(['?', '#']) {
            return Err(LocationProblem::Base);
        }
        let (host, port) = split_port(authority)?;
        let port = port.unwrap_or(if secure { 443 } else { 80 });
        let host = Host::parse(host)?;
        if !path.is_empty() {
            check_path(path)?;
        }
        Ok(Self {
            secure,
            authority: authority_of(&host, port, secure),
            host,
            port,
            path: path.to_owned(),
        })
    }

    /// Adds path and query to the base. The path begins with a slash, or is empty for the base's own;
    /// the query is without its `?`.
    ///
    /// # Errors
    /// See [`LocationProblem`].
    pub fn locate(&self, path: &str, query: &str) -> Result<Location, LocationProblem> {
        let mut text = if path.is_empty() {
            self.path.clone()
        } else {
            check_path(path)?;
            format!("{}{path}", self.path.trim_end_matches('/'))
        };
        if text.is_empty() {
            text.push('/');
        }
        if !query.is_empty() {
            check_query(query)?;
            text.push('?');
            text.push_str(query);
        }
        if text.len() > LOCATION_BYTES_MAX {
            return Err(LocationProblem::TooLong);
        }
        let location = PathAndQuery::try_from(text);
        location
            .map(Location)
            .map_err(|_| LocationProblem::Path("cannot be sent"))
    }

    /// Where a link of theirs leads (a `next` page): an absolute URL or an absolute path on the base's
    /// own scheme, host and port.
    ///
    /// # Errors
    /// [`LocationProblem::Elsewhere`] for another origin, and as [`Base::locate`].
    pub fn follow(&self, link: &str, guard: &Guard) -> Result<Location, LocationProblem> {
        let origin = Self {
            path: String::new(),
            ..self.clone()
        };
        let rest = if link.starts_with('/') {
            link
        } else {
            let end = link.find("://").map_or(0, |at| at.saturating_add(3));
            let behind = link.get(end..).unwrap_or_default();
            let at = behind.find(['/', '?']).unwrap_or(behind.len());
            let (head, rest) = link.split_at(end.saturating_add(at));
            let target = Self::parse(head, guard)?;
            if (target.secure, &target.host, target.port) != (self.secure, &self.host, self.port) {
                return Err(LocationProblem::Elsewhere);
            }
            rest
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        origin.locate(path, query)
    }

    pub(super) fn is_secure(&self) -> bool {
        self.secure
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Host and port, the port only if it is not the scheme's own.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }
}

impl Location {
    pub(super) fn path(&self) -> &str {
        self.0.path()
    }

    pub(super) fn query(&self) -> &str {
        self.0.query().unwrap_or_default()
    }

    /// With `pair` (`name=value`, encoded) added to the query.
    pub(super) fn with_pair(&self, pair: &str) -> Result<Self, LocationProblem> {
        let text = if self.query().is_empty() {
            format!("{}?{pair}", self.path())
        } else {
            format!("{}&{pair}", self.0)
        };
        if text.len() > LOCATION_BYTES_MAX {
            return Err(LocationProblem::TooLong);
        }
        let location = PathAndQuery::try_from(text);
        location.map(Self).map_err(|_| LocationProblem::Query)
    }

    /// As a server wants it: path and query alone.
    pub(super) fn origin_form(&self) -> Uri {
        Uri::from(self.0.clone())
    }

    /// As a forward proxy wants it (RFC 9112, section 3.2.2); `http` only.
    pub(super) fn absolute_form(&self, authority: &str) -> Result<Uri, http::Error> {
        Uri::builder()
            .scheme("http")
            .authority(authority)
            .path_and_query(self.0.clone())
            .build()
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), LocationProblem> {
    let behind_bracket = authority.rfind(']').map_or(0, |at| at.saturating_add(1));
    let Some(colon) = authority
        .get(behind_bracket..)
        .and_then(|rest| rest.find(':'))
    else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(behind_bracket.saturating_add(colon));
    let digits = port.get(1..).unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(LocationProblem::Base);
    }
    let port = digits.parse().map_err(|_| LocationProblem::Base)?;
    Ok((host, Some(port)))
}

fn authority_of(host: &Host, port: u16, secure: bool) -> String {
    let host = match host {
        Host::Name(name) => name.clone(),
        Host::Address(std::net::IpAddr::V4(address)) => address.to_string(),
        Host::Address(std::net::IpAddr::V6(address)) => format!("[{address}]"),
    };
    if port == if secure { 443 } else { 80 } {
        host
    } else {
        format!("{host}:{port}")
    }
}

/// Escapes are undone up to three times, as chains of servers do, before looking for dot segments.
fn check_path(path: &str) -> Result<(), LocationProblem> {
    let problem = |why| Err(LocationProblem::Path(why));
    if path.len() > LOCATION_BYTES_MAX {
        return Err(LocationProblem::TooLong);
    }
    if !path.starts_with('/') || path.starts_with("//") {
        return problem("must begin with one slash");
    }
    if path.contains(['?', '#', '\\']) || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return problem("has characters that must be escaped");
    }
    let mut current = path.as_bytes().to_vec();
    for _ in 0..UNESCAPED_TIMES {
        let segments = current.split(|byte| b"/\\".contains(byte));
        // A parameter behind a semicolon is cut off by some servers before they look at the segment.
        let name = |segment: &[u8]| {
            segment
                .split(|byte| *byte == b';')
                .next()
                .is_some_and(|name| name == b"." || name == b"..")
        };
        if segments.into_iter().any(name) {
            return problem("has a dot segment");
        }
        if current.iter().any(u8::is_ascii_control) {
            return problem("has an escaped control character");
        }
        let unescaped: Vec<u8> = percent_decode(&current);
        if unescaped == current {
            return Ok(());
        }
        current = unescaped;
    }
    problem("is escaped too many times over")
}

fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        let escaped = match behind {
            [high, low, ..] if *first == b'%' => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push((high << 4) | low);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*first);
                rest = behind;
            }
        }
    }
    decoded
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

fn check_query(query: &str) -> Result<(), LocationProblem> {
    if query.contains('#') || !query.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(LocationProblem::Query);
    }
    Ok(())
}

/// What common servers take in a request line (8 KiB at nginx and Apache, with method and version).
const LOCATION_BYTES_MAX: usize = 8000;

/// How often escapes are undone in search of dot segments; a path that changes still is refused.
const UNESCAPED_TIMES: usize = 4;

#[cfg(test)]
mod tests;
