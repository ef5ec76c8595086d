use bytes::BytesMut;

use super::HandshakeError::{Body, Key, NoUpgrade, Version};
use super::{HandshakeError, check};
use crate::http1::framing::request_framing;
use crate::http1::head::{HeadLimits, HeadParser};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const VERSION: &str = "Sec-WebSocket-Version: 13";
const UPGRADE: &str = "Upgrade: websocket";
const CONNECTION: &str = "Connection: Upgrade";

fn accept(request_line: &str, fields: &[&str]) -> Result<String, HandshakeError> {
    let lines: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let mut input = BytesMut::from(format!("{request_line}\r\nHost: a\r\n{lines}\r\n").as_bytes());
    let head = HeadParser::default().parse(&mut input, &HeadLimits::default());
    let head = head.expect("a good head").expect("a whole head");
    let body = request_framing(&head).expect("a good framing");
    check(&head, body).map(|accept| accept.as_str().to_owned())
}

// RFC 6455 section 1.3
#[test]
fn the_handshake_of_the_rfc_is_accepted() {
    let accepted = accept("GET /chat HTTP/1.1", &[UPGRADE, CONNECTION, KEY, VERSION]);
    assert_eq!(accepted.as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

// The second of these is in RFC 6455 section 4.1, item 7: the unused bits of a key may have any value.
#[test]
fn a_key_is_any_value_that_decodes_to_16_bytes() {
    for last in ["EA==", "EC==", "EP==", "E/=="] {
        let key = format!("Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4P{last}");
        let accepted = accept("GET / HTTP/1.1", &[UPGRADE, CONNECTION, &key, VERSION]);
        assert!(accepted.is_ok(), "{key} {accepted:?}");
    }
}

// RFC 6455 section 4.2.1
#[test]
fn the_tokens_of_a_handshake_are_found_in_any_case_and_in_lists() {
    let variants: &[[&str; 2]] = &[
        ["UPGRADE: WebSocket", "connection: keep-alive, upgrade"],
        ["Upgrade: h2c, websocket", "Connection: Upgrade, HTTP2-Settings"],
        ["Upgrade: websocket\r\nUpgrade: h2c", "Connection: keep-alive\r\nConnection: UPGRADE"],
    ];
    for [upgrade, connection] in variants {
        let accepted = accept("GET / HTTP/1.1", &[upgrade, connection, KEY, VERSION]);
        assert!(accepted.is_ok(), "{upgrade:?} {connection:?} {accepted:?}");
    }
}

#[test]
fn an_invalid_handshake_is_refused_with_the_reason() {
    let get = "GET / HTTP/1.1";
    let table: &[(&str, &[&str], HandshakeError)] = &[
        (get, &[], NoUpgrade),
        (get, &[CONNECTION, KEY, VERSION], NoUpgrade),
        (get, &["Upgrade: h2c", CONNECTION, KEY, VERSION], NoUpgrade),
        (get, &["Upgrade: websocket/13", CONNECTION, KEY, VERSION], NoUpgrade),
        (get, &[UPGRADE, KEY, VERSION], NoUpgrade),
        (get, &[UPGRADE, "Connection: keep-alive", KEY, VERSION], NoUpgrade),
        ("POST / HTTP/1.1", &[UPGRADE, CONNECTION, KEY, VERSION], NoUpgrade),
        ("HEAD / HTTP/1.1", &[UPGRADE, CONNECTION, KEY, VERSION], NoUpgrade),
        // RFC 9110 section 7.8
        ("GET / HTTP/1.0", &[UPGRADE, CONNECTION, KEY, VERSION], NoUpgrade),
        // RFC 6455 section 4.4
        (get, &[UPGRADE, CONNECTION, KEY], Version),
        (get, &[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 8"], Version),
        (get, &[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 13, 8"], Version),
        (get, &[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 013"], Version),
        (get, &[UPGRADE, CONNECTION, KEY, VERSION, VERSION], Version),
        // RFC 6455 section 4.1, item 7
        (get, &[UPGRADE, CONNECTION, VERSION], Key),
        (get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key:"], Key),
        (get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"], Key),
        (get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: c2hvcnQ="], Key),
        (get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE="], Key),
        (get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25*ZQ=="], Key),
        (get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC="], Key),
        (get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC"], Key),
        (get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC==="], Key),
        (get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4P_C=="], Key),
        (get, &[UPGRADE, CONNECTION, VERSION, KEY, KEY], Key),
        (get, &[UPGRADE, CONNECTION, VERSION, KEY, "Content-Length: 5"], Body),
        (get, &[UPGRADE, CONNECTION, VERSION, KEY, "Transfer-Encoding: chunked"], Body),
    ];
    for (request_line, fields, expected) in table {
        assert_eq!(accept(request_line, fields), Err(*expected), "{request_line} {fields:?}");
    }
}
