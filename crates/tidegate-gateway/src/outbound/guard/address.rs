//! What kind of address an address is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cidr::{Cidr, v4, v6};

/// Kinds of addresses, by IANA's registries of special-purpose addresses (RFC 6890 and successors).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Of the public internet.
    Public,
    /// `0.0.0.0/8`, `::`; connecting to it reaches this machine.
    Unspecified,
    /// `127.0.0.0/8`, `::1` (RFC 1122, RFC 4291).
    Loopback,
    /// `10/8`, `172.16/12`, `192.168/16` (RFC 1918), site-local `fec0::/10` (RFC 3879).
    Private,
    /// `100.64.0.0/10`, behind a carrier's NAT (RFC 6598).
    Shared,
    /// `169.254/16`, `fe80::/10` (RFC 3927, RFC 4291).
    LinkLocal,
    /// `fc00::/7` (RFC 4193).
    UniqueLocal,
    /// Where clouds tell machines their credentials.
    Metadata,
    /// `224/4`, `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// For examples in texts (RFC 5737, RFC 3849, RFC 9637).
    Documentation,
    /// For measuring devices (RFC 2544, RFC 5180).
    Benchmarking,
    /// 6to4, Teredo, local-use NAT64 and IPv4-compatible addresses: they lead to an IPv4 address that a
    /// relay chooses (RFC 3056, RFC 4380, RFC 8215, RFC 4291).
    Transition,
    /// Anything else that is not assigned to the public.
    Reserved,
}

impl AddressClass {
    /// The class of `address`. An address that carries an IPv4 address for a translator close by
    /// (IPv4-mapped, and `64:ff9b::/96` of NAT64, RFC 6052) is what it carries.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Unspecified => "the unspecified address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::Shared => "an address behind a carrier's NAT",
            Self::LinkLocal => "a link-local address",
            Self::UniqueLocal => "a unique local address",
            Self::Metadata => "a cloud's metadata service",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Documentation => "an address for documentation",
            Self::Benchmarking => "an address for benchmarks",
            Self::Transition => "an address of a transition mechanism",
            Self::Reserved => "a reserved address",
        })
    }
}

fn of_v4(address: Ipv4Addr) -> AddressClass {
    let address = IpAddr::V4(address);
    class_in(METADATA_V4, address)
        .or_else(|| class_in(SPECIAL_V4, address))
        .unwrap_or(AddressClass::Public)
}

fn of_v6(address: Ipv6Addr) -> AddressClass {
    let [.., a, b, c, d] = address.octets();
    if NAT64.contains(IpAddr::V6(address)) {
        return of_v4(Ipv4Addr::new(a, b, c, d));
    }
    let address = IpAddr::V6(address);
    if let Some(class) = class_in(SPECIAL_V6, address) {
        return class;
    }
    // Of what is left only 2000::/3 has been given out (RFC 4291, section 2.4).
    if GLOBAL_UNICAST.contains(address) {
        AddressClass::Public
    } else {
        AddressClass::Reserved
    }
}

fn class_in(table: &[(Cidr, AddressClass)], address: IpAddr) -> Option<AddressClass> {
    let row = table.iter().find(|(range, _)| range.contains(address));
    row.map(|(_, class)| *class)
}

const NAT64: Cidr = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const GLOBAL_UNICAST: Cidr = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Metadata services: AWS, Google, Azure and most others; ECS tasks; EKS pod identity; Alibaba; Oracle;
/// Azure's wire server, which is in a public range.
const METADATA_V4: &[(Cidr, AddressClass)] = &[
    (v4([169, 254, 169, 254], 32), AddressClass::Metadata),
    (v4([169, 254, 170, 2], 32), AddressClass::Metadata),
    (v4([169, 254, 170, 23], 32), AddressClass::Metadata),
    (v4([100, 100, 100, 200], 32), AddressClass::Metadata),
    (v4([192, 0, 0, 192], 32), AddressClass::Metadata),
    (v4([168, 63, 129, 16], 32), AddressClass::Metadata),
];

/// IANA IPv4 Special-Purpose Address Registry, without what is globally reachable.
const SPECIAL_V4: &[(Cidr, AddressClass)] = &[
    (v4([0, 0, 0, 0], 8), AddressClass::Unspecified),
    (v4([10, 0, 0, 0], 8), AddressClass::Private),
    (v4([100, 64, 0, 0], 10), AddressClass::Shared),
    (v4([127, 0, 0, 0], 8), AddressClass::Loopback),
    (v4([169, 254, 0, 0], 16), AddressClass::LinkLocal),
    (v4([172, 16, 0, 0], 12), AddressClass::Private),
    (v4([192, 0, 0, 0], 24), AddressClass::Reserved),
    (v4([192, 0, 2, 0], 24), AddressClass::Documentation),
    (v4([192, 88, 99, 0], 24), AddressClass::Transition),
    (v4([192, 168, 0, 0], 16), AddressClass::Private),
    (v4([198, 18, 0, 0], 15), AddressClass::Benchmarking),
    (v4([198, 51, 100, 0], 24), AddressClass::Documentation),
    (v4([203, 0, 113, 0], 24), AddressClass::Documentation),
    (v4([224, 0, 0, 0], 4), AddressClass::Multicast),
    (v4([255, 255, 255, 255], 32), AddressClass::Broadcast),
    (v4([240, 0, 0, 0], 4), AddressClass::Reserved),
];

/// IANA IPv6 Special-Purpose Address Registry, and metadata services: AWS, EKS pod identity, Google.
const SPECIAL_V6: &[(Cidr, AddressClass)] = &[
    (
        v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
        AddressClass::Metadata,
    ),
    (
        v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23], 128),
        AddressClass::Metadata,
    ),
    (
        v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
        AddressClass::Metadata,
    ),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), AddressClass::Unspecified),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), AddressClass::Loopback),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), AddressClass::Transition),
    (
        v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96),
        AddressClass::Transition,
    ),
    (
        v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
        AddressClass::Transition,
    ),
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32),
        AddressClass::Transition,
    ),
    (
        v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48),
        AddressClass::Benchmarking,
    ),
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
        AddressClass::Reserved,
    ),
    (
        v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
        AddressClass::Documentation,
    ),
    (
        v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
        AddressClass::Transition,
    ),
    (
        v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
        AddressClass::Documentation,
    ),
    (
        v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
        AddressClass::UniqueLocal,
    ),
    (
        v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
        AddressClass::LinkLocal,
    ),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), AddressClass::Private),
    (
        v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
        AddressClass::Multicast,
    ),
];
