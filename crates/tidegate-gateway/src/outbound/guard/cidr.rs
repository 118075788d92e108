//! Ranges of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses, written `10.1.0.0/16`; an address alone is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    base: IpAddr,
    prefix: u8,
}

/// The text is no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a range is written 10.1.0.0/16 or fd12:3456::/32, with nothing set behind the prefix")]
pub struct InvalidCidr;

impl Cidr {
    /// Whether `address` is in it. IPv4 and IPv6 are never in each other.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = mask_v4(self.prefix);
                base.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = mask_v6(self.prefix);
                base.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }

    /// Whether it is one address.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.prefix == bits(self.base)
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| InvalidCidr)?;
        let prefix = match prefix {
            None => bits(base),
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map_err(|_| InvalidCidr)?
            }
            Some(_) => return Err(InvalidCidr),
        };
        let behind = match base {
            IpAddr::V4(base) => base.to_bits() & !mask_v4(prefix) != 0,
            IpAddr::V6(base) => base.to_bits() & !mask_v6(prefix) != 0,
        };
        if prefix > bits(base) || behind {
            return Err(InvalidCidr);
        }
        Ok(Self { base, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

pub(super) const fn v4(base: [u8; 4], prefix: u8) -> Cidr {
    let [a, b, c, d] = base;
    Cidr {
        base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        prefix,
    }
}

pub(super) const fn v6(base: [u16; 8], prefix: u8) -> Cidr {
    let [a, b, c, d, e, f, g, h] = base;
    Cidr {
        base: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)),
        prefix,
    }
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn mask_v4(prefix: u8) -> u32 {
    let behind = 32_u32.saturating_sub(u32::from(prefix));
    u32::MAX.checked_shl(behind).unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    let behind = 128_u32.saturating_sub(u32::from(prefix));
    u128::MAX.checked_shl(behind).unwrap_or(0)
}
