//! Clients over Unix sockets: everything that a client over TCP has, and what is different.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use host::close_reason::CloseReason;
use host::options::Value;

use crate::support::websocket::TEXT;
use crate::support::wire::{
    HEAD_TIMEOUT, HELLO_RESPONSE, HELLO_RESPONSE_CLOSE, LAST, LAST_RESPONSE, SCRIPT_HELLO, get_and_close, get_script,
};
use crate::support::{Client, End, Process, RoutesDir, TIMEOUT, TestServer, compile_cache, guest, host, run, text};
use crate::support::{log, wait_until};

const SHORT: Duration = Duration::from_millis(200);

/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(3600);

fn serve(routes: RoutesDir) -> TestServer {
    TestServer::builder(routes).listen("unix:$DIR/s").start()
}

fn scripted() -> TestServer {
    serve(RoutesDir::new().with(guest::SCRIPT))
}

#[test]
fn requests_follow_each_other_on_a_connection_also_pipelined_and_in_pieces() {
    let server = scripted();
    let mut client = server.connect();
    for _ in 0..3 {
        client.send(get!("/script?body=Hello"));
        client.expect(SCRIPT_HELLO);
    }
    client.send([get!("/script?body=Hello"), get!("/script?body=Hello")].concat());
    client.expect(SCRIPT_HELLO);
    client.expect(SCRIPT_HELLO);
    for byte in LAST.as_bytes() {
        client.send([*byte]);
    }
    assert_eq!(client.read_to_end(), LAST_RESPONSE);
}

#[test]
fn all_workers_serve_it() {
    let builder = TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).listen("unix:$DIR/s");
    let server = builder.workers(NonZeroUsize::new(3).expect("it is not 0")).start();
    let mut clients: Vec<Client> = (0..9).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get!("/script?body=Hello"));
    }
    for client in &mut clients {
        client.expect(SCRIPT_HELLO);
    }
}

#[test]
fn a_handler_is_told_that_its_peer_is_unix_and_http10_has_a_host() {
    let server = scripted();
    let answer = server.get("/script?ask=peer&report");
    assert!(answer.contains("\r\n\r\nb\r\npeer: unix\n\r\n0\r\n"), "{answer}");
    let answer = server.exchange("GET /script?body=old HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nold"), "{answer}");
}

#[test]
fn large_bodies_pass_in_both_directions() {
    const LARGE: usize = 4_000_000;
    let server = serve(RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "max_body = 5_000_000"));
    let mut client = server.connect();
    client.send(format!("POST /script?count HTTP/1.1\r\nHost: it\r\nContent-Length: {LARGE}\r\n\r\n"));
    client.send(vec![b'x'; LARGE]);
    client.expect(ok_chunked!("7\r\n4000000\r\n0\r\n\r\n"));
    client.send(get_and_close(&format!("/script?body-bytes={LARGE}")));
    let answer = client.read_to_end();
    let (_, body) = answer.split_once("\r\n\r\n").expect("there is a head");
    assert_eq!(body.matches('x').count(), LARGE);
}

#[test]
fn a_client_that_sends_a_large_body_first_still_reads_the_early_answer() {
    const LARGE: usize = 8 << 20;
    let server = serve(RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "max_body = 10"));
    let mut client = server.connect();
    client.send(format!("POST /script HTTP/1.1\r\nHost: it\r\nContent-Length: {LARGE}\r\n\r\n"));
    client.send(vec![b'x'; LARGE]);
    let (answer, end) = client.read_until_end();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(end, End::Closed);
}

#[test]
fn a_websocket_answers() {
    let server = serve(RoutesDir::new().with(guest::WS_ECHO));
    let mut client = server.connect();
    client.open_websocket("/ws-echo");
    client.send_frame(TEXT, "Hello");
    client.expect_frame(TEXT, "Hello");
}

#[test]
fn closing_without_a_byte_and_a_truncated_response_look_as_over_tcp() {
    let server = scripted();
    let (answer, end) = {
        let mut client = server.connect();
        client.send(get_script("close"));
        client.read_until_end()
    };
    assert_eq!((answer.as_str(), end), ("", End::Closed));
    let mut client = server.connect();
    client.send(get_script("write=Hello&trap"));
    let (answer, _) = client.read_until_end();
    assert!(answer.ends_with("5\r\nHello\r\n"), "the last chunk is missing: {answer}");
}

