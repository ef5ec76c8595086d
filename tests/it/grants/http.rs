//! Requests to other servers: `http` of `[grant]`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use artifacts::Guest;

use crate::support::{Process, RoutesDir, TIMEOUT, TestServer, guest, log};

const OK: &[u8] = b"HTTP/1.1 200 x\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok";

/// A server that gives each connection to a function, in a thread of its own.
struct Upstream {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    fn new(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let (connections, serve) = (Arc::new(AtomicUsize::new(0)), Arc::new(serve));
        let count = connections.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                let serve = serve.clone();
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { port, connections }
    }

    /// Answers each request of a connection.
    fn answering(answer: &'static [u8]) -> Self {
        Self::new(move |mut stream| while head(&mut stream).is_some() && stream.write_all(answer).is_ok() {})
    }

    /// Reads one request in the chunked coding, and answers how many `x` were in its body.
    fn counting() -> Self {
        Self::new(|mut stream| {
            let Some(head) = head(&mut stream) else { return };
            assert!(head.contains("transfer-encoding: chunked"), "{head}");
            let mut body = Vec::new();
            while !body.ends_with(b"\r\n0\r\n\r\n") {
                let mut piece = [0; 4096];
                let Ok(length @ 1..) = stream.read(&mut piece) else { return };
                body.extend_from_slice(&piece[..length]);
            }
            let sent = body.iter().filter(|byte| **byte == b'x').count().to_string();
            let _ = write!(stream, "HTTP/1.1 200 x\r\nContent-Length: {}\r\n\r\n{sent}", sent.len());
        })
    }

