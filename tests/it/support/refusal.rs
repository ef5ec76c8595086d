//! Tables of requests that are refused: the whole answer of each, and that nothing behind it is served.

use super::wire::host_response_close;
use super::{End, TestServer};

/// One row: the section of the RFC, the request, and the status that it is refused with.
pub type Refused<'t> = (&'t str, &'t [u8], u16);

const GOOD: &str = get!("/script?body=good");
const GOOD_RESPONSE: &str = ok_chunked!("4\r\ngood\r\n0\r\n\r\n");

/// Sends each request between two good ones, in one piece. The first is answered, the request is refused with a
/// whole response that says `close`, nothing behind it is answered, and the connection is closed without a reset. So
/// is the same request by HEAD, but for the body of its answer (RFC 9110 section 9.3.2).
///
/// The server has the guest `script` at `/script`.
#[track_caller]
pub fn refuse(server: &TestServer, rows: &[Refused]) {
    for (section, request, status) in rows {
        let row = format!("section {section}: {}", request.escape_ascii());
        let answer = answer(server, request, &row);
        let (head, text) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{row}: {answer:?}"));
        assert_eq!(answer, host_response_close(*status, text), "{row}");
        assert!(text.ends_with('\n'), "{row}: {text:?}");
        for method in ["GET ", "POST "] {
            if let Some(rest) = request.strip_prefix(method.as_bytes()) {
                let request = [b"HEAD ", rest].concat();
                assert_eq!(self::answer(server, &request, &row), head.to_owned() + "\r\n\r\n", "HEAD, {row}");
            }
        }
    }
}

/// What is sent behind the answer to a good request.
#[track_caller]
fn answer(server: &TestServer, request: &[u8], row: &str) -> String {
    let mut client = server.connect();
    client.send([GOOD.as_bytes(), request, GOOD.as_bytes()].concat());
    let (sent, end) = client.read_until_end();
    assert_eq!(end, End::Closed, "{row}: {sent:?}");
    let answer = sent.strip_prefix(GOOD_RESPONSE).unwrap_or_else(|| panic!("{row}: {sent:?}"));
    answer.to_owned()
}
