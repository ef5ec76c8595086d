//! The access log of the real binary: a line for each request, when its last byte is sent or it is cut.

use std::fs;
use std::time::Instant;

use serde_json::Value;

use crate::support::websocket::{HANDSHAKE, accepted};
use crate::support::{Process, RoutesDir, TIMEOUT, guest};

/// A line without what no test can know: the time before it and the durations behind it.
fn without_times(line: &str) -> &str {
    let behind_time = line.split_once(' ').map_or(line, |(_, rest)| rest);
    behind_time.split_once(" took=").map_or(behind_time, |(known, _)| known)
}

fn figure(line: &str, name: &str) -> u64 {
    let figure = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    figure.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line}"))
}

#[test]
fn each_request_is_a_line_that_says_how_it_ended() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let process = Process::start(&routes, &["--access-log", "text", "--workers", "1"]);
    for request in [
        get_and_close!("/script?body=Hello"),
        get_and_close!("/script?write=Hello&trap"),
        get_and_close!("/script?close"),
        get_and_close!("/none?a=%0Ab"),
        "no request\r\n\r\n",
        "HEAD /script?body=Hello HTTP/1.0\r\n\r\n",
    ] {
        let mut client = process.connect();
        client.send(request);
        client.read_until_end();
    }
    let mut client = process.connect();
    client.send(get_and_close!("/script?write=Hello&manual"));
    client.read_until("Hello\r\n");
    client.half_close();
    client.read_until_end();
    process.signal("TERM");
    let (_, printed) = process.wait();
    let lines: Vec<&str> = printed.lines().map(without_times).collect();
    let expected = [
        "127.0.0.1 GET /script?body=Hello HTTP/1.1 200 body=5 wire=158 route=script request=1 end=complete",
        "127.0.0.1 GET /script?write=Hello&trap HTTP/1.1 200 body=5 wire=153 route=script request=2 end=truncated",
        "127.0.0.1 GET /script?close HTTP/1.1 - body=0 wire=0 route=script request=3 end=closed",
        "127.0.0.1 GET /none?a=%0Ab HTTP/1.1 404 body=27 wire=184 route=- request=4 end=complete",
        "127.0.0.1 - - - 400 body=30 wire=175 route=- request=5 end=complete",
        "127.0.0.1 HEAD /script?body=Hello HTTP/1.0 200 body=0 wire=134 route=script request=6 end=complete",
        "127.0.0.1 GET /script?write=Hello&manual HTTP/1.1 200 body=5 wire=153 route=script request=7 end=left-open",
    ];
    assert_eq!(lines, expected, "{printed}");
}

#[test]
fn a_client_that_disconnects_is_logged_otherwise_than_a_truncated_response() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let log = routes.path().join("_access.log");
    let process = Process::start(&routes, &["--access-log-file", &log.display().to_string()]);
    let mut client = process.connect();
    client.send(get_and_close!("/script?write-bytes=10000000"));
    client.read_exactly(1000);
    drop(client);
    let start = Instant::now();
    let line = loop {
        let logged = fs::read_to_string(&log).expect("the log is there");
        if !logged.is_empty() {
            break logged;
        }
        assert!(start.elapsed() < TIMEOUT, "nothing is logged");
    };
    assert!(line.contains(" end=client-gone "), "{line}");
    assert!((1..10_000_000).contains(&figure(&line, "body")), "{line}");
}

#[test]
fn the_time_spent_on_pacing_is_not_the_handlers() {
    let options = "rate = 1000\nburst = 1\nrate_scope = 'connection'";
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", options);
    let process = Process::start(&routes, &["--access-log", "text"]);
    process.get("/script?body-bytes=50");
    process.signal("TERM");
    let (_, line) = process.wait();
    // A timer never fires early: as many bytes take as many milliseconds.
    let [took, queued, instantiate, run, paced] =
        ["took", "queued", "instantiate", "run", "paced"].map(|name| figure(&line, name));
    assert!(took >= figure(&line, "wire") * 1000 - 1000, "{line}");
    assert!(paced > took / 2, "{line}");
    assert!(took >= queued + instantiate + run + paced, "{line}");
}

