//! Writes and bodies that are larger than any buffer between a handler and its client.

use std::iter;

use crate::support::wire::get;
use crate::support::{RoutesDir, TestServer, guest};

/// What the guest `letters` writes at once and returns, and how often.
const BYTES: usize = 1_000_000;
const TIMES: usize = 3;

/// The default of `buffer_size`.
const BUFFER_SIZE: usize = 16 * 1024;

fn letters() -> String {
    (b'a'..=b'y').cycle().take(BYTES).map(char::from).collect()
}

/// The route at `/letters`, and at `/paced` with a rate.
fn serve() -> TestServer {
    let paced = "path = \"/paced\"\nrate = 1000000000";
    TestServer::start(
        RoutesDir::new().with(guest::LETTERS).with_as("paced.wasm", guest::LETTERS).with_file("paced.toml", paced),
    )
}

#[test]
fn large_writes_and_a_large_body_are_in_chunks_of_the_buffer_size_to_fast_and_slow_clients() {
    let server = serve();
    let (letters, mut body) = (letters(), String::new());
    for piece in letters.as_bytes().chunks(BUFFER_SIZE) {
        let piece = str::from_utf8(piece).expect("letters are ASCII");
        body += &format!("{:x}\r\n{piece}\r\n", piece.len());
    }
    let expected = body.repeat(TIMES) + "0\r\n\r\n";
    for path in ["/letters", "/paced"] {
        for mut client in [server.connect(), server.connect_with_small_window()] {
            // Twice, as the connection lives.
            for _ in 0..2 {
                client.send(get(path));
                client.read_until("\r\n\r\n");
                assert!(client.read_exactly(expected.len()) == expected.as_bytes(), "{path}");
            }
        }
    }
}

#[test]
fn large_writes_and_a_large_body_end_with_the_connection_of_http_1_0() {
    let server = serve();
    let expected: String = iter::repeat_n(letters(), TIMES).collect();
    for path in ["/letters", "/paced"] {
        for mut client in [server.connect(), server.connect_with_small_window()] {
            client.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
            client.read_until("\r\n\r\n");
            assert!(client.read_to_end() == expected, "{path}");
        }
    }
}

#[test]
fn a_large_write_to_a_client_that_asks_for_the_head_alone_sends_no_more() {
    let server = serve();
    let mut client = server.connect();
    client.send("HEAD /letters HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
    client.read_until("\r\n\r\n");
    assert_eq!(client.read_to_end(), "");
}
