use ::http::Request;

use super::*;

/// The request with these fields.
fn received(method: &str, uri: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).expect("the test gives valid parts")
}

fn check_on(
    listener: ListenerScheme,
    method: &str,
    uri: &str,
    fields: &[(&str, &str)],
) -> Result<Http2Request, Http2RequestError> {
    let request = received(method, uri, fields);
    let (method, uri, fields) = (request.method(), request.uri(), request.headers());
    ReceivedRequest { method, uri, fields, ends: false }
        .check(&HeadLimits::default(), listener, |host| host == "a.example")
}

fn check(method: &str, uri: &str, fields: &[(&str, &str)]) -> Result<Http2Request, Http2RequestError> {
    check_on(ListenerScheme::Plain, method, uri, fields)
}

fn status(checked: Result<Http2Request, Http2RequestError>) -> Option<u16> {
    checked.expect_err("the request is refused").status()
}

#[test]
fn the_parts_become_the_head_that_every_version_has() {
    let request =
        check("GET", "http://example.org:81/a/b?c=d", &[("x-one", "1"), ("accept", "*/*")]).expect("it is valid");
    let Http2Request { head, framing } = request;
    assert_eq!((head.method(), head.path(), head.query()), ("GET", "/a/b", Some("c=d")));
    assert_eq!(head.version(), Version::Http2);
    let fields: Vec<_> = head.fields().collect();
    assert_eq!(fields, [("host", &b"example.org:81"[..]), ("x-one", b"1"), ("accept", b"*/*")]);
    assert_eq!((framing.body, framing.head_only), (BodyFraming::ByStream(None), false));
}

