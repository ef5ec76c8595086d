//! HTTP/2 within TLS.

use crate::support::{Http2Client, RoutesDir, TestServer, guest};

fn server() -> TestServer {
    TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).tls().start()
}

/// The fields of a GET for a host.
fn get<'r>(authority: &'r str, target: &'r str) -> Vec<(&'r str, &'r str)> {
    vec![(":method", "GET"), (":scheme", "https"), (":authority", authority), (":path", target)]
}

#[test]
fn a_handler_learns_that_a_request_is_encrypted() {
    let server = server();
    let mut client = Http2Client::open(server.connect());
    client.head(1, &get("it", "/script?ask=scheme&ask=protocol&report"), true);
    assert_eq!(client.body_of(1), "scheme: https\nprotocol: HTTP/2");
}

#[test]
fn a_request_for_a_host_that_the_certificate_is_not_for_is_misdirected() {
    let server = server();
    let mut client = Http2Client::open(server.connect());
    client.head(1, &get("other.example", "/script?body=a"), true);
    assert!(client.until_end_of(1)[0].starts_with("HEADERS 1 :status=421 "));
    client.head(3, &[(":method", "GET"), (":scheme", "http"), (":authority", "it"), (":path", "/script")], true);
    assert!(client.until_end_of(3)[0].starts_with("HEADERS 3 :status=421 "));
    client.expect_answer_to_ping();
}
