//! Proxies that name their clients: in `Forwarded` or `X-Forwarded-For`, for each request, and in the PROXY protocol, for each
//! connection. Then the client counts, and nobody else can say who it is.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use host::close_reason::CloseReason;
use host::config::ConnectionsPerClient;
use host::net::ForwardedField;

use crate::support::http2;
use crate::support::tls::TlsClient;
use crate::support::wire::{get_script, host_response_close};
use crate::support::{Client, End, Http2Client, Process, RoutesDir, TIMEOUT, TestServer, guest, host, run, text};

const SHORT: Duration = Duration::from_millis(200);

macro_rules! builder {
    ($proxies:expr, $forwarded:expr, $specs:expr, $routes:expr) => {{
        let proxies: Vec<_> = $proxies.iter().map(|proxy| proxy.parse().expect("it is a proxy")).collect();
        let builder = TestServer::builder($routes).config(|config| {
            (config.trusted_proxies, config.forwarded) = (proxies.into(), $forwarded);
        });
        $specs.iter().fold(builder, |builder, spec| builder.listen(spec))
    }};
}

/// A server that listens on `specs` and trusts these proxies.
fn behind(proxies: &[&str], forwarded: Option<ForwardedField>, specs: &[&str]) -> TestServer {
    builder!(proxies, forwarded, specs, RoutesDir::new().with(guest::SCRIPT)).start()
}

/// Asks whose request this is, with more fields.
fn whose(fields: &str) -> String {
    format!("GET /script?ask=peer&report HTTP/1.1\r\nHost: it\r\n{fields}\r\n")
}

