//! Addresses: 16 bytes are two addresses, of IPv4 and of IPv6, and the rest is the text of a network. What the standard library
//! knows as special is never public, an IPv6 address that stands for an IPv4 address is judged by that, and a network contains
//! what has its first bits.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use host_fuzz::outbound::{Network, is_public};
use libfuzzer_sys::fuzz_target;

fn check_v4(address: Ipv4Addr) {
    let is_special = address.is_unspecified()
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation();
    assert!(!(is_special && is_public(address.into())), "{address}");
    let [a, b, c, d] = address.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    for inside in [
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
    ] {
        assert_eq!(is_public(inside.into()), is_public(address.into()), "{inside}");
    }
}

fn check_v6(address: Ipv6Addr) {
    let is_special = address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local();
    assert!(!(is_special && is_public(address.into())), "{address}");
    if let Some(mapped) = address.to_ipv4_mapped() {
        assert_eq!(is_public(address.into()), is_public(mapped.into()), "{address}");
    }
}

fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((octets, rest)) = data.split_first_chunk::<16>() else { return };
    let v6 = Ipv6Addr::from(*octets);
    let v4 = Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]);
    check_v4(v4);
    check_v6(v6);
    let Ok(text) = str::from_utf8(rest) else { return };
    let Ok(network) = text.parse::<Network>() else { return };
    let written = network.to_string();
    assert_eq!(written.parse(), Ok(network), "{text:?}");
    let (first, length) = written.split_once('/').expect("a network has a length");
    let (first, length): (IpAddr, u32) = (first.parse().expect("an address"), length.parse().expect("a number"));
    assert!(network.contains(first));
    for address in [IpAddr::V4(v4), IpAddr::V6(v6)] {
        let ((of_network, width), (of_address, other)) = (bits(first), bits(address));
        let is_inside = width == other && (of_network ^ of_address).checked_shr(width - length).unwrap_or(0) == 0;
        assert_eq!(network.contains(address), is_inside, "{written} and {address}");
    }
});
