//! Tables of outcomes: what a handler does, what goes over the wire, and what becomes of the connection.

use super::{End, TestServer};

/// A response of the status 200 with the usual head: its last fields, and its body as it is framed.
macro_rules! ok {
    ($fields:literal, $body:literal) => {
        concat!("HTTP/1.1 200 OK\r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\n", $fields, "\r\n", $body)
    };
}
pub(crate) use ok;

/// A chunked response of the status 200 and another type than usual: the field of that, and the body in its chunks.
macro_rules! typed {
    ($content_type:literal, $body:literal) => {
        concat!("HTTP/1.1 200 OK\r\nDate: <date>\r\n", $content_type, "\r\nTransfer-Encoding: chunked\r\n\r\n", $body)
    };
}
pub(crate) use typed;

/// One row: the commands of the guest `script`, all that is sent for them, and what becomes of the connection.
pub type Case<'t> = (&'t str, &'t str, Then);

/// What becomes of the connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Another request on it is answered.
    Lives,
    /// The server closes it.
    Closes,
    /// The server resets it.
    Resets,
}

/// The answer of a handler that failed before its head was sent.
pub const FAILED: &str = "HTTP/1.1 500 Internal Server Error\r\nDate: <date>\r\nContent-Type: text/plain; \
    charset=utf-8\r\nContent-Length: 22\r\n\r\nInternal Server Error\n";

const NEXT: &str = "GET /script?body=next HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
const NEXT_RESPONSE: &str = ok!("Transfer-Encoding: chunked\r\nConnection: close\r\n", "4\r\nnext\r\n0\r\n\r\n");

/// Sends `request`, with the commands of each case in place of its `{}`, on a connection for each case. The server
/// has the guest `script` at `/script` with the usual options.
#[track_caller]
pub fn check(server: &TestServer, request: &str, cases: &[Case]) {
    for (commands, response, then) in cases {
        let mut client = server.connect();
        client.send(request.replace("{}", commands));
        let (sent, end) = match then {
            Then::Lives => {
                client.expect(response);
                client.send(NEXT);
                client.read_until_end()
            }
            Then::Closes | Then::Resets => client.read_until_end(),
        };
        let expected = match then {
            Then::Lives => (NEXT_RESPONSE, End::Closed),
            Then::Closes => (*response, End::Closed),
            Then::Resets => (*response, End::Reset),
        };
        assert_eq!((sent.as_str(), end), expected, "after {commands:?}");
    }
}
