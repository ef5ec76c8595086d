//! Which addresses of other servers are reached without a grant of their own.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// A network in CIDR form, as in `10.1.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// The number of leading bits that its addresses share.
    bits: u8,
}

/// What is wrong with a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// It is no address, or the number of bits is too large.
    #[error("is no network; write it as in 10.1.0.0/16 or fd00::/8")]
    Form,
    /// The address has bits behind the network's own.
    #[error("has an address that does not start its network; the network of 10.1.2.3/16 is 10.1.0.0/16")]
    HostBits,
}

impl Network {
    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                is_below(u128::from(network.to_bits()), u128::from(address.to_bits()), 32 - u32::from(self.bits))
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                is_below(network.to_bits(), address.to_bits(), 128 - u32::from(self.bits))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = text.split_once('/').ok_or(NetworkError::Form)?;
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Form)?;
        let is_number = (1..=3).contains(&bits.len()) && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits: u8 = bits.parse().ok().filter(|_| is_number).ok_or(NetworkError::Form)?;
        let (width, has_host_bits) = match address {
            IpAddr::V4(address) => (32, has_bits_behind(u128::from(address.to_bits()), 32, bits)),
            IpAddr::V6(address) => (128, has_bits_behind(address.to_bits(), 128, bits)),
        };
        match bits > width {
            true => Err(NetworkError::Form),
            false if has_host_bits => Err(NetworkError::HostBits),
            false => Ok(Self { address, bits }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Whether two addresses are the same but for their last `rest` bits.
fn is_below(network: u128, address: u128, rest: u32) -> bool {
    (network ^ address).checked_shr(rest).unwrap_or(0) == 0
}

fn has_bits_behind(address: u128, width: u8, bits: u8) -> bool {
    let mask = 1_u128.checked_shl(u32::from(width.saturating_sub(bits))).map_or(u128::MAX, |bit| bit - 1);
    address & mask != 0
}

/// Networks that are not of the public internet (IANA's registries of special addresses, and multicast), and addresses at which
/// a cloud serves its machines. The others of those are within these networks: 169.254.169.254, 192.0.0.192, 100.100.100.200,
/// fd00:ec2::254 and fd20:ce::254.
const SPECIAL_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32), // Azure, from its machines alone
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The same of IPv6, but for those that have an IPv4 address inside.
const SPECIAL_V6: [(Ipv6Addr, u32); 10] = [
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0), 127), // unspecified and loopback
    (Ipv6Addr::new(0x0100, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0x0db8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10), // site-local
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// Whether an address is of the public internet. An IPv6 address that stands for an IPv4 address is judged by that.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => {
            let is_special =
                |(network, bits): &(Ipv6Addr, u32)| is_below(network.to_bits(), address.to_bits(), 128 - bits);
            !SPECIAL_V6.iter().any(is_special) && inner_v4(address).is_none_or(is_public_v4)
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_special = |(network, bits): &(Ipv4Addr, u32)| {
        is_below(u128::from(network.to_bits()), u128::from(address.to_bits()), 32 - bits)
    };
    !SPECIAL_V4.iter().any(is_special)
}

/// The IPv4 address that an IPv6 address stands for, mapped, compatible, translated (NAT64) or tunnelled (6to4).
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let last = Ipv4Addr::from_bits(address.to_bits() as u32);
    match address.segments() {
        // ::/96, ::ffff:0:0/96, ::ffff:0:0:0/96 and 64:ff9b::/96
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(last),
        // 64:ff9b:1::/48: the operator of a network chooses where in it an IPv4 address stands (RFC 8215, RFC 6052
        // section 2.2), so all of it counts as private.
        [0x64, 0xff9b, 1, ..] => Some(Ipv4Addr::LOCALHOST),
        // 2002::/16
        [0x2002, high, low, ..] => Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_reached_without_a_grant_of_their_own() {
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2a00::1",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ];
        let special = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "168.63.129.16",
            "192.0.0.192",
            "100.100.100.200",
            "::ffff:168.63.129.16",
            "64:ff9b::168.63.129.16",
            "2002:a83f:8110::",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::10.0.0.1",
            "::2",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::808:808",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2002:a9fe:a9fe::",
            "2001::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "100::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ];
        for (addresses, expected) in [(&public[..], true), (&special[..], false)] {
            for text in addresses {
                let address = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
                assert_eq!(is_public(address), expected, "{text}");
            }
        }
    }

    #[test]
    fn a_network_contains_its_addresses_and_no_other() {
        let table = [
            ("10.1.0.0/16", "10.1.255.255", true),
            ("10.1.0.0/16", "10.2.0.0", false),
            ("0.0.0.0/0", "255.1.2.3", true),
            ("127.0.0.1/32", "127.0.0.1", true),
            ("127.0.0.1/32", "127.0.0.2", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fc00::1", false),
            ("::/0", "10.0.0.1", false),
            ("0.0.0.0/0", "::ffff:10.0.0.1", false),
            ("::1/128", "::1", true),
        ];
        for (network, address, contains) in table {
            let parsed: Network = network.parse().unwrap_or_else(|error| panic!("{network}: {error}"));
            assert_eq!(parsed.contains(address.parse().expect("an address")), contains, "{network} and {address}");
            assert_eq!(parsed.to_string(), network);
        }
        for text in ["", "10.0.0.1", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/+8", "x/8", "10.0.0.0/0008"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Form), "{text}");
        }
        for text in ["10.1.2.3/16", "0.0.0.1/0", "fd00::1/8"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::HostBits), "{text}");
        }
    }
}
