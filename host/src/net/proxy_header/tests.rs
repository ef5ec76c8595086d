use proptest::prelude::*;

use super::*;

fn end(length: usize, source: Option<&str>) -> Result<Option<ProxyHeaderEnd>, ProxyHeaderError> {
    let source = source.map(|source| source.parse().expect("it is an address"));
    Ok(Some(ProxyHeaderEnd { length, source }))
}

/// A header of version 2.
fn binary(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("the payload is short");
    [&SIGNATURE[..], &[command, family], &length.to_be_bytes(), payload].concat()
}

const V4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0x9c, 0x40, 0x01, 0xbb];

fn v6() -> Vec<u8> {
    let (one, other): (Ipv6Addr, Ipv6Addr) =
        ("2001:db8::1".parse().expect("an address"), "2001:db8::2".parse().expect("an address"));
    [&one.octets()[..], &other.octets(), &[0x9c, 0x40, 0x01, 0xbb]].concat()
}

fn addition(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &u16::try_from(value.len()).expect("it is short").to_be_bytes(), value].concat()
}

/// A header with its checksum.
fn with_checksum(payload: &[u8]) -> Vec<u8> {
    let mut header = binary(0x21, 0x11, &[payload, &addition(CRC32C, &[0; 4])].concat());
    let sum = crc32c(header.iter().copied());
    let at = header.len() - 4;
    header[at..].copy_from_slice(&sum.to_be_bytes());
    header
}

#[test]
fn the_client_is_named_in_both_versions() {
    let lines: [(&str, Option<&str>); 8] = [
        ("PROXY TCP4 192.0.2.1 198.51.100.1 40000 443\r\n", Some("192.0.2.1:40000")),
        ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Some("255.255.255.255:65535")),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 0 0\r\n", Some("192.0.2.1:0")),
        ("PROXY TCP6 2001:db8::1 2001:db8::2 40000 443\r\n", Some("[2001:db8::1]:40000")),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN ffff:: 1 anything at all\r\n", None),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::1 40000 443\r\n", Some("[::ffff:192.0.2.1]:40000")),
    ];
    for (line, source) in lines {
        assert_eq!(parse_proxy_header(line.as_bytes()), end(line.len(), source), "{line}");
        let followed = format!("{line}GET / HTTP/1.1\r\n");
        assert_eq!(parse_proxy_header(followed.as_bytes()), end(line.len(), source), "{line}");
    }
    let additions = [addition(0x01, b"h2"), addition(0x02, b"example.org"), addition(0x04, &[0; 7])].concat();
    let rows = [
        (binary(0x21, 0x11, &V4), Some("192.0.2.1:40000")),
        (binary(0x21, 0x21, &v6()), Some("[2001:db8::1]:40000")),
        (binary(0x21, 0x11, &[&V4[..], &additions].concat()), Some("192.0.2.1:40000")),
        (binary(0x21, 0x31, &[0; 216]), None),
        (binary(0x21, 0x00, b""), None),
        (binary(0x21, 0x00, b"whatever this is"), None),
        (binary(0x20, 0x00, b""), None),
        (binary(0x20, 0x11, &V4), None),
        (binary(0x20, 0x12, &V4), None),
        (binary(0x20, 0xff, b"x"), None),
        (with_checksum(&V4), Some("192.0.2.1:40000")),
        (with_checksum(&[&V4[..], &additions].concat()), Some("192.0.2.1:40000")),
        (binary(0x21, 0x00, &[0; MAX_PROXY_HEADER - FIXED]), None),
    ];
    for (header, source) in rows {
        assert_eq!(parse_proxy_header(&header), end(header.len(), source), "{}", header.escape_ascii());
        let followed = [&header[..], b"GET"].concat();
        assert_eq!(parse_proxy_header(&followed), end(header.len(), source));
    }
}