#[track_caller]
fn is_from(client: &mut Client, peer: &str) {
    let body = format!("peer: {peer}\n");
    client.read_until("\r\n\r\n");
    client.expect(&format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
}

#[test]
fn one_connection_of_a_trusted_proxy_carries_requests_of_many_clients() {
    use ForwardedField::{Forwarded, XForwardedFor};
    let rows: [(ForwardedField, &str, &str); 9] = [
        (XForwardedFor, "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"),
        (XForwardedFor, "X-Forwarded-For: 198.51.100.9, 192.0.2.2\r\n", "192.0.2.2"),
        (XForwardedFor, "X-Forwarded-For: 198.51.100.9\r\nx-forwarded-for: 192.0.2.3, 127.0.0.9\r\n", "192.0.2.3"),
        (XForwardedFor, "X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7"),
        (XForwardedFor, "Forwarded: for=192.0.2.4\r\nX-Real-IP: 192.0.2.4\r\n", "127.0.0.1"),
        (XForwardedFor, "X-Forwarded-For: unknown\r\n", "127.0.0.1"),
        (XForwardedFor, "", "127.0.0.1"),
        (Forwarded, "Forwarded: for=\"[2001:db8::7]:80\";proto=https\r\n", "2001:db8::7"),
        (Forwarded, "X-Forwarded-For: 192.0.2.5\r\n", "127.0.0.1"),
    ];
    for field in [Forwarded, XForwardedFor] {
        for spec in ["127.0.0.1:0", "unix:$DIR/s"] {
            let server = behind(&["127.0.0.0/8", "unix"], Some(field), &[spec]);
            let mut client = server.connect();
            for (_, fields, peer) in rows.iter().filter(|(of, ..)| *of == field) {
                client.send(whose(fields));
                let of_connection = if spec.starts_with("unix") { "unix" } else { "127.0.0.1" };
                is_from(&mut client, if *peer == "127.0.0.1" { of_connection } else { peer });
            }
        }
    }
}

/// Asks for the scheme of this request, with more fields.
fn which_scheme(fields: &str) -> String {
    format!("GET /script?ask=scheme&report HTTP/1.1\r\nHost: it\r\n{fields}\r\n")
}

#[track_caller]
fn has_scheme(client: &mut Client, scheme: &str) {
    let body = format!("scheme: {scheme}\n");
    client.read_until("\r\n\r\n");
    client.expect(&format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
}

#[test]
fn a_trusted_proxy_says_the_scheme_of_each_request() {
    use ForwardedField::{Forwarded, XForwardedFor};
    let rows: [(ForwardedField, &str, &str); 9] = [
        (Forwarded, "Forwarded: for=192.0.2.1;proto=https\r\n", "https"),
        (Forwarded, "Forwarded: for=192.0.2.1\r\nX-Forwarded-Proto: https\r\n", "own"),
        (Forwarded, "Forwarded: for=192.0.2.1;proto=http, for=127.0.0.9;proto=https\r\n", "http"),
        (Forwarded, "Forwarded: proto=https\r\n", "own"),
        (XForwardedFor, "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n", "https"),
        (XForwardedFor, "X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n", "https"),
        (XForwardedFor, "X-Forwarded-Proto: https, http\r\n", "http"),
        (XForwardedFor, "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1;proto=https\r\n", "own"),
        (XForwardedFor, "", "own"),
    ];
    for field in [Forwarded, XForwardedFor] {
        let specs = ["127.0.0.1:0", "https://127.0.0.1:0"];
        let builder = builder!(["127.0.0.0/8"], Some(field), specs, RoutesDir::new().with(guest::SCRIPT));
        let server = builder.config(|config| config.forwarded_proto = field == XForwardedFor).start();
        for (listener, own) in [(0, "http"), (1, "https")] {
            let mut client = server.connect_to(listener);
            for (_, fields, scheme) in rows.iter().filter(|(of, ..)| *of == field) {
                client.send(which_scheme(fields));
                has_scheme(&mut client, if *scheme == "own" { own } else { scheme });
            }
        }
        let mut client = Http2Client::open(server.connect());
        let said = match field {
            Forwarded => ("forwarded", "for=192.0.2.1;proto=https"),
            XForwardedFor => ("x-forwarded-proto", "https"),
        };
        let head = http2::request("GET", "/script?ask=scheme&report");
        client.head(1, &[&head[..], &[said]].concat(), true);
        assert_eq!(client.body_of(1), "scheme: https");
        client.head(3, &head, true);
        assert_eq!(client.body_of(3), "scheme: http");
    }
}

#[test]
fn nobody_else_says_the_scheme_and_without_being_asked_for_it_x_forwarded_proto_says_nothing() {
    use ForwardedField::{Forwarded, XForwardedFor};
    let fields = "X-Forwarded-Proto: https\r\nForwarded: for=192.0.2.1;proto=https\r\nX-Forwarded-For: 192.0.2.1\r\n";
    for (proxy, forwarded, forwarded_proto) in [
        ("10.0.0.1", Some(Forwarded), false),
        ("10.0.0.1", Some(XForwardedFor), true),
        ("127.0.0.1", Some(XForwardedFor), false),
        ("127.0.0.1", None, true),
    ] {
        let builder = builder!([proxy], forwarded, ["127.0.0.1:0"], RoutesDir::new().with(guest::SCRIPT));
        let server = builder.config(|config| config.forwarded_proto = forwarded_proto).start();
        let mut client = server.connect();
        client.send(which_scheme(fields));
        has_scheme(&mut client, "http");
        let mut client = Http2Client::open(server.connect());
        let mut head = http2::request("GET", "/script?ask=scheme&report");
        head.iter_mut().filter(|(name, _)| *name == ":scheme").for_each(|(_, scheme)| *scheme = "https");
        client.head(1, &head, true);
        assert_eq!(client.body_of(1), "scheme: http", "anybody can write that");
    }
}

#[test]
fn nobody_else_names_a_client() {
    use ForwardedField::XForwardedFor;
    let fields = "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\n";
    for (proxies, forwarded) in
        [(&[][..], None), (&[][..], Some(XForwardedFor)), (&["10.0.0.0/8", "unix"][..], Some(XForwardedFor))]
    {
        let server = behind(proxies, forwarded, &["127.0.0.1:0"]);
        let mut client = server.connect();
        client.send(whose(fields));
        is_from(&mut client, "127.0.0.1");
    }
    let server = behind(&["0.0.0.0/0", "::/0"], Some(XForwardedFor), &["unix:$DIR/s"]);
    let mut client = server.connect();
    client.send(whose(fields));
    is_from(&mut client, "unix");
}

#[test]
fn a_rate_is_that_of_the_client_and_not_that_of_the_proxy() {
    let routes = || RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "rate = 10_000\nburst = 10_000");
    let server = builder!(["127.0.0.1"], Some(ForwardedField::XForwardedFor), ["127.0.0.1:0"], routes()).start();
    let ask = |number: usize| {
        let mut client = server.connect();
        client.send(format!(
            "GET /script?body-bytes=9000 HTTP/1.1\r\nHost: it\r\nX-Forwarded-For: 192.0.2.{number}\r\n\
             Connection: close\r\n\r\n"
        ));
        client
    };
    let start = Instant::now();
    (0..20).map(ask).collect::<Vec<_>>().iter_mut().for_each(|client| drop(client.read_to_end()));
    // With one rate for all, these would take 17 seconds.
    assert!(start.elapsed() < TIMEOUT);
    let start = Instant::now();
    (0..3).map(|_| ask(77)).collect::<Vec<_>>().iter_mut().for_each(|client| drop(client.read_to_end()));
    assert!(start.elapsed() > Duration::from_millis(1500), "the client has one rate: {:?}", start.elapsed());
}

#[test]
fn a_client_behind_a_proxy_has_as_many_requests_as_it_might_have_connections() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let builder = builder!(["127.0.0.1"], Some(ForwardedField::XForwardedFor), ["127.0.0.1:0"], routes);
    let two = ConnectionsPerClient::AtMost(NonZeroUsize::new(2).expect("it is not 0"));
    let server = builder.limits(|limits| limits.max_connections_per_client = two).start();
    let park = |from: &str| {
        let mut client = server.connect();
        client.send(format!("GET /script?write=1&manual HTTP/1.1\r\nHost: it\r\nX-Forwarded-For: {from}\r\n\r\n"));
        client.expect(ok_chunked!("1\r\n1\r\n"));
        client
    };
    let parked = [park("192.0.2.1"), park("192.0.2.1"), park("192.0.2.2")];
    let request = |from: &str| {
        format!("GET /script HTTP/1.1\r\nHost: it\r\nX-Forwarded-For: {from}\r\nConnection: close\r\n\r\n")
    };
    let refused = host_response_close(503, "there are too many requests from this address\n")
        .replace("Content-Length", "Retry-After: 1\r\nContent-Length");
    assert_eq!(server.exchange(request("192.0.2.1")), refused);
    assert!(server.exchange(request("192.0.2.2")).starts_with("HTTP/1.1 200 "));
    drop(parked);
    crate::support::wait_until("its places are free", || {
        server.exchange(request("192.0.2.1")).starts_with("HTTP/1.1 200 ")
    });
}