    /// Never answers, and says when a connection has ended.
    fn silent() -> (Self, mpsc::Receiver<()>) {
        let (ended, ends) = mpsc::channel();
        let upstream = Self::new(move |mut stream| {
            while matches!(stream.read(&mut [0; 1024]), Ok(1..)) {}
            let _ = ended.send(());
        });
        (upstream, ends)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn grant(&self) -> String {
        format!("[grant]\nhttp = ['{}']\n", self.url())
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// The head of a request.
fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn routes(guest: Guest, file: &str) -> RoutesDir {
    RoutesDir::new().with_as("calls.wasm", guest).with_file("calls.toml", &format!("path = '/calls'\n{file}"))
}

fn serve(file: &str) -> TestServer {
    serve_guest(guest::CALLS, file)
}

fn serve_guest(guest: Guest, file: &str) -> TestServer {
    let server = TestServer::builder(routes(guest, file)).workers(NonZeroUsize::MIN).start();
    assert_eq!(server.diagnostics(), []);
    server
}

/// What a response reports.
fn report(response: &str) -> String {
    let (head, body) = response.split_once("\r\n\r\n").expect("a response has a head");
    assert!(head.starts_with("HTTP/1.1 200 "), "{response}");
    let (_, body) = body.split_once("\r\n").expect("a chunk has a length");
    body.split_once("\r\n0\r\n").map_or("", |(report, _)| report).to_owned()
}

#[test]
fn a_granted_server_is_called_and_its_response_read() {
    let upstream = Upstream::new(|mut stream| {
        while let Some(head) = head(&mut stream) {
            let answer = format!(
                "HTTP/1.1 201 x\r\nX-Request: {}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n3\r\nyou\r\n0\r\nx-t: 1\r\n\r\n",
                head.replace("\r\n", "|")
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let url = upstream.url();
    let steps = format!("/calls?get={url}/a&POST={url}/b/c&field=X-Y:z&send&head=x-REQUEST&some=4&rest&trailers");
    for (guest, framing, trailers) in [
        (guest::CALLS, "content-length: 0|host: 127.0.0.1:PORT", "[(\"x-t\", [49])]"),
        (guest::CALLS_WASI, "host: 127.0.0.1:PORT|transfer-encoding: chunked", "[(\"x-t\", [49])]"),
    ] {
        let server = serve_guest(guest, &upstream.grant());
        let framing = framing.replace("PORT", &upstream.port.to_string());
        let answer = server.get(&steps);
        let report = report(&answer);
        let mut lines = report.lines();
        assert_eq!(lines.next(), Some("get: 201 Helloyou"));
        assert_eq!(lines.next(), Some("send: 201"));
        let mut sent: Vec<&str> = lines.next().unwrap_or_default().trim_end_matches('|').split('|').collect();
        assert_eq!(sent.remove(0), "head: POST /b/c HTTP/1.1");
        sent.sort_unstable();
        assert_eq!(sent.join("|"), format!("{framing}|x-y: z"), "{guest}");
        let rest = format!("some: Hell\nrest: 4\ntrailers: {trailers}");
        assert_eq!(lines.collect::<Vec<_>>().join("\n"), rest, "{guest}");
    }
}

#[test]
fn without_a_grant_a_request_is_denied_and_the_log_has_the_line_that_would_allow_it() {
    let upstream = Upstream::answering(OK);
    let server = serve("");
    assert_eq!(report(&server.get(&format!("/calls?get={}", upstream.url()))), "get: denied\n");
    log().wait_for(&[
        "handler calls was denied a request to",
        &format!("write `http = [\"{}\"]` into `[grant]` of calls.toml", upstream.url()),
    ]);
    let server = serve("[grant]\nhttp = ['http://other.example']\n");
    assert_eq!(report(&server.get(&format!("/calls?get={}", upstream.url()))), "get: denied\n");
    log().wait_for(&[&format!("add `\"{}\"` to `http` in `[grant]` of calls.toml", upstream.url())]);
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_name_that_leads_to_this_machine_is_prohibited_unless_its_network_is_granted() {
    let upstream = Upstream::answering(OK);
    let url = format!("http://localhost:{}", upstream.port);
    let server = serve(&format!("[grant]\nhttp = ['{url}']\n"));
    assert_eq!(report(&server.get(&format!("/calls?get={url}"))), "get: address-prohibited\n");
    log().wait_for(&["handler calls could not call", "which is not of the public internet"]);
    let private = "[grant.http-limits]\nprivate = ['127.0.0.0/8']\n";
    let server = serve(&format!("[grant]\nhttp = ['{url}']\n{private}"));
    assert_eq!(report(&server.get(&format!("/calls?get={url}"))), "get: 200 ok\n");
}

#[test]
fn requests_that_cannot_be_sent_are_invalid() {
    let upstream = Upstream::answering(OK);
    let server = serve(&upstream.grant());
    for url in ["ftp://127.0.0.1/", "127.0.0.1", "http://user@127.0.0.1/", "http://2130706433/", "http:///"] {
        assert_eq!(report(&server.get(&format!("/calls?get={url}"))), "get: invalid\n", "{url}");
    }
    let url = upstream.url();
    for steps in ["field=host:x", "field=connection:x", "field=transfer-encoding:x", "field=a%20b:x", "field=a:x%0Dy"] {
        let line = report(&server.get(&format!("/calls?GET={url}&{steps}&send")));
        assert_eq!(line, "field: invalid\n", "{steps}");
    }
    for method in ["CONNECT", "A%20B"] {
        assert_eq!(report(&server.get(&format!("/calls?{method}={url}&send"))), "send: invalid\n");
    }
    let steps = format!("/calls?POST={url}&field=content-length:3&write=four&send");
    assert_eq!(report(&server.get(&steps)), "send: invalid\n");
}

#[test]
fn a_large_body_is_streamed() {
    let upstream = Upstream::counting();
    let server = serve(&upstream.grant());
    let steps = format!("/calls?POST={}&write-bytes=1000000&write-bytes=2000000&write=xx&send&some=99", upstream.url());
    assert_eq!(report(&server.get(&steps)), "send: 200\nsome: 3000002\n");
}

#[test]
fn requests_of_a_route_share_connections_and_those_of_two_routes_never_do() {
    let upstream = Upstream::answering(OK);
    let file = upstream.grant();
    let routes = routes(guest::CALLS, &file)
        .with_as("other.wasm", guest::CALLS)
        .with_file("other.toml", &format!("path = '/other'\n{file}"));
    let server = TestServer::builder(routes).workers(NonZeroUsize::MIN).start();
    for _ in 0..100 {
        for path in ["/calls", "/other"] {
            let response = server.get(&format!("{path}?get={}", upstream.url()));
            assert_eq!(report(&response), "get: 200 ok\n");
        }
    }
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn the_limits_of_the_grant_are_kept() {
    let (silent, _ends) = Upstream::silent();
    let slow = Upstream::answering(b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nsome");
    let cases = [
        ("first_byte_timeout = 0.05", &silent, "get=", "get: timeout\n"),
        ("between_bytes_timeout = 0.05", &slow, "get=", "get: timeout\n"),
        ("max_response = 8", &slow, "get=", "get: too-large\n"),
        ("concurrency = 2", &slow, "held=2:", "held: 2\n"),
        ("concurrency = 2\nconnect_timeout = 0.05", &slow, "held=3:", "held: timeout\n"),
        ("connections = 2\nconnect_timeout = 0.05", &slow, "held=3:", "held: timeout\n"),
    ];
    for (limit, upstream, step, expected) in cases {
        let server = serve(&format!("{}[grant.http-limits]\n{limit}\n", upstream.grant()));
        let response = server.get(&format!("/calls?{step}{}", upstream.url()));
        assert_eq!(report(&response), expected, "{limit}");
    }
    let server = serve(&silent.grant());
    let response = server.get(&format!("/calls?GET={}&first-byte=50&send", silent.url()));
    assert_eq!(report(&response), "send: timeout\n");
}

#[test]
fn no_connection_outlives_the_timeout_of_its_invocation() {
    let (upstream, ends) = Upstream::silent();
    let server = serve(&format!("timeout = 0.2\n{}", upstream.grant()));
    let response = server.get(&format!("/calls?get={}", upstream.url()));
    assert!(response.starts_with("HTTP/1.1 504 "), "{response}");
    ends.recv_timeout(TIMEOUT).expect("the connection is closed");
}

#[test]
fn a_client_that_goes_ends_the_connection_to_the_other_server() {
    let (upstream, ends) = Upstream::silent();
    let routes = routes(guest::CALLS, &upstream.grant());
    let server = TestServer::builder(routes).timeouts(|timeouts| timeouts.grace = Duration::from_millis(50)).start();
    let mut client = server.connect();
    client.send(format!("GET /calls?get={} HTTP/1.1\r\nHost: x\r\n\r\n", upstream.url()));
    crate::support::wait_until("the upstream is called", || upstream.connections() == 1);
    client.reset();
    ends.recv_timeout(TIMEOUT).expect("the connection is closed");
}

#[test]
fn a_response_that_is_kept_for_the_next_request_is_closed() {
    let upstream = Upstream::answering(b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nsome");
    let server = serve(&format!("reuse = 10\n{}", upstream.grant()));
    let steps = format!("/calls?GET={}&send&some=2&keep", upstream.url());
    assert_eq!(report(&server.get(&steps)), "send: 200\nsome: so\n");
    assert_eq!(report(&server.get("/calls?some=9&head=content-length")), "some: closed\nhead: \n");
}

#[test]
fn a_wait_for_another_server_is_a_figure_of_its_own() {
    let (asked, asks) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let (answered, answers) = mpsc::channel();
    let released = Mutex::new(released);
    let upstream = Upstream::new(move |mut stream| {
        while head(&mut stream).is_some() {
            let since = Instant::now();
            let _ = asked.send(());
            let _ = released.lock().expect("no holder has panicked").recv_timeout(TIMEOUT);
            let _ = answered.send(since.elapsed());
            let _ = stream.write_all(OK);
        }
    });
    let routes = routes(guest::CALLS, &upstream.grant());
    let process = Process::start(&routes, &["--access-log", "text", "--workers", "1"]);
    let mut client = process.connect();
    client.send(format!("GET /calls?get={} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", upstream.url()));
    asks.recv_timeout(TIMEOUT).expect("the upstream is called");
    // What the worker does for others meanwhile is a part of the wait.
    (0..20).for_each(|_| assert!(process.get("/calls").starts_with("HTTP/1.1 200 ")));
    release.send(()).expect("the upstream waits");
    client.read_until_end();
    let waited = answers.recv_timeout(TIMEOUT).expect("the upstream has answered").as_micros() as u64;
    process.signal("TERM");
    let (_, printed) = process.wait();
    let line = printed.lines().find(|line| line.contains("?get=")).expect("the request is logged");
    let figure = |name: &str| -> u64 {
        let figure = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        figure.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line}"))
    };
    assert!(waited > 0 && figure("upstream") >= waited, "{waited} us: {line}");
    assert!(figure("took") >= figure("upstream") + figure("run"), "{line}");
}

#[test]
fn ten_thousand_requests_one_after_the_other_use_two_connections_at_most() {
    let upstream = Upstream::answering(OK);
    let server = serve(&format!("timeout = 600\n{}", upstream.grant()));
    for _ in 0..20 {
        assert_eq!(report(&server.get(&format!("/calls?times=500:{}", upstream.url()))), "times: 200 ok\n");
    }
    assert!((1..=2).contains(&upstream.connections()), "{}", upstream.connections());
}

/// What both worlds report, by step.
#[test]
fn a_component_of_the_standard_world_is_told_the_exact_error() {
    let (silent, _ends) = Upstream::silent();
    let slow = Upstream::answering(b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nsome");
    let wrong = Upstream::answering(b"SSH-2.0\r\n\r\n");
    let short = Upstream::new(|mut stream| {
        head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nsome");
    });
    let closed = Upstream::new(|mut stream| drop(head(&mut stream)));
    let closed_port =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free");
    let refusing = format!("http://127.0.0.1:{}", closed_port.port());
    let cases = [
        ("", "get=http://127.0.0.1:9", "HttpRequestDenied"),
        ("", "get=http://localhost:9", "DestinationIpProhibited"),
        ("", "get=http://none.invalid", "DnsError"),
        ("", &format!("get={refusing}"), "ConnectionRefused"),
        ("", &format!("get={}", wrong.url()), "HttpProtocolError"),
        ("", &format!("get={}", short.url()), "HttpResponseIncomplete"),
        ("", &format!("get={}", closed.url()), "ConnectionTerminated"),
        ("first_byte_timeout = 0.05", &format!("get={}", silent.url()), "HttpResponseTimeout"),
        ("between_bytes_timeout = 0.05", &format!("get={}", slow.url()), "ConnectionReadTimeout"),
        ("max_response = 8", &format!("get={}", slow.url()), "HttpResponseBodySize"),
        ("concurrency = 2\nconnect_timeout = 0.05", &format!("held=3:{}", slow.url()), "ConnectionTimeout"),
        ("", &format!("GET={}&first-byte=50&send", silent.url()), "HttpResponseTimeout"),
        ("", &format!("CONNECT={}&send", slow.url()), "HttpRequestMethodInvalid"),
        ("", &format!("get=http://2130706433:{}", slow.port), "HttpRequestUriInvalid"),
        ("", &format!("POST={}&drop-body&send", silent.url()), "HttpRequestBodySize"),
    ];
    let granted = [&silent, &slow, &wrong, &short, &closed].map(|upstream| format!("'{}', ", upstream.url())).concat();
    for (limit, steps, expected) in cases {
        let grant = format!("[grant]\nhttp = [{granted} '{refusing}', 'http://localhost:9', 'http://none.invalid']\n");
        let server = serve_guest(guest::CALLS_WASI, &format!("{grant}[grant.http-limits]\n{limit}\n"));
        let response = server.get(&format!("/calls?{steps}"));
        let report = report(&response);
        let last = report.lines().last().and_then(|line| line.split_once(": ")).map(|(_, error)| error);
        assert_eq!(last, Some(expected), "{steps}");
    }
}

#[test]
fn a_component_of_the_standard_world_streams_a_body_and_polls_for_its_response() {
    let upstream = Upstream::counting();
    let server = serve_guest(guest::CALLS_WASI, &upstream.grant());
    let url = upstream.url();
    let steps = format!("/calls?POST={url}&write-early=60000&write-bytes=1000000&race=1&write=xx&send&some=99");
    assert_eq!(report(&server.get(&steps)), "race: [1]\nsend: 200\nsome: 1060002\n");
    // A body that waits for its own request ends the invocation.
    let response = server.get(&format!("/calls?POST={url}&write-early=70000"));
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
}

#[test]
fn what_a_component_of_the_standard_world_keeps_is_closed_for_the_next_request() {
    let upstream = Upstream::answering(b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nsome");
    let server = serve_guest(guest::CALLS_WASI, &format!("reuse = 10\n{}", upstream.grant()));
    let steps = format!("/calls?GET={}&send&some=2&keep", upstream.url());
    assert_eq!(report(&server.get(&steps)), "send: 200\nsome: so\n");
    assert_eq!(report(&server.get("/calls?some=9&head=content-length")), "some: ConnectionTerminated\nhead: \n");
}

#[test]
fn a_component_of_the_concurrent_world_calls_servers_within_its_grant() {
    let (ok, counting) = (Upstream::answering(OK), Upstream::counting());
    let (silent, ends) = Upstream::silent();
    let slow = Upstream::answering(b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nsome");
    let granted = [&ok, &counting, &silent, &slow].map(|upstream| format!("'{}', ", upstream.url())).concat();
    let file = format!("[grant]\nhttp = [{granted} 'http://localhost:9']\n");
    let server = serve_guest(guest::CALLS_P3, &file);
    for (steps, expected) in [
        (format!("get={0}&get={0}", ok.url()), "get: 200 ok\nget: 200 ok\n"),
        (format!("post=1000000:{}", counting.url()), "post: 200 1000000\n"),
        ("get=http://127.0.0.1:9".to_owned(), "get: HttpRequestDenied\n"),
        ("get=http://localhost:9".to_owned(), "get: DestinationIpProhibited\n"),
        (format!("first-byte=50&get={}", silent.url()), "get: HttpResponseTimeout\n"),
    ] {
        assert_eq!(report(&server.get(&format!("/calls?{steps}"))), expected, "{steps}");
    }
    assert_eq!(ok.connections(), 1);
    ends.recv_timeout(TIMEOUT).expect("the connection that timed out is closed");
    let server =
        serve_guest(guest::CALLS_P3, &format!("{}[grant.http-limits]\nbetween_bytes_timeout = 0.05\n", slow.grant()));
    assert_eq!(report(&server.get(&format!("/calls?get={}", slow.url()))), "get: ConnectionReadTimeout\n");
    let server = serve_guest(guest::CALLS_P3, &format!("timeout = 0.2\n{}", silent.grant()));
    let response = server.get(&format!("/calls?get={}", silent.url()));
    assert!(response.starts_with("HTTP/1.1 504 "), "{response}");
    ends.recv_timeout(TIMEOUT).expect("the connection is closed with its invocation");
}

#[test]
fn a_component_of_the_concurrent_world_is_told_whether_its_request_was_transmitted() {
    let counting = Upstream::counting();
    let (silent, _ends) = Upstream::silent();
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free");
    let granted = [counting.url(), silent.url(), format!("http://{gone}")].map(|url| format!("'{url}', ")).concat();
    let server = serve_guest(guest::CALLS_P3, &format!("[grant]\nhttp = [{granted}]\n"));
    for (steps, expected) in [
        (format!("sent={}", counting.url()), "200 sent"),
        (format!("sent=http://{gone}"), "ConnectionRefused ConnectionRefused"),
        ("sent=http://127.0.0.1:9".to_owned(), "HttpRequestDenied HttpRequestDenied"),
        (format!("first-byte=50&sent={}", silent.url()), "HttpResponseTimeout HttpResponseTimeout"),
    ] {
        assert_eq!(report(&server.get(&format!("/calls?{steps}"))), format!("sent: {expected}\n"), "{steps}");
    }
}

#[test]
fn the_trailers_of_a_request_are_sent_if_its_head_announces_them() {
    // Answers with what follows the last chunk.
    let upstream = Upstream::new(|mut stream| {
        let Some(head) = head(&mut stream) else { return };
        let mut rest = Vec::new();
        while !rest.windows(5).any(|end| end == b"\r\n0\r\n") || !rest.ends_with(b"\r\n\r\n") {
            let mut piece = [0; 4096];
            let Ok(length @ 1..) = stream.read(&mut piece) else { return };
            rest.extend_from_slice(&piece[..length]);
        }
        let rest = String::from_utf8_lossy(&rest).into_owned();
        let announced = head.lines().find_map(|line| line.strip_prefix("trailer: ")).unwrap_or("nothing");
        let (_, trailers) = rest.split_once("\r\n0\r\n").expect("it has a last chunk");
        let answer = format!("{announced}|{}", trailers.replace("\r\n", "|"));
        let _ = write!(stream, "HTTP/1.1 200 x\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
    });
    let url = upstream.url();
    let server = serve_guest(guest::CALLS_WASI, &upstream.grant());
    let post = |steps: &str| report(&server.get(&format!("/calls?POST={url}&{steps}&send&some=99")));
    let trailers = "write=abc&trailer=x-t:1&trailer=x-u:2";
    assert_eq!(post(&format!("field=Trailer:x-t,x-u&{trailers}")), "send: 200\nsome: x-t,x-u|x-t: 1|x-u: 2||\n");
    // Others are not, nor what has to come before a body.
    assert_eq!(post(&format!("field=trailer:x-u&{trailers}")), "send: 200\nsome: x-u|x-u: 2||\n");
    let framing = "field=trailer:content-length,x-t&write=abc&trailer=content-length:9&trailer=x-t:1";
    assert_eq!(post(framing), "send: 200\nsome: content-length,x-t|x-t: 1||\n");
    assert_eq!(post(trailers), "send: 200\nsome: nothing||\n");
    let server = serve_guest(guest::CALLS_P3, &upstream.grant());
    assert_eq!(report(&server.get(&format!("/calls?trailer=x-t&post=3:{url}"))), "post: 200 x-t|x-t: 1||\n");
}
