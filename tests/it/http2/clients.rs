//! HTTP/2 as common clients speak it, with prior knowledge and over TLS.

use std::io::Write;
use std::process::Command;

use tempfile::NamedTempFile;

use crate::support::{RoutesDir, TestServer, guest, run, skip, text, tls};
use crate::wasi_http::worlds::WASI_02;

/// How clients reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Plain,
    Tls,
}

const BOTH: [Over; 2] = [Over::Plain, Over::Tls];

/// A server of the guests for scripts, and the file of its certificate.
struct Served {
    server: TestServer,
    certificate: NamedTempFile,
}

impl Served {
    fn new(over: Over) -> Self {
        let routes = RoutesDir::new().with(guest::SCRIPT).with_as("wasi.wasm", WASI_02.script);
        let builder = TestServer::builder(routes.with_file("wasi.toml", "path = '/wasi'"));
        let server = match over {
            Over::Plain => builder.listen("127.0.0.1:0"),
            Over::Tls => builder.tls(),
        };
        Self { server: server.start(), certificate: tls::certificate_file() }
    }

    fn url(&self, target: &str) -> String {
        format!("{}{target}", self.server.urls()[0])
    }

    fn certificate(&self) -> &str {
        path(&self.certificate)
    }

    /// What curl prints, and its exit code, which is 92 for a stream that was reset.
    fn curl(&self, arguments: &[&str], target: &str) -> (String, Option<i32>) {
        let mut command = Command::new("curl");
        command.args(["--silent", "--max-time", "10", "--cacert", self.certificate()]);
        command.arg(if self.url("").starts_with("https:") { "--http2" } else { "--http2-prior-knowledge" });
        let output = run(command.args(arguments).arg(self.url(target)));
        (text(&output.stdout).to_owned(), output.status.code())
    }
}

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file can be made");
    file.write_all(bytes).expect("it can be written");
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("its name is text")
}

#[test]
fn curl_gets_bodies_and_knows_which_are_truncated() {
    for over in BOTH {
        let served = Served::new(over);
        let (version, _) = served.curl(&["--output", "/dev/null", "--write-out", "%{http_version}"], "/script?body=a");
        assert_eq!(version, "2", "{over:?}");
        for (target, body, code) in [
            ("/script?body=Hello", "Hello", 0),
            ("/script?write=Hello&end", "Hello", 0),
            ("/script?close", "", 92),
            ("/script?write=part&close", "part", 0),
            ("/script?write=part&trap", "part", 92),
            ("/script?set=content-length:9&write=part&end", "part", 92),
            ("/script?status=204", "", 0),
        ] {
            let (printed, ended) = served.curl(&[], target);
            assert_eq!(ended, Some(code), "{over:?}: {target}");
            // Of a stream that is reset curl may drop what has come just before.
            assert!(printed == body || code != 0 && printed.is_empty(), "{over:?}: {target}: {printed}");
        }
    }
}

#[test]
fn curl_sends_bodies() {
    let body = file(&vec![b'x'; 300_000]);
    for over in BOTH {
        let served = Served::new(over);
        assert_eq!(served.curl(&["--data", "some=body"], "/script?read"), ("some=body".to_owned(), Some(0)));
        let sent = served.curl(&["--upload-file", path(&body)], "/script?count");
        assert_eq!(sent, ("300000".to_owned(), Some(0)), "{over:?}");
    }
}

#[test]
fn curl_shows_the_trailers_of_a_response() {
    let target = "/wasi?trailer=x-sum:1&trailer=date:never&set&write=a&finish";
    for over in BOTH {
        let (printed, code) = Served::new(over).curl(&["--include", "--header", "TE: trailers"], target);
        assert_eq!(code, Some(0), "{over:?}: {printed}");
        let (head, rest) = printed.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{printed}"));
        assert!(head.starts_with("HTTP/2 200"), "{over:?}: {printed}");
        assert_eq!(rest, "ax-sum: 1\r\n", "{over:?}");
    }
}

#[test]
fn nghttp_multiplexes_its_requests_and_sends_and_gets_trailers() {
    if Command::new("nghttp").arg("--version").output().is_err() {
        return skip("nghttp is not installed: apt-get install nghttp2-client, as root, does it");
    }
    let body = file(b"abc");
    for over in BOTH {
        let served = Served::new(over);
        let nghttp = |arguments: &[&str], target: &str| {
            let ended = run(Command::new("nghttp").arg("--no-verify-peer").args(arguments).arg(served.url(target)));
            assert!(ended.status.success(), "{over:?}: {ended:?}");
            text(&ended.stdout).to_owned()
        };
        assert_eq!(nghttp(&["-m", "3"], "/script?body=Hello"), "HelloHelloHello", "{over:?}");
        let sends = ["--data", path(&body), "--trailer", "x-check: 1", "-H", "te: trailers"];
        assert_eq!(nghttp(&sends, "/wasi?read&trailers&report"), "read: 3 and closed\ntrailers: x-check=1;\n");
        // Each frame that comes, as a line with a time.
        let frames = nghttp(&[&sends[..], &["-nv"]].concat(), "/wasi?set&echo&echo-trailers&finish");
        let received = frames.split(" recv ").map(|part| part.lines().next().unwrap_or_default());
        let about: Vec<_> = received.filter(|line| line.contains("stream_id=13")).collect();
        assert!(about.iter().any(|line| line.contains("x-check: 1")), "{over:?}: {frames}");
        let last = about.iter().rfind(|line| line.starts_with("HEADERS frame")).unwrap_or_else(|| panic!("{frames}"));
        assert!(last.contains("flags=0x05"), "{over:?}: the end of the stream: {frames}");
    }
}

