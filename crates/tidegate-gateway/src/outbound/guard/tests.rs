//! Addresses and names that lead inside in every spelling.

use proptest::prelude::*;

use super::*;

fn guard(allow: &[&str]) -> Guard {
    Guard::new(GuardSettings {
        allow: allow.iter().map(|range| range.parse().unwrap()).collect(),
        ports: Vec::new(),
    })
}

fn check_host(guard: &Guard, host: &str) -> Result<Host, Refused> {
    let host = Host::parse(host)?;
    guard.check_host(&host).map(|()| host)
}

#[track_caller]
fn check_class(class: AddressClass, addresses: &[&str]) {
    for address in addresses {
        assert_eq!(
            AddressClass::of(address.parse().unwrap()),
            class,
            "{address}"
        );
    }
}

#[test]
fn classes_of_the_outside_and_of_this_network() {
    check_class(
        AddressClass::Public,
        &[
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
            "2620:fe::fe",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ],
    );
    check_class(
        AddressClass::Unspecified,
        &["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"],
    );
    check_class(
        AddressClass::Loopback,
        &[
            "127.0.0.1",
            "127.255.255.255",
            "::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
        ],
    );
    check_class(
        AddressClass::Private,
        &[
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "::ffff:a00:1",
            "64:ff9b::10.0.0.1",
            "fec0::1",
        ],
    );
    check_class(AddressClass::Shared, &["100.64.0.0", "100.127.255.255"]);
}

#[test]
fn classes_of_special_purpose() {
    check_class(
        AddressClass::LinkLocal,
        &["169.254.0.1", "fe80::1", "febf::1"],
    );
    check_class(AddressClass::UniqueLocal, &["fc00::1", "fdff::1"]);
    check_class(
        AddressClass::Metadata,
        &[
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fd00:ec2::254",
            "fd20:ce::254",
            "169.254.170.2",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
        ],
    );
    check_class(
        AddressClass::Multicast,
        &["224.0.0.1", "239.255.255.255", "ff02::1"],
    );
    check_class(AddressClass::Broadcast, &["255.255.255.255"]);
    check_class(
        AddressClass::Documentation,
        &[
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "2001:db8::1",
            "3fff::1",
        ],
    );
    check_class(
        AddressClass::Benchmarking,
        &["198.18.0.1", "198.19.255.255", "2001:2::1"],
    );
    check_class(
        AddressClass::Transition,
        &[
            "192.88.99.1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:0:1::1",
            "::127.0.0.1",
            "::7f00:2",
            "64:ff9b:1::a00:1",
            "::ffff:0:7f00:1",
        ],
    );
    check_class(
        AddressClass::Reserved,
        &[
            "240.0.0.1",
            "192.0.0.1",
            "100::1",
            "5f00::1",
            "4000::1",
            "2001:1::1",
        ],
    );
}

#[test]
fn a_range_opens_what_is_in_it_and_nothing_else() {
    let open = guard(&["10.1.0.0/16", "fd12::/16"]);
    for good in ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1", "1.1.1.1"] {
        assert!(open.check_address(good.parse().unwrap()).is_ok(), "{good}");
    }
    for bad in ["10.2.0.1", "127.0.0.1", "fd13::1", "64:ff9b::10.1.2.3"] {
        assert!(open.check_address(bad.parse().unwrap()).is_err(), "{bad}");
    }
}

#[test]
fn what_is_connected_to_is_what_was_checked() {
    let mapped: IpAddr = "::ffff:10.1.2.3".parse().unwrap();
    let checked = guard(&["10.0.0.0/8"]).check_address(mapped).unwrap();
    assert_eq!(checked.to_string(), "10.1.2.3");
}

#[test]
fn some_addresses_open_to_no_range_that_is_wider_than_they_are() {
    let all = guard(&["0.0.0.0/0", "::/0"]);
    for closed in [
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "169.254.169.254",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::",
        "ff02::1",
    ] {
        assert!(
            all.check_address(closed.parse().unwrap()).is_err(),
            "{closed}"
        );
    }
    assert!(all.check_address("127.0.0.1".parse().unwrap()).is_ok());
    let alone = guard(&["169.254.169.254"]);
    assert!(
        alone
            .check_address("169.254.169.254".parse().unwrap())
            .is_ok()
    );
}