#[test]
fn a_header_is_incomplete_until_its_last_byte() {
    let long = [&V4[..], &addition(0x04, &[0; 200])].concat();
    let headers = [
        b"PROXY TCP4 192.0.2.1 198.51.100.1 40000 443\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        binary(0x21, 0x11, &V4),
        binary(0x21, 0x21, &v6()),
        binary(0x20, 0x00, b""),
        with_checksum(&long),
    ];
    for header in headers {
        for length in 0..header.len() {
            assert_eq!(parse_proxy_header(&header[..length]), Ok(None), "{length} of {}", header.escape_ascii());
        }
    }
}

#[test]
fn anything_else_is_refused() {
    use ProxyHeaderError::{Binary, Checksum, Line, Long, None as NoHeader, Unsupported};
    let lines = [
        ("GET / HTTP/1.1\r\n", NoHeader),
        ("\u{16}\u{3}\u{1}", NoHeader),
        ("proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n", NoHeader),
        (" PROXY UNKNOWN\r\n", NoHeader),
        ("PROXYTCP4", NoHeader),
        ("PROXY\r\n", NoHeader),
        ("PROXY \r\n", Line),
        ("PROXY UNKNOWN\n", Line),
        ("PROXY UNKNOWNX\r\n", Line),
        ("PROXY unknown\r\n", Line),
        ("PROXY TCP4\r\n", Line),
        ("PROXY TCP4 192.0.2.1\r\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.1\r\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n", Line),
        ("PROXY  TCP4 192.0.2.1 198.51.100.1 1 2\r\n", Line),
        ("PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n", Line),
        ("PROXY TCP4\t192.0.2.1 198.51.100.1 1 2\r\n", Line),
        ("PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n", Line),
        ("PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n", Line),
        ("PROXY TCP4 192.0.02.1 198.51.100.1 1 2\r\n", Line),
        ("PROXY TCP4 0x7f.0.0.1 198.51.100.1 1 2\r\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100 1 2\r\n", Line),
        ("PROXY TCP4 ::1 ::1 1 2\r\n", Line),
        ("PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n", Line),
        ("PROXY TCP6 2001:db8::1 192.0.2.1 1 2\r\n", Line),
        ("PROXY TCP6 [2001:db8::1] [2001:db8::2] 1 2\r\n", Line),
        ("PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n", Line),
        ("PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n", Line),
        ("PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n", Line),
        ("PROXY tcp4 192.0.2.1 198.51.100.1 1 2\r\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 -1 2\r\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 1 02\r\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 1 x\r\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.1  2\r\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\r\n", Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\0\r\n", Line),
        ("PROXY TCP4 192.0.2.1,198.51.100.1 1 2\r\n", Line),
    ];
    for (line, error) in lines {
        assert_eq!(parse_proxy_header(line.as_bytes()), Err(error), "{line:?}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE));
    let no_utf8 = [&b"PROXY UNKNOWN "[..], &[0xff, b'\r', b'\n']].concat();
    let too_long = binary(0x21, 0x11, &[0; MAX_PROXY_HEADER]);
    let mut wrong = with_checksum(&V4);
    wrong[20] ^= 1;
    let rows = [
        (long.into_bytes(), Long),
        (no_utf8, Line),
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), NoHeader),
        (b"\r\nGET /".to_vec(), NoHeader),
        (binary(0x11, 0x11, &V4), Unsupported),
        (binary(0x31, 0x11, &V4), Unsupported),
        (binary(0x22, 0x11, &V4), Unsupported),
        (binary(0x2f, 0x11, &V4), Unsupported),
        (binary(0x21, 0x41, &V4), Unsupported),
        (binary(0x21, 0x13, &V4), Unsupported),
        (binary(0x21, 0x12, &V4), Unsupported),
        (binary(0x21, 0x22, &v6()), Unsupported),
        (binary(0x21, 0x11, &V4[..11]), Binary),
        (binary(0x21, 0x11, b""), Binary),
        (binary(0x21, 0x21, &V4), Binary),
        (binary(0x21, 0x31, &[0; 215]), Binary),
        (binary(0x21, 0x10, &V4), Unsupported),
        (binary(0x21, 0x01, b""), Unsupported),
        (binary(0x21, 0x11, &[&V4[..], b"x"].concat()), Binary),
        (binary(0x21, 0x11, &[&V4[..], &[1, 0, 2, 0]].concat()), Binary),
        (binary(0x21, 0x11, &[&V4[..], &[1, 0xff, 0xff]].concat()), Binary),
        (binary(0x21, 0x11, &[&V4[..], &addition(CRC32C, b"abc")].concat()), Binary),
        (binary(0x21, 0x11, &[&V4[..], &addition(CRC32C, b"abcd")].concat()), Checksum),
        (wrong, Checksum),
        (too_long[..FIXED].to_vec(), Long),
    ];
    for (header, error) in rows {
        assert_eq!(parse_proxy_header(&header), Err(error), "{}", header.escape_ascii());
    }
}

#[test]
fn the_checksum_is_that_of_the_rfc() {
    assert_eq!(crc32c([0; 32].into_iter()), 0x8a91_36aa);
    assert_eq!(crc32c(0..32), 0x46dd_794e);
}

/// What the crate `proxy-header` says of the same bytes. It does not know what this parser is stricter in.
fn oracle(input: &[u8]) -> Option<(usize, Option<SocketAddr>)> {
    let (header, length) = proxy_header::ProxyHeader::parse(input, proxy_header::ParseConfig::default()).ok()?;
    Some((length, header.proxied_address().map(|address| address.source)))
}

fn address() -> impl Strategy<Value = SocketAddr> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| IpAddr::from(Ipv4Addr::from(octets))),
        any::<[u8; 16]>().prop_map(|octets| IpAddr::from(Ipv6Addr::from(octets))),
    ];
    (address, any::<u16>()).prop_map(|(address, port)| SocketAddr::new(address, port))
}