#[test]
fn the_access_log_names_the_client_and_the_proxy() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let arguments = ["--access-log", "text", "--trusted-proxy", "127.0.0.1", "--forwarded", "x-forwarded-for"];
    let process = Process::start(&routes, &arguments);
    let mut client = process.connect();
    client.send("GET /script?body=x HTTP/1.1\r\nHost: it\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
    client.read_until("0\r\n\r\n");
    client.send("no request\r\n\r\n");
    client.read_until_end();
    process.signal("TERM");
    let (_, printed) = process.wait();
    let lines: Vec<&str> = printed.lines().collect();
    assert!(
        lines[0].contains("Z 192.0.2.1 GET /script?body=x ") && lines[0].ends_with(" proxy=127.0.0.1"),
        "{printed}"
    );
    assert!(lines[1].contains("Z 127.0.0.1 - - - 400 ") && !lines[1].contains("proxy="), "{printed}");
}

const LINE: &str = "PROXY TCP4 192.0.2.1 198.51.100.1 40000 443\r\n";

/// A header of version 2 that names 192.0.2.1, or nobody.
fn binary(is_local: bool) -> Vec<u8> {
    let start = b"\r\n\r\n\0\r\nQUIT\n";
    match is_local {
        true => [&start[..], &[0x20, 0, 0, 0]].concat(),
        false => [&start[..], &[0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 1, 0x9c, 0x40, 1, 0xbb]].concat(),
    }
}