#[test]
fn one_bad_address_refuses_the_whole_answer() {
    let answer = ["1.1.1.1".parse().unwrap(), "127.0.0.1".parse().unwrap()];
    assert!(guard(&[]).check_addresses(&answer).is_err());
    assert!(guard(&[]).check_addresses(&answer[..1]).is_ok());
}

#[test]
fn hosts_that_are_refused() {
    for host in [
        "",
        ".",
        "a..b",
        "example.org.",
        "exämple.org",
        "a b",
        "a%2eb",
        "a/b",
        "a@b",
        "a\r\nb",
        "[::1",
        "::1",
        "[fe80::1%25eth0]",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "[::]",
        "[fd00:ec2::254]",
        "127.0.0.1",
        "127.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "1.2.3.0x4",
        "0x",
        "1.1.1.1.",
        "127.0.0.01",
        "256.256.256.256",
        "localhost",
        "LOCALHOST",
        "a.localhost",
        "169.254.169.254",
    ] {
        assert!(check_host(&guard(&[]), host).is_err(), "{host}");
    }
    let long = format!("{}.example", "a".repeat(64));
    assert!(check_host(&guard(&[]), &long).is_err());
}

#[test]
fn hosts_that_are_taken() {
    for host in [
        "example.org",
        "EXAMPLE.org",
        "a_b.example",
        "xn--exmple-cua.org",
        "1.1.1.1",
        "[2606:4700::1111]",
        "3com.example",
        "0xab.example",
    ] {
        assert!(check_host(&guard(&[]), host).is_ok(), "{host}");
    }
    assert!(check_host(&guard(&["127.0.0.0/8"]), "localhost").is_ok());
    assert!(check_host(&guard(&["::1"]), "[::1]").is_ok());
}

#[test]
fn ports() {
    let guard = Guard::new(GuardSettings {
        allow: Vec::new(),
        ports: vec![25],
    });
    for (port, open) in [
        (80, true),
        (443, true),
        (25, true),
        (22, false),
        (0, false),
        (1023, false),
        (1024, true),
    ] {
        assert_eq!(guard.check_port(port).is_ok(), open, "{port}");
    }
}

#[test]
fn ranges() {
    for good in ["10.0.0.0/8", "0.0.0.0/0", "::/0", "::1", "1.2.3.4/32"] {
        assert!(good.parse::<Cidr>().is_ok(), "{good}");
    }
    for bad in [
        "",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/+8",
        "10.0.0.0/",
        "::1/129",
        "x/8",
        "10/8",
    ] {
        assert_eq!(bad.parse::<Cidr>(), Err(InvalidCidr), "{bad}");
    }
}

proptest! {
    /// The standard library's own notions, where it has them, against our tables.
    #[test]
    fn nothing_inside_is_public(bits: u32) {
        let address = std::net::Ipv4Addr::from_bits(bits);
        let inside = address.is_private() || address.is_loopback() || address.is_link_local()
            || address.is_multicast() || address.is_broadcast() || address.is_documentation()
            || address.is_unspecified() || address.octets()[0] >= 240;
        prop_assert!(!inside || AddressClass::of(address.into()) != AddressClass::Public);
        let mapped = IpAddr::V6(address.to_ipv6_mapped());
        prop_assert_eq!(AddressClass::of(mapped), AddressClass::of(address.into()));
    }

    #[test]
    fn no_text_is_a_host_that_another_library_reads_as_an_address_inside(host in "[0-9a-fx.]{1,16}") {
        if let Ok(Host::Name(name)) = check_host(&guard(&[]), &host) {
            let last = name.rsplit('.').next().unwrap_or_default().to_owned();
            prop_assert!(last.parse::<u64>().is_err(), "{}", name);
        }
    }
}