/// A header as a proxy makes it, and then some of its bytes changed.
fn header() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    let made = (address(), any::<bool>(), any::<bool>(), any::<u16>()).prop_map(|(source, is_text, is_local, port)| {
        let destination = SocketAddr::new(source.ip(), port);
        let header = match is_local {
            true => proxy_header::ProxyHeader::with_local(),
            false => proxy_header::ProxyHeader::with_address(proxy_header::ProxiedAddress::stream(source, destination)),
        };
        let mut bytes = Vec::new();
        match is_text {
            true => header.encode_v1(&mut bytes).expect("it can be encoded"),
            false => header.encode_v2(&mut bytes).expect("it can be encoded"),
        };
        bytes
    });
    (made, changes).prop_map(|(mut bytes, changes)| {
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_is_accepted_is_what_another_parser_finds(input in header()) {
        if let Ok(Some(ProxyHeaderEnd { length, source })) = parse_proxy_header(&input) {
            prop_assert!(length <= input.len());
            let Some((other_length, other_source)) = oracle(&input) else {
                // It reads what a proxy that connects for itself may write as it likes.
                prop_assert!(input.starts_with(&SIGNATURE) && input[12] == 0x20, "{:?}", input.escape_ascii().to_string());
                return Ok(());
            };
            prop_assert_eq!(length, other_length);
            // A mapped address is the same in both, and of a local connection nothing is known.
            if source.is_some() {
                prop_assert_eq!(source, other_source);
            }
        }
    }

    #[test]
    fn any_bytes_are_parsed_without_a_panic_and_what_follows_changes_nothing(
        input in prop_oneof![prop::collection::vec(any::<u8>(), 0..700), header()],
        behind in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        if let Ok(Some(found)) = parse_proxy_header(&input) {
            let more = [&input[..found.length], &behind[..]].concat();
            prop_assert_eq!(parse_proxy_header(&more), Ok(Some(found)));
            prop_assert!(found.length <= MAX_PROXY_HEADER);
        }
    }
}
