use super::*;

const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

// RFC 6455 section 4.2.2
#[test]
fn a_101_has_what_the_handler_set_but_what_frames_a_body_or_answers_another_key() {
    let fields = [
        ("Sec-WebSocket-Protocol", "chat"),
        ("Sec-WebSocket-Accept", "forged"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ("Content-Length", "5"),
    ];
    let mut calls = vec![Call::Status(404)];
    calls.extend(fields.map(|(name, value)| Call::Field(name, value)));
    let mut response = made(&options(), &calls);
    assert_eq!(response.switch_to_websocket(ACCEPT, DATE), Ok(()));
    let expected = "HTTP/1.1 101 Switching Protocols\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
        Sec-WebSocket-Protocol: chat\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        Connection: Upgrade\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(response.output()), expected);
    assert!(response.is_over() && !response.is_truncated() && !keeps_alive(&response));
    assert_eq!(response.write(b"late", DATE), Err(ResponseError::Closed));
    assert_eq!(response.set_status(200), Err(ResponseError::Closed));
}

#[test]
fn what_was_begun_cannot_become_a_websocket() {
    let mut begun = made(&options(), &[Call::Write("a")]);
    assert_eq!(begun.switch_to_websocket(ACCEPT, DATE), Err(ResponseError::HeadSent));
    let mut over = made(&options(), &[Call::Body("a")]);
    assert_eq!(over.switch_to_websocket(ACCEPT, DATE), Err(ResponseError::Closed));
}

// RFC 9110 section 15.5.22
#[test]
fn a_426_says_what_to_upgrade_to() {
    let connections = [
        (Http11, true, "Connection: Upgrade\r\n"),
        (Http11, false, "Connection: close, Upgrade\r\n"),
        (Http10, true, "Connection: keep-alive, Upgrade\r\n"),
        (Http10, false, "Connection: close, Upgrade\r\n"),
    ];
    for (version, keep_alive, connection) in connections {
        let options = TestOptions { version, keep_alive, ..options() };
        let response = made(&options, &[Call::Status(426), Call::Body("")]);
        let head = String::from_utf8_lossy(response.output()).into_owned();
        assert!(head.contains("\r\nUpgrade: websocket\r\n") && head.contains(connection), "{head}");
    }
}