#[test]
fn a_request_that_a_shutdown_interrupts_is_logged_too() {
    let process = Process::start(&RoutesDir::new().with(guest::SCRIPT), &["--access-log", "text"]);
    let mut client = process.connect();
    client.send(get_and_close!("/script?write=Hello&sleep=600000"));
    client.read_until("Hello\r\n");
    process.signal("TERM");
    process.stderr().wait_for(&["stopping: waiting for requests in flight"]);
    process.signal("TERM");
    let (_, printed) = process.wait();
    assert!(printed.contains(" HTTP/1.1 200 body=5 wire=153 route=script request=1 end=stopped "), "{printed}");
}

#[test]
fn a_websocket_is_logged_when_it_opens() {
    let process = Process::start(&RoutesDir::new().with(guest::MESSAGES), &["--access-log", "text"]);
    let mut client = process.connect();
    client.send(format!("GET /messages HTTP/1.1\r\nHost: it\r\n{HANDSHAKE}\r\n"));
    client.expect(&accepted(""));
    drop(client);
    process.signal("TERM");
    let (_, printed) = process.wait();
    let lines: Vec<&str> = printed.lines().map(without_times).collect();
    let expected = "127.0.0.1 GET /messages HTTP/1.1 101 body=0 wire=166 route=messages request=1 end=upgraded";
    assert_eq!(lines, [expected], "{printed}");
}

#[test]
fn a_stalled_reader_holds_up_no_request_and_the_dropped_lines_are_counted() {
    let process = Process::start(&RoutesDir::new(), &["--access-log", "text"]);
    // More than the pipe, the queue and the writer hold.
    for _ in 0..12 {
        let answers = process.connect().exchange(get!("/none").repeat(999) + get_and_close!("/none"));
        assert_eq!(answers.matches("HTTP/1.1 404 Not Found\r\n").count(), 1000);
    }
    process.signal("TERM");
    let told = process.stderr().wait_for(&["the last lines of the access log were not written"]);
    let (_, dropped) = told.split_once(" dropped=").expect("it says how many were dropped before");
    assert!(!dropped.starts_with("0:"), "{told}");
}

#[test]
fn json_has_an_object_for_each_request() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let process = Process::start(&routes, &["--access-log", "json"]);
    process.get("/script?body=Hello");
    process.connect().exchange("no request\r\n\r\n");
    process.signal("TERM");
    let (_, printed) = process.wait();
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let [one, other] = &lines[..] else { panic!("{printed}") };
    assert_eq!((&one["target"], &one["status"], &one["body"]), (&"/script?body=Hello".into(), &200.into(), &5.into()));
    assert_eq!((&other["target"], &other["status"], &other["end"]), (&Value::Null, &400.into(), &"complete".into()));
    assert!(one["instantiate"].as_u64() > Some(0), "{printed}");
}

#[test]
fn nothing_is_logged_unless_it_is_asked_for() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    for arguments in [&[][..], &["--dev", "--access-log", "off"]] {
        let process = Process::start(&routes, arguments);
        process.get("/script?body=Hello");
        process.signal("TERM");
        assert_eq!(process.wait().1, "", "{arguments:?}");
    }
}

#[test]
fn a_hangup_reopens_the_file() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let (log, kept) = (routes.path().join("_access.log"), routes.path().join("_kept.log"));
    let process = Process::start(&routes, &["--access-log-file", &log.display().to_string()]);
    fs::rename(&log, &kept).expect("the log is there");
    process.signal("HUP");
    let start = Instant::now();
    while !log.exists() {
        assert!(start.elapsed() < TIMEOUT, "the file is not opened anew");
    }
    process.get("/script?body=Hello");
    process.signal("TERM");
    process.wait();
    assert!(fs::read_to_string(&log).expect("it is there").contains(" GET /script?body=Hello "));
    assert_eq!(fs::read_to_string(&kept).expect("it is there"), "");
}
