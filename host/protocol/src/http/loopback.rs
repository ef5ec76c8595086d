//! Whether the authority of a request can only name this machine. If so, no page of another site can have sent the
//! request under a name that it controls.
//!
//! No name is resolved here. A name that only a resolver maps to this machine is what an attack by DNS rebinding uses,
//! so it does not count.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The host of an authority, without its port and the dot at the end of a name. An IPv6 address is without its brackets.
#[must_use]
pub fn host(authority: &str) -> &str {
    if let Some((address, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host.strip_suffix('.').unwrap_or(host)
}

/// Whether a host is a loopback host: `localhost` and the names below it (RFC 6761 section 6.3), 127.0.0.0/8, or `::1`.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
        || host.parse().is_ok_and(|address: Ipv6Addr| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_loopback_are_told_from_those_that_look_like_them() {
        for authority in [
            "localhost",
            "LocalHost:8000",
            "localhost.",
            "localhost.:80",
            "a.localhost",
            "a.b.LOCALHOST:1",
            "127.0.0.1",
            "127.0.0.1:8000",
            "127.255.3.4:1",
            "[::1]",
            "[::1]:8000",
            "[0:0:0:0:0:0:0:1]:80",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert!(is_loopback(host(authority)), "{authority}");
        }
        for authority in [
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com:80",
            "notlocalhost",
            "localhost.com:8000",
            "0.0.0.0",
            "10.0.0.1:8000",
            "128.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "[::2]:80",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "[v1.a]",
            "",
            ":80",
            "localhost..",
            "127.0.0.1.",
        ] {
            // Some programs take an address with a dot at its end for a name.
            let expected = authority == "127.0.0.1.";
            assert_eq!(is_loopback(host(authority)), expected, "{authority}");
        }
    }
}
