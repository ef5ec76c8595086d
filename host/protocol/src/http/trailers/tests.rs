use super::{are_accepted, is_allowed_in_trailers};
use crate::http::fields::Fields;

// RFC 9110 section 6.5.1
#[test]
fn what_a_recipient_needs_before_the_body_is_no_trailer_in_any_case() {
    for name in [
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "host",
        "content-encoding",
        "content-range",
        "content-type",
        "cache-control",
        "expect",
        "max-forwards",
        "pragma",
        "range",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "if-",
        "authorization",
        "cookie",
        "set-cookie",
        "www-authenticate",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-authentication-info",
        "age",
        "date",
        "expires",
        "location",
        "retry-after",
        "vary",
        "warning",
    ] {
        assert!(!is_allowed_in_trailers(name), "{name}");
        assert!(!is_allowed_in_trailers(&name.to_ascii_uppercase()), "{name}");
    }
}

#[test]
fn other_fields_are_trailers_however_like_they_look() {
    for name in [
        "a",
        "Server-Timing",
        "Content-Digest",
        "Repr-Digest",
        "ETag",
        "Authentication-Info",
        "Grpc-Status",
        "Expires-After",
        "Host-Name",
        "X-Host",
        "X-If-Match",
        "ifs",
        "proxy",
        "content",
        "\u{e9}\u{e9}",
    ] {
        assert!(is_allowed_in_trailers(name), "{name}");
    }
}

#[test]
fn a_field_that_nobody_but_the_host_sets_is_no_trailer() {
    for name in ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"] {
        assert!(Fields::default().append(name, b"a").is_err(), "{name}");
        assert!(!is_allowed_in_trailers(name), "{name}");
    }
}

// RFC 9110 section 10.1.4
#[test]
fn a_client_takes_trailers_if_te_has_them_as_a_member() {
    let table: &[(&[&str], bool)] = &[
        (&[], false),
        (&[""], false),
        (&["trailers"], true),
        (&["Trailers"], true),
        (&["gzip;q=0.5, trailers"], true),
        (&["trailers,deflate;q=0.5"], true),
        (&["gzip", ",\t trailers ,"], true),
        (&["gzip"], false),
        (&["trailer"], false),
        (&["trailers2"], false),
        (&["x-trailers"], false),
        (&["gzip trailers"], false),
        (&["gzip;trailers"], false),
        // It has neither a weight nor parameters.
        (&["trailers;q=0"], false),
        (&["trailers;q=1"], false),
        (&["a;b=\"c, trailers\""], false),
        (&["a;b=\"c, trailers, d\""], false),
        (&["a;b=\"c\\\", trailers, d\""], false),
        (&["a;b=\"c\", trailers"], true),
        (&["a;b=\"c, trailers"], false),
        (&["a;b=\"c", "trailers"], true),
    ];
    for (values, accepted) in table {
        assert_eq!(are_accepted(values.iter().map(|value| value.as_bytes())), *accepted, "{values:?}");
    }
}