#[test]
fn the_authority_is_that_of_the_pseudo_field_or_else_of_host() {
    let of = |uri, fields: &[(&str, &str)]| {
        let head = check("GET", uri, fields).expect("it is valid").head;
        head.values("host").map(|host| String::from_utf8_lossy(host).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("http://a.example/", &[]), ["a.example"]);
    assert_eq!(of("http://a.example/", &[("host", "A.example")]), ["a.example"]);
    assert_eq!(of("/", &[("host", "b.example")]), ["b.example"]);
}

#[test]
fn an_authority_that_is_missing_contradicted_repeated_or_invalid_is_refused() {
    for (uri, fields, expected) in [
        ("/", &[][..], Some(400)),
        ("/", &[("host", "")], Some(400)),
        ("/", &[("host", "a"), ("host", "a")], Some(400)),
        ("http://a.example/", &[("host", "b.example")], None),
        ("http://a.example/", &[("host", "a.example:80")], None),
        ("http://user@a.example/", &[], Some(400)),
        ("http://user:word@a.example/", &[], Some(400)),
    ] {
        assert_eq!(status(check("GET", uri, fields)), expected, "{uri} {fields:?}");
    }
}

#[test]
fn a_scheme_has_to_fit_the_listener() {
    for (scheme, listener, expected) in [
        ("http", ListenerScheme::Plain, None),
        ("https", ListenerScheme::Plain, None),
        ("https", ListenerScheme::Tls, None),
        ("http", ListenerScheme::Tls, Some(421)),
        ("ftp", ListenerScheme::Plain, Some(400)),
        ("ftp", ListenerScheme::Tls, Some(400)),
    ] {
        let checked = check_on(listener, "GET", &format!("{scheme}://a.example/"), &[]);
        assert_eq!(checked.err().and_then(|error| error.status()), expected, "{scheme} on {listener:?}");
    }
}

#[test]
fn a_path_is_one_that_http_1_serves_too() {
    for (method, path, expected) in [
        ("GET", "/", None),
        ("GET", "/a%20b?x", None),
        ("OPTIONS", "*", None),
        ("GET", "*", Some(400)),
        ("GET", "/%zz", Some(400)),
        ("GET", "/a\\b", Some(400)),
        ("GET", "/\"", Some(400)),
    ] {
        let checked = check(method, path, &[("host", "a.example")]);
        assert_eq!(checked.err().and_then(|error| error.status()), expected, "{method} {path}");
    }
}

#[test]
fn connect_is_not_served() {
    assert_eq!(status(check("CONNECT", "a.example:443", &[])), Some(501));
}

#[test]
fn crumbs_of_a_cookie_are_one_line_where_the_first_was() {
    let fields = [("x-a", "1"), ("cookie", "a=b"), ("cookie", "c=d"), ("cookie", "e=f"), ("x-z", "2")];
    let head = check("GET", "http://a.example/", &fields).expect("it is valid").head;
    let cookies: Vec<_> = head.values("cookie").collect();
    assert_eq!(cookies, [b"a=b; c=d; e=f"]);
    let names: Vec<_> = head.fields().map(|(name, _)| name).collect();
    assert_eq!(names, ["host", "x-a", "cookie", "x-z"]);
}

#[test]
fn values_with_white_space_around_them_are_refused() {
    for value in [" a", "a ", "\ta", "a\t"] {
        assert_eq!(status(check("GET", "http://a.example/", &[("x-a", value)])), Some(400), "{value:?}");
    }
    assert!(check("GET", "http://a.example/", &[("x-a", "a b\tc"), ("x-b", "")]).is_ok());
}

#[test]
fn a_head_is_refused_past_each_limit() {
    let limits = HeadLimits { max_bytes: 1000, max_fields: 3, max_target: 10 };
    let of = |method: &str, uri: &str, fields: &[(&str, &str)]| {
        let request = received(method, uri, fields);
        let received =
            ReceivedRequest { method: request.method(), uri: request.uri(), fields: request.headers(), ends: true };
        received.check(&limits, ListenerScheme::Plain, |_| false).err().and_then(|error| error.status())
    };
    let fields = [("x-1", ""), ("x-2", ""), ("x-3", ""), ("x-4", "")];
    assert_eq!(of("GET", "http://a/123456789", &fields[..3]), None);
    assert_eq!(of("GET", "http://a/1234567890", &[]), Some(414));
    assert_eq!(of("GET", "http://a/", &fields), Some(431));
    assert_eq!(of(&"M".repeat(33), "http://a/", &[]), Some(501));
}

#[test]
fn the_body_ends_with_its_stream_and_keeps_the_length_that_is_declared() {
    for (ends, length, expected) in [
        (true, None, BodyFraming::None),
        (false, None, BodyFraming::ByStream(None)),
        (false, Some("12"), BodyFraming::ByStream(Some(12))),
        (false, Some("0"), BodyFraming::ByStream(None)),
    ] {
        let fields: Vec<_> = length.map(|length| ("content-length", length)).into_iter().collect();
        let request = received("POST", "http://a.example/", &fields);
        let (method, uri, fields) = (request.method(), request.uri(), request.headers());
        let received = ReceivedRequest { method, uri, fields, ends };
        let checked = received.check(&HeadLimits::default(), ListenerScheme::Plain, |_| false).expect("it is valid");
        assert_eq!(checked.framing.body, expected, "ends {ends}, length {length:?}");
    }
    assert_eq!(status(check("POST", "http://a.example/", &[("content-length", "1, 2")])), Some(400));
    assert_eq!(status(check("POST", "http://a.example/", &[("content-length", "x")])), Some(400));
}

#[test]
fn a_client_can_wait_for_100_continue() {
    let awaits = |fields: &[(&str, &str)]| {
        check("POST", "http://a.example/", fields).map(|checked| checked.framing.awaits_continue)
    };
    assert_eq!(awaits(&[("expect", "100-continue")]).ok(), Some(true));
    assert_eq!(awaits(&[]).ok(), Some(false));
    assert_eq!(awaits(&[("expect", "other")]).err().and_then(|error| error.status()), Some(417));
}

#[test]
fn a_host_that_the_certificate_is_not_for_is_misdirected() {
    for (authority, expected) in [("a.example", None), ("a.example:8443", None), ("b.example", Some(421))] {
        let checked = check_on(ListenerScheme::Tls, "GET", &format!("https://{authority}/"), &[]);
        assert_eq!(checked.err().and_then(|error| error.status()), expected, "{authority}");
    }
    assert!(check("GET", "http://b.example/", &[]).is_ok(), "without TLS there is no certificate");
}