/// Says `held` at its end. The package h2 raises an error at each frame that a server may not send.
const PYTHON: &str = r#"
import socket, ssl, sys
from urllib.parse import urlsplit
import h2.config, h2.connection, h2.errors, h2.events

url, certificate = urlsplit(sys.argv[1]), sys.argv[2]
connection = socket.create_connection((url.hostname, url.port), timeout=10)
if url.scheme == "https":
    context = ssl.create_default_context(cafile=certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    connection = context.wrap_socket(connection, server_hostname=url.hostname)
    assert connection.selected_alpn_protocol() == "h2"
client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
client.initiate_connection()
streams = {}

def send():
    data = client.data_to_send()
    if data:
        connection.sendall(data)

def turn():
    send()
    data = connection.recv(65536)
    assert data, "the server has closed"
    for event in client.receive_data(data):
        stream = streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ResponseReceived):
            stream["head"] = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            stream["body"] += event.data
            client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            stream["trailers"] = event.headers
        elif isinstance(event, h2.events.StreamReset):
            stream["reset"] = event.error_code
            stream["over"] = True
        elif isinstance(event, h2.events.StreamEnded):
            stream["over"] = True
        elif isinstance(event, h2.events.ConnectionTerminated):
            raise SystemExit(f"the server ends the connection: {event}")
    send()

def head(method, target, more=(), ends=True):
    stream = client.get_next_available_stream_id()
    streams[stream] = {"body": b"", "trailers": None, "reset": None, "over": False}
    fields = [(":method", method), (":scheme", url.scheme), (":authority", url.netloc), (":path", target), *more]
    client.send_headers(stream, fields, end_stream=ends)
    return stream

def whole(stream):
    while not streams[stream]["over"]:
        turn()
    return streams[stream]

# Many requests at once, answered in any order, with bodies past the windows of streams.
many = [head("GET", f"/script?body-bytes={1000 * number}") for number in range(100)]
for number, stream in enumerate(many):
    got = whole(stream)
    assert (got["head"][":status"], len(got["body"]), got["reset"]) == ("200", 1000 * number, None), got["head"]

# A body past the window of its stream, sent as the server opens it.
stream, body = head("POST", "/script?count", ends=False), b"x" * 300_000
while body:
    room = min(client.local_flow_control_window(stream), client.max_outbound_frame_size)
    if room == 0:
        turn()
        continue
    client.send_data(stream, body[:room])
    body = body[room:]
client.end_stream(stream)
assert whole(stream)["body"] == b"300000"

# Trailers in both directions.
takes = [("te", "trailers")]
stream = head("POST", "/wasi?set&echo&echo-trailers&finish", takes, ends=False)
client.send_data(stream, b"abc")
client.send_headers(stream, [("x-check", "1"), ("x-check", "2")], end_stream=True)
got = whole(stream)
assert (got["body"], got["trailers"]) == (b"abc", [("x-check", "1"), ("x-check", "2")]), got

# What a handler does ends its own stream only, and a stream may be reset by the client.
codes = h2.errors.ErrorCodes
for target, reset in [("/script?close", codes.CANCEL), ("/script?write=part&trap", codes.INTERNAL_ERROR)]:
    assert whole(head("GET", target))["reset"] == reset, target
cancelled = head("GET", "/script?subscribe=news&write=first&manual")
while not streams[cancelled]["body"]:
    turn()
client.reset_stream(cancelled, codes.CANCEL)
assert whole(head("GET", "/script?body=more"))["body"] == b"more"
client.close_connection()
send()
print("held")
"#;

#[test]
fn the_package_h2_of_python_agrees_with_the_host() {
    let installed = Command::new("python3").args(["-c", "import h2.connection"]).output();
    if !installed.is_ok_and(|output| output.status.success()) {
        return skip("HTTP/2 with a client of another make: python3 has no package `h2`");
    }
    for over in BOTH {
        let served = Served::new(over);
        let ended = run(Command::new("python3").args(["-c", PYTHON, &served.url(""), served.certificate()]));
        assert_eq!((text(&ended.stdout), text(&ended.stderr)), ("held\n", ""), "{over:?}");
    }
}
