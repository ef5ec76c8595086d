use super::{Path, Target, TargetError, check_host, is_authority};
use crate::http::span::Span;
use crate::http::version::Version;

/// The parts of a target as text: authority, path and query.
type Parts = (Option<&'static str>, &'static str, Option<&'static str>);

fn parts(method: &str, target: &'static str) -> Result<Parts, TargetError> {
    let parsed = Target::parse(method.as_bytes(), target.as_bytes())?;
    let text = |bytes| str::from_utf8(bytes).expect("parts of ASCII");
    let path = match parsed.path {
        Path::Sent(span) => text(span.of(target.as_bytes())),
        Path::Root => "(root)",
        Path::Asterisk => "(asterisk)",
    };
    let optional = |span: Option<Span>| span.map(|span| text(span.of(target.as_bytes())));
    Ok((optional(parsed.authority), path, optional(parsed.query)))
}

#[test]
fn good_targets_are_cut_into_their_parts() {
    let table: &[(&str, &str, Parts)] = &[
        // RFC 9112 section 3.2.1: origin-form
        ("GET", "/", (None, "/", None)),
        ("GET", "/a/b.html", (None, "/a/b.html", None)),
        ("GET", "/a?", (None, "/a", Some(""))),
        ("GET", "/a?b=c&d?/:@", (None, "/a", Some("b=c&d?/:@"))),
        // characters that browsers do not encode
        ("GET", "/a?ids[]=1&b={c}|d^e`f\\g", (None, "/a", Some("ids[]=1&b={c}|d^e`f\\g"))),
        ("GET", "/a[1]/b|c", (None, "/a[1]/b|c", None)),
        ("GET", "http://a/[b]|?[c]", (Some("a"), "/[b]|", Some("[c]"))),
        ("GET", "//a/../b", (None, "//a/../b", None)),
        ("GET", "/-._~!$&'()*+,;=:@%41%fF", (None, "/-._~!$&'()*+,;=:@%41%fF", None)),
        ("GET", "/http://a", (None, "/http://a", None)),
        ("OPTIONS", "/", (None, "/", None)),
        // section 3.2.2: absolute-form
        ("GET", "http://a/b?c", (Some("a"), "/b", Some("c"))),
        ("GET", "HTTPS://a:443/", (Some("a:443"), "/", None)),
        ("GET", "http://a", (Some("a"), "(root)", None)),
        ("GET", "http://a?b/c", (Some("a"), "(root)", Some("b/c"))),
        ("GET", "http://[::1]:80/b", (Some("[::1]:80"), "/b", None)),
        // section 3.2.4: asterisk-form, and its form in a request to a proxy
        ("OPTIONS", "*", (None, "(asterisk)", None)),
        ("OPTIONS", "http://a:80", (Some("a:80"), "(asterisk)", None)),
        ("OPTIONS", "http://a/", (Some("a"), "/", None)),
        ("OPTIONS", "http://a?b", (Some("a"), "(root)", Some("b"))),
    ];
    for (method, target, expected) in table {
        assert_eq!(parts(method, target), Ok(*expected), "{method} {target}");
    }
}

#[test]
fn wrong_targets_are_refused() {
    let table: &[(&str, &str, TargetError)] = &[
        // RFC 9112 section 3.2: no form at all
        ("GET", "", TargetError::Form),
        ("GET", "a", TargetError::Form),
        ("GET", "?a", TargetError::Form),
        ("GET", "a.example:80", TargetError::Form),
        ("GET", "ftp://a/", TargetError::Form),
        ("GET", "http:/a", TargetError::Form),
        ("GET", "http:a", TargetError::Form),
        ("GET", "://a/", TargetError::Form),
        // section 3.2.4
        ("GET", "*", TargetError::Form),
        ("options", "*", TargetError::Form),
        ("OPTIONS", "**", TargetError::Form),
        ("OPTIONS", "*?a", TargetError::Form),
        // section 3.2.3
        ("CONNECT", "a:443", TargetError::Connect),
        ("CONNECT", "/", TargetError::Form),
        ("CONNECT", "http://a/", TargetError::Form),
        // RFC 3986 section 3.3
        ("GET", "/%", TargetError::Path),
        ("GET", "/%4", TargetError::Path),
        ("GET", "/%zz", TargetError::Path),
        ("GET", "/%4g", TargetError::Path),
        ("GET", "/%%41", TargetError::Path),
        ("GET", "/a#b", TargetError::Path),
        ("GET", "/a\\b", TargetError::Path),
        ("GET", "/<a>", TargetError::Path),
        ("GET", "/\"", TargetError::Path),
        ("GET", "/{a}", TargetError::Path),
        ("GET", "/a^b", TargetError::Path),
        ("GET", "/a`b", TargetError::Path),
        ("GET", "/\t", TargetError::Path),
        ("GET", "/\0", TargetError::Path),
        ("GET", "/\r", TargetError::Path),
        ("GET", "/\x7f", TargetError::Path),
        ("GET", "/é", TargetError::Path),
        ("GET", "http://a/%zz", TargetError::Path),
        // section 3.4
        ("GET", "/?%", TargetError::Query),
        ("GET", "/?a#b", TargetError::Query),
        ("GET", "/?é", TargetError::Query),
        ("GET", "/?\0", TargetError::Query),
        ("GET", "/?<", TargetError::Query),
        ("GET", "/?>", TargetError::Query),
        ("GET", "/?\"", TargetError::Query),
        ("GET", "/?\t", TargetError::Query),
        ("GET", "/?\x7f", TargetError::Query),
        // RFC 9110 section 4.2
        ("GET", "http:///a", TargetError::Authority),
        ("GET", "http://", TargetError::Authority),
        ("GET", "http://?a", TargetError::Authority),
        ("GET", "http://:80/", TargetError::Authority),
        ("GET", "http://user@a/", TargetError::Authority),
        ("GET", "http://user:secret@a/", TargetError::Authority),
        ("GET", "http://a:b/", TargetError::Authority),
        ("GET", "http://a#b", TargetError::Authority),
    ];
    for (method, target, expected) in table {
        assert_eq!(parts(method, target), Err(*expected), "{method} {target:?}");
    }
}

/// The path and the query percent-encode set of the URL Standard of the WHATWG, for `http`.
#[test]
fn exactly_what_browsers_do_not_encode_is_taken_in_a_path_and_in_a_query() {
    let query_set = |byte: u8| byte <= b' ' || byte > b'~' || b"\"#<>'".contains(&byte);
    let path_set = |byte: u8| (query_set(byte) && byte != b'\'') || b"?^`{}".contains(&byte);
    for byte in (0..=u8::MAX).filter(|byte| *byte != b'%') {
        // A browser turns a backslash into a slash, and RFC 3986 allows a raw `'` in a query.
        let in_path = !path_set(byte) && byte != b'\\';
        let in_query = !query_set(byte) || byte == b'\'';
        let path = Target::parse(b"GET", &[b'/', b'a', byte, b'b']).map(|target| target.query);
        let query = Target::parse(b"GET", &[b'/', b'?', b'a', byte, b'b']);
        if byte != b'?' {
            assert_eq!(path == Ok(None), in_path, "{:?} in a path", char::from(byte));
        }
        assert_eq!(query.is_ok(), in_query, "{:?} in a query", char::from(byte));
    }
}

#[test]
fn raw_bytes_outside_of_ascii_are_refused() {
    for byte in 0x80..=0xff_u8 {
        assert_eq!(Target::parse(b"GET", &[b'/', byte]), Err(TargetError::Path));
        assert_eq!(Target::parse(b"GET", &[b'/', b'?', byte]), Err(TargetError::Query));
    }
}

// RFC 3986 section 3.2, RFC 9110 section 7.2
#[test]
fn an_authority_is_a_host_and_perhaps_a_port() {
    let good = [
        "a",
        "a.example",
        "A-b_c~d!$&'()*+,;=",
        "127.0.0.1",
        "999.0.0.1",
        "%41%2d",
        "a:",
        "a:0",
        "a:80",
        "a:65535",
        "a:00080",
        "[::]",
        "[::1]",
        "[2001:db8::1]:8080",
        "[::ffff:192.0.2.1]",
        "[v1.a:b]",
        "[vF.~]:1",
    ];
    for authority in good {
        assert!(is_authority(authority.as_bytes()), "{authority}");
    }
    let bad = [
        "",
        ":",
        ":80",
        "a:65536",
        "a:99999999999999999999",
        "a:-1",
        "a:+1",
        "a:8 0",
        "a:0x50",
        "a:b",
        "a:80:80",
        "a b",
        " a",
        "a/",
        "a?",
        "a#b",
        "u@a",
        "@a",
        "a@",
        "a\\b",
        "a\"",
        "<a>",
        "a\0",
        "a\t",
        "é",
        "%",
        "%4",
        "%zz",
        "a|b",
        "::1",
        "[::1",
        "::1]",
        "[]",
        "[::1]a",
        "[::1]:x",
        "[::1]]",
        "[[::1]]",
        "[127.0.0.1]",
        "[::1%25eth0]",
        "[1:2:3]",
        "[:::1]",
        "[v.a]",
        "[v1]",
        "[v1.]",
        "[vg.a]",
        "[v1.a/b]",
        "http://a",
    ];
    for authority in bad {
        assert!(!is_authority(authority.as_bytes()), "{authority:?}");
    }
}

// RFC 9112 section 3.2
#[test]
fn host_comes_once_and_is_an_authority() {
    use Version::{Http10, Http11};
    let table: &[(Version, &[&str], Result<(), TargetError>)] = &[
        (Http11, &["a"], Ok(())),
        (Http11, &["a:80"], Ok(())),
        (Http11, &[], Err(TargetError::HostMissing)),
        (Http11, &[""], Err(TargetError::HostInvalid)),
        (Http11, &["a/b"], Err(TargetError::HostInvalid)),
        (Http11, &["a", "a"], Err(TargetError::HostRepeated)),
        (Http11, &["a", "b", "c"], Err(TargetError::HostRepeated)),
        (Http10, &["a"], Ok(())),
        (Http10, &[], Ok(())),
        (Http10, &[""], Err(TargetError::HostInvalid)),
        (Http10, &["u@a"], Err(TargetError::HostInvalid)),
        (Http10, &["a", "a"], Err(TargetError::HostRepeated)),
    ];
    for (version, values, expected) in table {
        let result = check_host(*version, values.iter().map(|value| value.as_bytes()));
        assert_eq!(result, *expected, "{version:?} {values:?}");
    }
}

#[test]
fn only_a_tunnel_is_not_implemented() {
    assert_eq!(TargetError::Connect.status(), 501);
    assert_eq!(TargetError::Form.status(), 400);
    assert_eq!(TargetError::HostMissing.status(), 400);
}
