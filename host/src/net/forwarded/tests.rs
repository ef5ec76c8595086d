use proptest::prelude::*;

use super::ForwardedField::{Forwarded, XForwardedFor};
use super::*;

fn peer(address: &str) -> Peer {
    SocketAddr::new(address.parse().expect("it is an address"), 4).into()
}

fn trusted(texts: &[&str]) -> TrustedProxies {
    texts.iter().map(|text| text.parse().expect("it is a proxy")).collect::<Vec<_>>().into()
}

/// The client of a request from the proxy 10.0.0.1, where 10.0.0.0/8 and fd00::/8 are trusted, or `-`.
fn client(field: ForwardedField, lines: &[&str]) -> String {
    let lines = lines.iter().map(|line| line.as_bytes());
    let found = field.client(&peer("10.0.0.1"), &trusted(&["10.0.0.0/8", "fd00::/8"]), lines);
    found.map_or("-".to_owned(), |found| found.client.to_string())
}

#[test]
fn the_first_address_from_the_right_that_is_not_trusted_is_the_client() {
    let rows: [(&[&str], &str); 26] = [
        (&["192.0.2.1"], "192.0.2.1:0"),
        (&["  192.0.2.1\t"], "192.0.2.1:0"),
        (&["198.51.100.9, 192.0.2.1"], "192.0.2.1:0"),
        (&["198.51.100.9,192.0.2.1,10.0.0.2"], "192.0.2.1:0"),
        (&["198.51.100.9, 192.0.2.1, 10.9.9.9 ,10.0.0.2"], "192.0.2.1:0"),
        (&["10.0.0.3, 192.0.2.1, 10.0.0.2"], "192.0.2.1:0"),
        (&["198.51.100.9", "192.0.2.1"], "192.0.2.1:0"),
        (&["198.51.100.9, 192.0.2.1", "10.0.0.2"], "192.0.2.1:0"),
        (&["10.0.0.3, 10.0.0.2"], "10.0.0.3:0"),
        (&["192.0.2.1:5000"], "192.0.2.1:5000"),
        (&["2001:db8::1"], "[2001:db8::1]:0"),
        (&["[2001:db8::1]"], "[2001:db8::1]:0"),
        (&["[2001:db8::1]:5000"], "[2001:db8::1]:5000"),
        (&["192.0.2.1, fd00::1"], "192.0.2.1:0"),
        (&["192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1:0"),
        (&["::ffff:192.0.2.1"], "192.0.2.1:0"),
        (&[], "-"),
        (&[""], "-"),
        (&["unknown"], "-"),
        (&["192.0.2.1, unknown"], "-"),
        (&["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2:0"),
        (&["192.0.2.1,, 10.0.0.2"], "10.0.0.2:0"),
        (&["192.0.2.1,"], "-"),
        (&["192.0.2.1", ""], "-"),
        (&["192.0.2.1, 10.0.0.02"], "-"),
        (&["192.0.2.1, 10.0.0.2 10.0.0.3"], "-"),
    ];
    for (lines, expected) in rows {
        assert_eq!(client(XForwardedFor, lines), expected, "{lines:?}");
    }
}

#[test]
fn what_is_no_address_ends_the_walk() {
    for wrong in [
        "192.0.2.1.",
        "192.0.2",
        "0x7f.1",
        "192.0.2.256",
        "3221225985",
        "[192.0.2.1]",
        "[2001:db8::1",
        "2001:db8::1]",
        "2001:db8::1%eth0",
        "[2001:db8::1%1]",
        "192.0.2.1:",
        "192.0.2.1:99999",
        "192.0.2.1:+1",
        "192.0.2.1:1:2",
        "[::1]80",
        "[::1]:",
        "localhost",
        "_hidden",
        "a",
        "\u{e9}",
        "\"192.0.2.1\"",
        "for=192.0.2.1",
        "192.0.2.1:_",
        "192.0.2.1:_a b",
        "192.0.2.1:000001",
    ] {
        assert_eq!(client(XForwardedFor, &[&format!("198.51.100.9, {wrong}")]), "-", "{wrong}");
        assert_eq!(client(XForwardedFor, &[&format!("{wrong}, 10.0.0.2")]), "10.0.0.2:0", "{wrong}");
    }
    let lines: [&[u8]; 1] = [b"192.0.2.1, \xff, 10.0.0.2"];
    let found = XForwardedFor.client(&peer("10.0.0.1"), &trusted(&["10.0.0.0/8"]), lines.into_iter());
    assert_eq!(found.map(|found| found.client.to_string()), Some("10.0.0.2:0".to_owned()));
}

#[test]
fn forwarded_has_quotes_parameters_and_names_that_hide() {
    let rows: [(&[&str], &str); 34] = [
        (&["for=192.0.2.1"], "192.0.2.1:0"),
        (&["For=192.0.2.1"], "192.0.2.1:0"),
        (&["FOR=\"192.0.2.1\""], "192.0.2.1:0"),
        (&["for=\"192.0.2.1:5000\""], "192.0.2.1:5000"),
        (&["for=\"[2001:db8::1]\""], "[2001:db8::1]:0"),
        (&["for=\"[2001:db8::1]:5000\""], "[2001:db8::1]:5000"),
        (&["for=\"192.0.2.1:_port\""], "192.0.2.1:0"),
        (&["for=\"192.0\\.2.1\""], "192.0.2.1:0"),
        (&["for=192.0.2.1;proto=https;by=10.0.0.1"], "192.0.2.1:0"),
        (&["by=10.0.0.1;host=\"a,b;c=d\";for=192.0.2.1"], "192.0.2.1:0"),
        (&["for=192.0.2.1 ; proto=http"], "192.0.2.1:0"),
        (&["for=198.51.100.9, for=192.0.2.1;host=\"x, for=198.51.100.9\", for=10.0.0.2"], "192.0.2.1:0"),
        (&["for=198.51.100.9", "for=192.0.2.1, for=10.0.0.2"], "192.0.2.1:0"),
        (&["for=192.0.2.1, for=\"[fd00::1]:80\""], "192.0.2.1:0"),
        // What an attacker sends before what the proxy appends changes nothing.
        (&["for=\"198.51.100.9, for=192.0.2.1"], "192.0.2.1:0"),
        (&["\", for=192.0.2.1"], "192.0.2.1:0"),
        (&["for=\"a\\\", for=192.0.2.1"], "192.0.2.1:0"),
        (&["\\, for=192.0.2.1"], "192.0.2.1:0"),
        (&["for=\"[2001:db8::1]\"\", for=\"192.0.2.1\""], "192.0.2.1:0"),
        (&["for=198.51.100.9;\", for=192.0.2.1, for=10.0.0.2"], "192.0.2.1:0"),
        (&[], "-"),
        (&["for=unknown"], "-"),
        (&["for=_hidden"], "-"),
        (&["for=198.51.100.9, for=_hidden"], "-"),
        (&["for=198.51.100.9, for=unknown, for=10.0.0.2"], "10.0.0.2:0"),
        (&["proto=https"], "-"),
        (&["for=192.0.2.1;for=198.51.100.9"], "-"),
        (&["for=192.0.2.1;;proto=http"], "-"),
        (&["for=192.0.2.1;"], "-"),
        (&["for = 192.0.2.1"], "-"),
        (&["for=[2001:db8::1]"], "-"),
        (&["for=192.0.2.1:80"], "-"),
        (&["192.0.2.1"], "-"),
        (&["for=\"192.0.2.1\"x"], "-"),
    ];
    for (lines, expected) in rows {
        assert_eq!(client(Forwarded, lines), expected, "{lines:?}");
    }
}

#[test]
fn the_scheme_is_that_of_the_element_that_names_the_client() {
    let scheme = |line: &str| {
        let found = Forwarded.client(&peer("10.0.0.1"), &trusted(&["10.0.0.0/8"]), [line.as_bytes()].into_iter());
        found.and_then(|found| found.scheme)
    };
    assert_eq!(scheme("for=192.0.2.1;proto=https"), Some(Scheme::Https));
    assert_eq!(scheme("for=192.0.2.1;proto=HTTP"), Some(Scheme::Http));
    assert_eq!(scheme("for=192.0.2.1;proto=\"https\", for=10.0.0.2;proto=http"), Some(Scheme::Https));
    assert_eq!(scheme("for=198.51.100.9;proto=https, for=192.0.2.1;proto=http"), Some(Scheme::Http));
    assert_eq!(scheme("for=192.0.2.1;proto=ftp"), None);
    assert_eq!(scheme("for=192.0.2.1"), None);
}

#[test]
fn the_scheme_of_another_field_is_the_last_word_of_a_trusted_peer() {
    let scheme = |peer: &Peer, lines: &[&str]| {
        forwarded_scheme(peer, &trusted(&["10.0.0.0/8"]), lines.iter().map(|line| line.as_bytes()))
    };
    for (lines, expected) in [
        (&["https"][..], Some(Scheme::Https)),
        (&["HTTP"], Some(Scheme::Http)),
        (&["http, https"], Some(Scheme::Https)),
        (&["https", "http"], Some(Scheme::Http)),
        (&["\"https, http"], Some(Scheme::Http)),
        (&["https,"], None),
        (&["https http"], None),
        (&["wss"], None),
        (&[""], None),
        (&[], None),
    ] {
        assert_eq!(scheme(&peer("10.0.0.1"), lines), expected, "{lines:?}");
        for other in [peer("192.0.2.1"), Peer::Local, Peer::Timer] {
            assert_eq!(scheme(&other, lines), None, "{lines:?}");
        }
    }
}

#[test]
fn a_peer_that_is_not_trusted_is_the_client_whatever_it_sends() {
    for field in [Forwarded, XForwardedFor] {
        for peer in [peer("192.0.2.1"), peer("::1"), Peer::Local, Peer::Timer] {
            let lines: [&[u8]; 2] = [b"for=198.51.100.9", b"198.51.100.9"];
            assert_eq!(field.client(&peer, &trusted(&["10.0.0.0/8"]), lines.into_iter()), None);
            assert_eq!(field.client(&peer, &TrustedProxies::default(), lines.into_iter()), None);
        }
    }
    let unix = XForwardedFor.client(&Peer::Local, &trusted(&["unix"]), [&b"192.0.2.1"[..]].into_iter());
    assert_eq!(unix.map(|found| found.client.to_string()), Some("192.0.2.1:0".to_owned()));
}

/// What a client may send: anything, and what looks like elements.
fn untrusted() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        prop::collection::vec(any::<u8>().prop_filter("it is no line end", |byte| !b"\r\n\0".contains(byte)), 0..12),
        prop::sample::select(vec![
            "for=",
            "\"",
            "\\",
            ",",
            ";",
            "[",
            "]",
            ":",
            "10.0.0.2",
            "for=10.0.0.3",
            "198.51.100.9",
            "proto=https",
            "https",
            "http",
            " ",
            "unknown",
            "=",
            "[fd00::1]",
            "\\\"",
            "for=\"[fd00::1]:80\"",
            ", 10.0.0.9",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// A client sends anything. Some trusted proxies append who connected to them, as a part of the line or as a line.
    #[test]
    fn no_untrusted_byte_decides_who_the_client_is(
        sent in prop::collection::vec(untrusted(), 0..3),
        hops in prop::collection::vec((any::<u8>(), any::<bool>(), any::<bool>()), 0..3),
        is_v6 in any::<bool>(),
        is_forwarded in any::<bool>(),
        appends in any::<bool>(),
        is_https in any::<bool>(),
    ) {
        let trusted = trusted(&["10.0.0.0/8", "fd00::/8"]);
        let field = if is_forwarded { Forwarded } else { XForwardedFor };
        let real: IpAddr = if is_v6 { "2001:db8::7" } else { "192.0.2.7" }.parse().expect("it is an address");
        // Between the proxies it is the other one.
        let scheme_of = |address: IpAddr| if (address == real) == is_https { "https" } else { "http" };
        let write = |address: IpAddr, has_port: bool| match (is_forwarded, address, has_port) {
            (true, IpAddr::V4(address), false) => format!("for={address};proto={}", scheme_of(address.into())),
            (true, address, _) => {
                format!("for=\"{}\";host=\"a, b\\\"\";proto=\"{}\"", SocketAddr::new(address, 80), scheme_of(address))
            }
            (false, address, false) => address.to_string(),
            (false, address, true) => SocketAddr::new(address, 80).to_string(),
        };
        // The first proxy writes of the client, each later one of the proxy before it.
        let mut lines = sent.clone();
        let mut before = real;
        let mut append = |address: IpAddr, has_port: bool, joins: bool| {
            let element = write(address, has_port).into_bytes();
            match lines.last_mut() {
                Some(last) if joins => { last.extend(b", "); last.extend(element); }
                _ => lines.push(element),
            }
        };
        append(before, false, appends);
        for (number, has_port, joins) in hops {
            before = IpAddr::from([10, 0, 1, number]);
            append(before, has_port, joins);
        }
        let found = field.client(&peer("10.0.0.1"), &trusted, lines.iter().map(Vec::as_slice));
        let scheme = found.and_then(|found| found.scheme);
        let real_scheme = if is_https { Scheme::Https } else { Scheme::Http };
        prop_assert_eq!(scheme, is_forwarded.then_some(real_scheme), "{:?}", lines);
        let found = found.map(|found| found.client.address());
        prop_assert_eq!(found, Some(Peer::Ip(SocketAddr::new(real, 0)).address()), "{:?}", lines);
        let none = TrustedProxies::default();
        prop_assert_eq!(field.client(&peer("10.0.0.1"), &none, lines.iter().map(Vec::as_slice)), None);
    }

    /// A client sends anything. The proxy that the host sees sets the scheme, or appends it to a line or as a line.
    #[test]
    fn no_untrusted_byte_decides_the_scheme(
        sent in prop::collection::vec(untrusted(), 0..3),
        is_https in any::<bool>(),
        way in 0..3,
    ) {
        let word = if is_https { "https" } else { "http" };
        let mut lines = sent;
        match (way, lines.last_mut()) {
            (0, _) => lines = vec![word.as_bytes().to_vec()],
            (1, Some(last)) => last.extend(format!(", {word}").into_bytes()),
            (_, _) => lines.push(word.as_bytes().to_vec()),
        }
        let found = forwarded_scheme(&peer("10.0.0.1"), &trusted(&["10.0.0.0/8"]), lines.iter().map(Vec::as_slice));
        prop_assert_eq!(found, Some(if is_https { Scheme::Https } else { Scheme::Http }), "{:?}", lines);
        for other in [peer("192.0.2.1"), Peer::Local] {
            let found = forwarded_scheme(&other, &trusted(&["10.0.0.0/8"]), lines.iter().map(Vec::as_slice));
            prop_assert_eq!(found, None);
        }
    }
}
