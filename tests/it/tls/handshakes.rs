//! Handshakes: who is served, who is told what is wrong, and what a stalled one may cost.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use host::close_reason::CloseReason;
use rustls::HandshakeKind;

use crate::support::tls::{CERTIFICATE, TlsClient, VERSIONS, config, openssl};
use crate::support::wire::{HELLO_RESPONSE, HELLO_RESPONSE_CLOSE, get_and_close, host_response_close};
use crate::support::{Client, RoutesDir, TestServer, guest, log, skip, wait_until};

const GET: &str = get!("/hello");

/// The beginning of a ClientHello.
const HALF_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

fn hello() -> RoutesDir {
    RoutesDir::new().with(guest::HELLO)
}

fn serve() -> TestServer {
    TestServer::builder(hello()).tls().start()
}

/// A client that speaks bytes.
fn raw(server: &TestServer) -> Client {
    Client::connect(server.address())
}

fn certificate() -> rustls::pki_types::CertificateDer<'static> {
    CERTIFICATE.certificate().expect("there is one")
}

#[test]
fn clients_of_both_versions_are_served_and_keep_their_connection() {
    let server = serve();
    for version in VERSIONS {
        let mut client = raw(&server).over_tls(TlsClient::with(config(certificate(), &[version]), "it"));
        for _ in 0..3 {
            client.send(GET);
            client.expect(HELLO_RESPONSE);
        }
        client.send(get_and_close("/hello"));
        assert_eq!(client.read_to_end(), HELLO_RESPONSE_CLOSE, "{version:?}");
        assert!(client.tls().is_closed_by_server(), "{version:?}");
        assert_eq!(client.tls().connection().alpn_protocol(), Some(&b"http/1.1"[..]));
    }
}

#[test]
fn a_client_that_comes_back_resumes() {
    let server = serve();
    for version in VERSIONS {
        let config = config(certificate(), &[version]);
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
            let mut client = raw(&server).over_tls(TlsClient::with(config.clone(), "it"));
            client.send(GET);
            client.expect(HELLO_RESPONSE);
            let connection = client.tls().connection();
            assert_eq!(connection.handshake_kind(), Some(kind), "{version:?}");
        }
    }
}

