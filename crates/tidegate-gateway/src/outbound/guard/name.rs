//! Hosts as they stand in URLs: names without tricks, and literal addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Refused;

/// A host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::outbound) enum Host {
    /// A literal address.
    Address(IpAddr),
    /// A name, in lower case.
    Name(String),
}

impl Host {
    /// Reads a host, with brackets around an IPv6 address.
    pub(in crate::outbound) fn parse(host: &str) -> Result<Self, Refused> {
        let refused = |why| Refused::Host {
            host: host.chars().take(NAME_BYTES_MAX).collect(),
            why,
        };
        if let Some(inner) = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            let address: Ipv6Addr = inner
                .parse()
                .map_err(|_| refused("it is no IPv6 address (one with a zone is not taken)"))?;
            return Ok(Self::Address(address.into()));
        }
        if let Ok(address) = host.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        if host.len() > NAME_BYTES_MAX {
            return Err(refused("a name has at most 253 characters"));
        }
        let name = host.to_ascii_lowercase();
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        let label =
            |label: &str| (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(plain);
        if !name.split('.').all(label) {
            return Err(refused(
                "a name is made of labels of letters, digits and '-' with dots between them and none at the end; \
                 write others in their xn-- form",
            ));
        }
        // `127.1`, `0x7f000001`, `017700000001` and `2130706433` are IPv4 addresses to some libraries
        // (URL Standard, "ends in a number checker") and names to others: to us they are neither.
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_hex = last
            .strip_prefix("0x")
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if is_hex || last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refused(
                "an IPv4 address is written with four decimal numbers",
            ));
        }
        Ok(Self::Name(name))
    }
}

/// Whether a name means this machine whatever a resolver says (RFC 6761, section 6.3).
pub(super) fn is_local(name: &str) -> bool {
    name == "localhost"
        || name.ends_with(".localhost")
        || ["localhost.localdomain", "ip6-localhost", "ip6-loopback"].contains(&name)
}

/// RFC 1035, section 2.3.4, without the root.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;
