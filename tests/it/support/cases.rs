//! Tables of outcomes: what a handler does, what goes over the wire, and what becomes of the connection.

use super::{End, TestServer};

/// One row: the commands of the guest `script`, all that is sent for them, and what becomes of the connection.
pub type Case<'t> = (&'t str, &'t str, Connection);

/// What becomes of the connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Another request on it is answered.
    KeepAlive,
    /// The server closes it.
    Close,
    /// The server resets it.
    Reset,
}

const NEXT: &str = get_and_close!("/script?body=next");
const NEXT_RESPONSE: &str = ok_chunked_close!("4\r\nnext\r\n0\r\n\r\n");

/// Sends `request`, with the commands of each case in place of its `{}`, on a connection for each case. The server
/// has the guest `script` at `/script` with the usual options.
#[track_caller]
pub fn check(server: &TestServer, request: &str, cases: &[Case]) {
    check_before(server, request, cases, (NEXT, NEXT_RESPONSE));
}

/// The same on a server that has something else: a request that ends its connection, and what it answers.
#[track_caller]
pub fn check_before(server: &TestServer, request: &str, cases: &[Case], (next, next_response): (&str, &str)) {
    for (commands, response, then) in cases {
        let mut client = server.connect();
        client.send(request.replace("{}", commands));
        let (sent, end) = match then {
            Connection::KeepAlive => {
                client.expect(response);
                client.send(next);
                client.read_until_end()
            }
            Connection::Close | Connection::Reset => client.read_until_end(),
        };
        let expected = match then {
            Connection::KeepAlive => (next_response, End::Closed),
            Connection::Close => (*response, End::Closed),
            Connection::Reset => (*response, End::Reset),
        };
        assert_eq!((sent.as_str(), end), expected, "after {commands:?}");
    }
}