#[test]
fn a_parked_response_gets_chunks_until_its_client_goes() {
    let server = scripted();
    let mut parked = server.park("subscribe=unix-sockets&write=1", ok_chunked!("1\r\n1\r\n"));
    server.get("/script?publish=unix-sockets:Hello&report");
    parked.expect("5\r\nHello\r\n");
    assert_eq!(server.parked(), 1);
    drop(parked);
    wait_until("its place is free at once", || server.parked() == 0);
}

#[test]
fn a_client_that_is_gone_is_noticed_while_its_handler_works() {
    let builder = TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).listen("unix:$DIR/s");
    let builder = builder.option("timeout", Value::Integer(3600)).limits(|limits| limits.max_invocations = 1);
    let builder = builder.timeouts(|timeouts| {
        (timeouts.write, timeouts.body, timeouts.idle, timeouts.half_close) = (LONG, LONG, LONG, LONG);
        timeouts.grace = SHORT;
    });
    let server = builder.start();
    let mut client = server.connect();
    client.send(get_script("stderr=unix_client_goes&spin"));
    log().wait_for(&["unix_client_goes"]);
    drop(client);
    wait_until("its handler is stopped after the grace", || server.get("/script?body=x").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_client_that_has_only_closed_its_sending_side_gets_its_response() {
    let server = scripted();
    let mut client = server.connect();
    client.send(get!("/script?stderr=unix_half_close&sleep=100&body=Hello"));
    client.half_close();
    let answer = client.read_to_end();
    assert!(answer.ends_with("5\r\nHello\r\n0\r\n\r\n"), "{answer}");
}

#[test]
fn a_client_that_stops_reading_is_closed_at_the_write_timeout() {
    let builder = TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).listen("unix:$DIR/s");
    let server = builder.timeouts(|timeouts| timeouts.write = SHORT).start();
    let mut client = server.connect();
    client.send(get_script("body-bytes=50000000"));
    wait_until("it is closed", || server.closed(CloseReason::WriteTimeout) == 1);
}

#[test]
fn a_slow_head_and_an_idle_connection_end_at_their_timeouts() {
    let builder = TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).listen("unix:$DIR/s");
    let server = builder.timeouts(|timeouts| (timeouts.head, timeouts.idle) = (SHORT, SHORT)).start();
    let mut slow = server.connect();
    slow.send("GET /scr");
    assert_eq!(slow.read_to_end(), HEAD_TIMEOUT);
    assert_eq!(server.connect().read_to_end(), "");
    assert_eq!(server.closed(CloseReason::Idle), 1);
}

#[test]
fn each_connection_has_a_rate_of_its_own_because_nobody_knows_whose_it_is() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "rate = 10_000\nburst = 10_000");
    let server = serve(routes);
    let start = Instant::now();
    let mut clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(get_and_close("/script?body-bytes=9000")));
    clients.iter_mut().for_each(|client| assert!(client.read_to_end().starts_with("HTTP/1.1 200 ")));
    // With one rate for all, these would take 17 seconds.
    assert!(start.elapsed() < TIMEOUT);
}

#[test]
fn connections_over_it_are_bounded_together_and_not_by_client() {
    let server = TestServer::builder(RoutesDir::new().with(guest::HELLO)).listen("unix:$DIR/s");
    let one = host::config::ConnectionsPerClient::AtMost(NonZeroUsize::MIN);
    let server = server.limits(|limits| (limits.max_connections, limits.max_connections_per_client) = (3, one)).start();
    let mut clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get!("/hello"));
        client.expect(HELLO_RESPONSE);
    }
    let mut fourth = server.connect();
    fourth.send(get_and_close!("/hello"));
    assert_eq!(fourth.read_to_end(), HELLO_RESPONSE_CLOSE);
    assert_eq!(server.closed(CloseReason::Evicted), 1, "an idle one gave way");
}

#[test]
fn listeners_of_both_kinds_serve_at_once() {
    let builder = TestServer::builder(RoutesDir::new().with(guest::SCRIPT));
    let server = builder.listen("127.0.0.1:0").listen("unix:$DIR/s").listen("http://unix:$DIR/t,mode=0666").start();
    for (listener, peer) in [(0, "127.0.0.1"), (1, "unix"), (2, "unix")] {
        let answer = server.connect_to(listener).exchange(get_and_close!("/script?ask=peer&report"));
        assert!(answer.contains(&format!("peer: {peer}\n")), "{answer}");
    }
    let [tcp, unix, other] = server.urls() else { panic!("there are three listeners") };
    assert!(tcp.starts_with("http://127.0.0.1:") && unix.starts_with("unix:/") && unix.ends_with("/s"), "{tcp} {unix}");
    assert!(other.ends_with("/t"), "{other}");
}