#[test]
fn the_proxy_protocol_names_the_client_of_a_connection() {
    let server = behind(&["127.0.0.1", "unix"], None, &["127.0.0.1:0,proxy=required", "unix:$DIR/s,proxy=required"]);
    for listener in [0, 1] {
        let own = if listener == 0 { "127.0.0.1" } else { "unix" };
        for (header, peer) in [
            (LINE.as_bytes().to_vec(), "192.0.2.1"),
            (binary(false), "192.0.2.1"),
            (binary(true), own),
            (b"PROXY UNKNOWN\r\n".to_vec(), own),
            (b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n".to_vec(), "2001:db8::7"),
        ] {
            let whole = [&header[..], whose("").as_bytes()].concat();
            let mut client = server.connect_to(listener);
            client.send(&whole);
            is_from(&mut client, peer);
            client.send(whose(""));
            is_from(&mut client, peer);
            let mut slow = server.connect_to(listener);
            for byte in &whole {
                slow.send([*byte]);
            }
            is_from(&mut slow, peer);
        }
    }
}

#[test]
fn the_header_of_the_proxy_protocol_stands_before_the_handshake_of_tls() {
    let server = behind(&["127.0.0.1"], None, &["https://127.0.0.1:0,proxy=required"]);
    let connect = || Client::connect(server.address());
    for (header, peer) in [
        (LINE.as_bytes().to_vec(), "192.0.2.1"),
        (binary(false), "192.0.2.1"),
        (binary(true), "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
    ] {
        let mut at_once = connect();
        at_once.send(&header);
        let mut slow = connect();
        for byte in &header {
            slow.send([*byte]);
        }
        for client in [at_once, slow] {
            let mut client = client.over_tls(TlsClient::new());
            for _ in 0..2 {
                client.send(whose(""));
                is_from(&mut client, peer);
            }
        }
    }
    // A handshake, a request and garbage without a header, and a header after the handshake has begun.
    let mut missing = connect().over_tls(TlsClient::new());
    assert!(missing.try_send(whose("")).is_err());
    for (number, wrong) in (2..).zip([whose("").as_bytes(), b"PROXY TCP4 192.0.2.1\r\n", b"\x16\x03\x01PROXY"]) {
        let mut client = connect();
        client.send(wrong);
        assert_eq!(client.read_until_end().0, "");
        assert_eq!(server.closed(CloseReason::NoProxyHeader), number);
    }
    // Behind a header, what is no TLS is told so, and a second header is none.
    let mut plain = connect();
    plain.send(format!("{LINE}{}", whose("")));
    assert!(plain.read_until_end().0.contains("this port speaks TLS: use https:// in place of http://"));
    let mut twice = connect();
    twice.send(format!("{LINE}{LINE}"));
    assert!(!twice.read_until_end().0.contains("200 OK"));
    let mut untrusted = Client::connect_from([127, 0, 0, 2].into(), server.address());
    untrusted.send(LINE);
    assert_eq!(untrusted.read_until_end().0, "");
    assert_eq!(server.closed(CloseReason::Untrusted), 1);
}

#[test]
fn a_client_that_stalls_within_the_header_or_behind_it_before_its_handshake_is_closed_in_time() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let builder = builder!(["127.0.0.1"], None, ["https://127.0.0.1:0,proxy=required"], routes);
    let server = builder.timeouts(|timeouts| timeouts.head = SHORT).start();
    for begun in ["", "PROXY TCP4 192.0.2.1 ", LINE] {
        let mut client = Client::connect(server.address());
        client.send(begun);
        assert_eq!(client.read_until_end().0, "", "{begun:?}");
    }
    assert_eq!((server.closed(CloseReason::HeadTimeout), server.closed(CloseReason::TlsHandshake)), (2, 1));
}

#[test]
fn a_connection_without_a_header_from_a_trusted_proxy_is_closed_without_a_byte() {
    let server = behind(&["127.0.0.2"], None, &["127.0.0.1:0,proxy=required"]);
    let mut client = server.connect();
    client.send(format!("{LINE}{}", whose("")));
    assert_eq!(client.read_until_end().0, "");
    assert_eq!(server.closed(CloseReason::Untrusted), 1);
    let trusted = || Client::connect_from([127, 0, 0, 2].into(), server.address());
    let wrong = [whose(""), "PROXY TCP4 192.0.2.1\r\n".to_owned(), "\u{16}\u{3}\u{1}".to_owned(), "PROXY ".repeat(20)];
    for (number, bytes) in (1..).zip(wrong) {
        let mut client = trusted();
        client.send(bytes);
        assert_eq!(client.read_until_end().0, "");
        assert_eq!(server.closed(CloseReason::NoProxyHeader), number);
    }
    let mut client = trusted();
    client.half_close();
    crate::support::wait_until("it is closed", || server.closed(CloseReason::NoProxyHeader) == 5);
    drop(client);
    let mut client = trusted();
    client.send(format!("{LINE}{}", whose("")));
    is_from(&mut client, "192.0.2.1");
}

#[test]
fn a_header_that_does_not_come_in_time_ends_the_connection() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let builder = builder!(["127.0.0.1"], None, ["127.0.0.1:0,proxy=required"], routes);
    let server = builder.timeouts(|timeouts| timeouts.head = SHORT).start();
    for begun in ["", "P", "PROXY TCP4 192.0.2.1 "] {
        let mut client = server.connect();
        client.send(begun);
        assert_eq!(client.read_until_end().0, "");
    }
    assert_eq!(server.closed(CloseReason::HeadTimeout), 3);
}

