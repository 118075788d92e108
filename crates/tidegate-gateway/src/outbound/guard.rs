//! Where requests may go: the guard against being sent to places inside.
//!
//! Who can choose an address (a partner's URL, a DNS answer, a `next` link) must not make the gateway
//! talk to the host itself, to its private network or to the metadata service of its cloud. So only
//! addresses of the public internet are connected to; a system inside is opened by naming its range.
//!
//! Behind a forward proxy the name is resolved on the other side. The guard then checks the name and
//! literal addresses, and the addresses the name has *here*, if it has any; what it has at the proxy only
//! the proxy can check. The proxy itself is the operator's word and is not checked.

mod address;
mod cidr;
mod name;

use std::net::IpAddr;

pub use address::AddressClass;
pub use cidr::{Cidr, InvalidCidr};
pub(super) use name::Host;

/// The exceptions of one system.
#[derive(Clone, Debug, Default)]
pub struct GuardSettings {
    /// Ranges that are not public and may be connected to all the same. The unspecified address,
    /// multicast and broadcast stay closed; a metadata service opens only to a range that is it alone.
    pub allow: Vec<Cidr>,
    /// Ports below 1024 besides 80 and 443: those belong to services that a request can do harm to.
    pub ports: Vec<u16>,
}

/// Checks names, ports and addresses against a [`GuardSettings`].
#[derive(Clone, Debug)]
pub struct Guard(GuardSettings);

/// What must not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The name is none, or one with tricks in it.
    #[error("{host:?} is not taken as a host: {why}")]
    Host {
        /// The host, as given.
        host: String,
        /// Why, with the cure.
        why: &'static str,
    },
    /// The port.
    #[error("port {0} is below 1024 and neither 80 nor 443; it can be opened for this system")]
    Port(u16),
    /// The address.
    #[error("{address} is {class}; only a range named for this system opens it")]
    Address {
        /// The address.
        address: IpAddr,
        /// What it is.
        class: AddressClass,
    },
}

impl Guard {
    /// A guard with these exceptions.
    #[must_use]
    pub fn new(settings: GuardSettings) -> Self {
        Self(settings)
    }

    /// Checks the port of a URL.
    ///
    /// # Errors
    /// [`Refused::Port`].
    pub fn check_port(&self, port: u16) -> Result<(), Refused> {
        if port >= 1024 || [80, 443].contains(&port) || (port > 0 && self.0.ports.contains(&port)) {
            Ok(())
        } else {
            Err(Refused::Port(port))
        }
    }

    /// Checks one address. What comes back is to be connected to: an IPv4 address in IPv6 clothes is
    /// undressed, so that what was checked is what is used.
    ///
    /// # Errors
    /// [`Refused::Address`].
    pub fn check_address(&self, address: IpAddr) -> Result<IpAddr, Refused> {
        let address = address.to_canonical();
        let class = AddressClass::of(address);
        let named = || self.0.allow.iter().any(|range| range.contains(address));
        let named_alone = || {
            self.0
                .allow
                .iter()
                .any(|range| range.is_one() && range.contains(address))
        };
        let open = match class {
            AddressClass::Public => true,
            AddressClass::Unspecified | AddressClass::Multicast | AddressClass::Broadcast => false,
            AddressClass::Metadata => named_alone(),
            _ => named(),
        };
        if open {
            Ok(address)
        } else {
            Err(Refused::Address { address, class })
        }
    }

    /// Checks all addresses of a name. One bad address among good ones refuses them all: an honest name
    /// does not point inside and outside at once.
    ///
    /// # Errors
    /// [`Refused::Address`] for the first that is refused.
    pub fn check_addresses(&self, addresses: &[IpAddr]) -> Result<Vec<IpAddr>, Refused> {
        addresses
            .iter()
            .map(|one| self.check_address(*one))
            .collect()
    }

    /// Checks what can be known of a host without resolving it.
    pub(super) fn check_host(&self, host: &Host) -> Result<(), Refused> {
        match host {
            Host::Address(address) => self.check_address(*address).map(drop),
            Host::Name(name) if name::is_local(name) && !self.opens_loopback() => {
                Err(Refused::Host {
                    host: name.clone(),
                    why: "it is this machine; only a loopback range named for this system opens it",
                })
            }
            Host::Name(_) => Ok(()),
        }
    }

    fn opens_loopback(&self) -> bool {
        let loopback = [
            IpAddr::from(std::net::Ipv4Addr::LOCALHOST),
            IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
        ];
        loopback
            .into_iter()
            .any(|one| self.check_address(one).is_ok())
    }
}

#[cfg(test)]
mod tests;