/// A directory with room for sockets.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory can be made")
}

/// `host run` on a Unix socket in a directory, once it says that it listens there.
fn process(routes: &RoutesDir, spec: &str, more: &[&str]) -> Process {
    let mut command = host(&["run", "--listen", "127.0.0.1:0", "--listen", spec]);
    command.arg("--routes").arg(routes.path()).arg("--cache-dir").arg(compile_cache()).args(more);
    let process = Process::spawn(command, 1);
    process.stderr().wait_for(&["routes loaded"]);
    process
}

fn mode(path: &Path) -> Option<u32> {
    let found = fs::symlink_metadata(path).ok()?;
    assert!(found.file_type().is_socket());
    Some(found.permissions().mode() & 0o7777)
}

#[test]
fn its_file_has_the_mode_that_was_asked_for_and_is_gone_when_the_host_has_stopped() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let directory = directory();
    let path = directory.path().join("host.sock");
    for (setting, expected) in [("", 0o600), (",mode=0660", 0o660), (",mode=777", 0o777)] {
        let process = process(&routes, &format!("unix:{}{setting}", path.display()), &[]);
        assert_eq!(mode(&path), Some(expected), "{setting}");
        assert_eq!(Client::connect_unix(&path).exchange(get_and_close!("/hello")), HELLO_RESPONSE_CLOSE);
        process.signal("TERM");
        let (status, printed) = process.wait();
        assert!(status.success());
        assert_eq!(printed, format!("listening on unix:{}\n", path.display()));
        assert_eq!(fs::read_dir(directory.path()).expect("it is there").count(), 0);
    }
}

#[test]
fn a_request_that_was_in_the_queue_when_the_host_was_told_to_stop_is_answered() {
    let server = scripted();
    let mut clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(LAST));
    server.stop();
    for client in &mut clients {
        assert_eq!(client.read_to_end(), LAST_RESPONSE);
    }
}

#[test]
fn the_socket_of_a_host_that_was_killed_is_replaced_and_one_that_serves_is_not() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let directory = directory();
    let path: PathBuf = directory.path().join("host.sock");
    drop(UnixListener::bind(&path).expect("it can be bound"));
    let spec = format!("unix:{}", path.display());
    let running = process(&routes, &spec, &[]);
    let mut second = host(&["run", "--listen", &spec, "--routes"]);
    let second = run(second.arg(routes.path()));
    assert_eq!(text(&second.stderr), format!("error: another host listens on {}\n", path.display()));
    UnixStream::connect(&path).expect("the first one serves as before");
    drop(running);
}

#[test]
fn what_cannot_be_listened_on_is_refused_with_the_reason() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let directory = directory();
    let file = directory.path().join("file");
    fs::write(&file, "kept").expect("it can be written");
    let missing = directory.path().join("missing/s");
    let rows = [
        (&file, format!("error: {} is no socket; move it away\n", file.display())),
        (&missing, format!("error: cannot listen on {}: No such file or directory (os error 2)\n", missing.display())),
    ];
    for (path, error) in rows {
        let mut command = host(&["run", "--listen", &format!("unix:{}", path.display()), "--routes"]);
        let output = run(command.arg(routes.path()));
        assert_eq!((text(&output.stderr), output.status.code()), (error.as_str(), Some(2)));
    }
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "kept");
}

#[test]
fn the_access_log_names_no_address_of_its_client() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let directory = directory();
    let path = directory.path().join("s");
    let process = process(&routes, &format!("unix:{}", path.display()), &["--access-log", "text"]);
    assert_eq!(Client::connect_unix(&path).exchange(get_and_close!("/hello")), HELLO_RESPONSE_CLOSE);
    process.signal("TERM");
    let (_, printed) = process.wait();
    let line = printed.lines().nth(1).expect("there is a line of the request");
    assert!(line.contains("Z unix GET /hello HTTP/1.1 200 "), "{line}");
}