#[test]
fn a_server_that_stops_waits_for_no_header() {
    let server = behind(&["127.0.0.1"], None, &["127.0.0.1:0,proxy=required"]);
    let mut client = server.connect();
    client.send("PROXY ");
    let start = Instant::now();
    server.stop();
    server.join();
    assert!(start.elapsed() < TIMEOUT);
    assert_eq!(client.read_until_end().0, "");
}

#[test]
fn the_clients_of_the_proxy_protocol_are_bounded_each() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let builder = builder!(["127.0.0.1"], None, ["127.0.0.1:0,proxy=required"], routes);
    let one = ConnectionsPerClient::AtMost(NonZeroUsize::MIN);
    let server = builder.limits(|limits| limits.max_connections_per_client = one).start();
    let busy = |line: &str| {
        let mut client = server.connect();
        client.send(format!("{line}{}", get_script("write=1&manual")));
        client
    };
    let mut first = busy(LINE);
    first.expect(ok_chunked!("1\r\n1\r\n"));
    let (answer, end) = busy(LINE).read_until_end();
    assert!(answer.starts_with("HTTP/1.1 503 ") && end == End::Closed, "{answer}");
    busy("PROXY TCP4 192.0.2.2 198.51.100.1 1 2\r\n").expect(ok_chunked!("1\r\n1\r\n"));
}

#[test]
fn both_ways_may_be_combined_and_the_plain_listener_beside_takes_no_header() {
    let proxies = ["127.0.0.1", "192.0.2.1"];
    let specs = ["127.0.0.1:0,proxy=required", "127.0.0.1:0"];
    let server = behind(&proxies, Some(ForwardedField::XForwardedFor), &specs);
    let mut client = server.connect();
    client.send(format!("{LINE}{}", whose("X-Forwarded-For: 198.51.100.7\r\n")));
    is_from(&mut client, "198.51.100.7");
    let mut client = server.connect_to(1);
    client.send(format!("{LINE}{}", whose("")));
    assert!(client.read_to_end().starts_with("HTTP/1.1 400 "));
}

#[test]
fn flags_that_would_do_nothing_are_refused() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let rows: [(&[&str], &str); 6] = [
        (
            &["--trusted-proxy", "10.0.0.1"],
            "error: --trusted-proxy needs --forwarded FIELD, or a --listen ADDR,proxy=required, to say how proxies name their \
             clients\n",
        ),
        (
            &["--listen", "127.0.0.1:0,proxy=required"],
            "error: `--listen 127.0.0.1:0,proxy=required` takes clients from trusted proxies alone; name those with \
             --trusted-proxy\n",
        ),
        (
            &["--forwarded", "forwarded"],
            "error: the following required arguments were not provided:\n  --trusted-proxy <CIDR>",
        ),
        (
            &["--trusted-proxy", "10.0.0.1", "--forwarded", "x-real-ip"],
            "error: invalid value 'x-real-ip' for '--forwarded <FIELD>': expected `forwarded` or `x-forwarded-for`\n",
        ),
        (
            &["--trusted-proxy", "example.org"],
            "error: invalid value 'example.org' for '--trusted-proxy <CIDR>': is no network; write it as in 10.1.0.0/16 or \
             fd00::/8, or unix\n",
        ),
        (
            &["--trusted-proxy", "10.1.2.3/8"],
            "error: invalid value '10.1.2.3/8' for '--trusted-proxy <CIDR>': has an address that does not start its network; \
             the network of 10.1.2.3/16 is 10.1.0.0/16, or unix\n",
        ),
    ];
    for (arguments, error) in rows {
        let output = run(host(&["run", "--listen", "127.0.0.1:0"]).arg("--routes").arg(routes.path()).args(arguments));
        let printed = text(&output.stderr);
        assert!(printed.starts_with(error), "{printed}");
        assert_eq!(output.status.code(), Some(2));
    }
}