#[test]
fn a_client_without_alpn_is_served_and_one_that_wants_another_protocol_is_told() {
    let server = serve();
    let mut without = (*config(certificate(), &VERSIONS)).clone();
    without.alpn_protocols.clear();
    let mut client = raw(&server).over_tls(TlsClient::with(Arc::new(without.clone()), "it"));
    client.send(GET);
    client.expect(HELLO_RESPONSE);

    without.alpn_protocols = vec![b"gopher".to_vec()];
    let mut client = raw(&server).over_tls(TlsClient::with(Arc::new(without), "it"));
    let error = client.try_send(GET).expect_err("there is no common protocol");
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

#[test]
fn a_request_without_tls_is_told_that_the_port_speaks_tls() {
    let server = serve();
    let told = host_response_close(400, "this port speaks TLS: use https:// in place of http://\n");
    for request in [GET, get_and_close!("/hello"), "GET", "POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n"] {
        assert_eq!(raw(&server).exchange(request), told, "{request}");
    }
    assert_eq!(server.closed(CloseReason::TlsHandshake), 4);
}

#[test]
fn a_handshake_where_nothing_speaks_tls_gets_a_fatal_alert() {
    let server = TestServer::builder(hello()).listen("http://127.0.0.1:0").start();
    let mut client = raw(&server).over_tls(TlsClient::new());
    let error = client.try_send(GET).expect_err("it does not speak TLS");
    assert!(error.to_string().contains("HandshakeFailure"), "{error}");
    wait_until("it is counted", || server.closed(CloseReason::TlsHandshake) == 1);
    assert_eq!(server.get("/hello"), HELLO_RESPONSE_CLOSE);
}

#[test]
fn what_is_no_handshake_ends_its_connection_and_harms_nobody() {
    let server = serve();
    for bytes in [
        &b"\x16\x03\x01\x00\x05hello"[..],
        b"\x16\x03\x01\xff\xff",
        b"\x80\x2e\x01\x00\x02",
        &[0; 100],
        &[0xff; 100_000],
    ] {
        let mut client = raw(&server);
        // The server may have closed before all is sent.
        let _ = client.try_send(bytes);
        client.half_close_without_tls();
        while matches!(client.read_some(), Ok(1..)) {}
        assert_eq!(server.get("/hello"), HELLO_RESPONSE_CLOSE);
    }
}

#[test]
fn a_client_that_breaks_the_protocol_after_its_handshake_is_closed_with_an_alert() {
    let server = serve();
    let mut client = raw(&server).over_tls(TlsClient::new());
    client.send(GET);
    client.expect(HELLO_RESPONSE);
    // A record that nobody has encrypted.
    client.send_without_tls(b"\x17\x03\x03\x00\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    let error = client.read_some().expect_err("it is no end");
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
}

#[test]
fn a_stalled_handshake_ends_at_the_timeout_for_heads() {
    let server =
        TestServer::builder(hello()).tls().timeouts(|timeouts| timeouts.head = Duration::from_millis(300)).start();
    for begun in [&b""[..], b"\x16", HALF_HELLO] {
        let before = server.closed(CloseReason::TlsHandshake);
        let mut client = raw(&server);
        client.send(begun);
        while matches!(client.read_some(), Ok(1..)) {}
        assert_eq!(server.closed(CloseReason::TlsHandshake), before + 1, "{begun:?}");
    }
}

#[test]
fn past_the_bound_a_handshake_waits_until_a_stalled_one_is_given_up() {
    let server =
        TestServer::builder(hello()).tls().limits(|limits| limits.handshakes = std::num::NonZeroUsize::MIN).start();
    let mut open = server.connect();
    open.send(GET);
    open.expect(HELLO_RESPONSE);
    let mut stalled = raw(&server);
    stalled.send(HALF_HELLO);
    // Open connections are not affected, and a new one is served once the stalled handshake is closed.
    open.send(GET);
    open.expect(HELLO_RESPONSE);
    assert_eq!(server.get("/hello"), HELLO_RESPONSE_CLOSE);
    while matches!(stalled.read_some(), Ok(1..)) {}
    assert_eq!(server.closed(CloseReason::TlsHandshake), 1);
}

#[test]
fn a_crowd_of_stalled_handshakes_delays_no_open_connection_and_not_for_long_a_new_one() {
    let server = serve();
    let mut open = server.connect();
    open.send(GET);
    open.expect(HELLO_RESPONSE);
    let stalled: Vec<Client> = (0..100)
        .map(|index| {
            let mut client = raw(&server);
            client.send(if index % 2 == 0 { HALF_HELLO } else { b"\x16" });
            client
        })
        .collect();
    for _ in 0..10 {
        open.send(GET);
        open.expect(HELLO_RESPONSE);
    }
    assert_eq!(server.get("/hello"), HELLO_RESPONSE_CLOSE);
    drop(stalled);
}

#[test]
fn a_server_that_stops_does_not_wait_for_handshakes_that_stall() {
    let server = TestServer::builder(hello())
        .tls()
        .timeouts(|timeouts| timeouts.drain_request = Duration::from_millis(100))
        .start();
    let (mut silent, mut stalled) = (raw(&server), raw(&server));
    stalled.send(HALF_HELLO);
    let mut open = server.connect();
    open.send(GET);
    open.expect(HELLO_RESPONSE);
    server.stop();
    for client in [&mut silent, &mut stalled, &mut open] {
        while matches!(client.read_some(), Ok(1..)) {}
    }
    assert!(open.tls().is_closed_by_server());
    server.join();
}

#[test]
fn a_connection_past_the_limit_is_closed_without_a_handshake() {
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT))
        .tls()
        .limits(|limits| limits.max_connections = 1)
        .start();
    let _parked = server.park("write=a", ok_chunked!("1\r\na\r\n"));
    let mut refused = server.connect();
    let error = refused.try_send(GET).expect_err("there is no room");
    assert!(!error.to_string().is_empty());
}

#[test]
fn openssl_agrees_and_may_not_renegotiate() {
    let server = serve();
    let address = server.address().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let arguments = ["s_client", "-quiet", "-connect", &address, version, "-servername", "it"];
        let Some(printed) = openssl(&arguments, get_and_close!("/hello")) else { return skip("there is no openssl") };
        assert!(printed.starts_with("HTTP/1.1 200 OK\r\n"), "{version}: {printed}");
    }
    for version in ["-tls1", "-tls1_1", "-ssl3"] {
        let printed = openssl(&["s_client", "-quiet", "-connect", &address, version], GET).expect("there is openssl");
        assert_eq!(printed, "", "{version} is not offered");
    }
    // `R` at the start of a line renegotiates.
    let printed = openssl(&["s_client", "-connect", &address, "-tls1_2", "-servername", "it"], "R\n");
    assert!(!printed.expect("there is openssl").contains("HTTP/1.1 200"));
    assert_eq!(server.get("/hello"), HELLO_RESPONSE_CLOSE);
}

#[test]
fn a_failed_handshake_is_in_the_debug_log() {
    let server = serve();
    let mut client = raw(&server);
    client.send(b"\x16\x03\x01\x00\x05hello");
    while matches!(client.read_some(), Ok(1..)) {}
    log().wait_for(&["TLS handshake failed"]);
    let _ = TcpStream::connect(server.address());
}
