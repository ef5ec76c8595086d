//! What each outcome of a handler is on its stream. Whatever it is, other streams and the connection live.

use std::time::Duration;

use crate::support::{Http2Client, RoutesDir, TestServer, guest, http2::request};

const HTML: &str = "content-type=text/html; charset=utf-8";

fn server() -> TestServer {
    TestServer::serving(guest::SCRIPT)
}

fn open(server: &TestServer) -> Http2Client {
    Http2Client::open(server.connect())
}

/// What comes on the stream of a GET of `/script?commands`, with what follows each other of the body in one line: a handler that
/// is interrupted between two calls has sent what was before. Sees that the connection lives then.
#[track_caller]
fn outcome(commands: &str) -> Vec<String> {
    let server = server();
    let mut client = open(&server);
    client.get(1, &format!("/script?{commands}"));
    let lines = client.until_end_of(1);
    client.expect_answer_to_ping();
    let mut joined: Vec<String> = Vec::new();
    for line in lines {
        match (line.strip_prefix("DATA 1 "), joined.last_mut()) {
            (Some(data), Some(last)) if last.starts_with("DATA 1 ") => {
                last.push_str(data);
            }
            _ => joined.push(line),
        }
    }
    joined
}

#[test]
fn a_body_has_its_length_and_ends_its_stream_in_the_same_frame() {
    assert_eq!(outcome("body=Hello"), [&format!("HEADERS 1 :status=200 {HTML} content-length=5"), "DATA 1 Hello END"]);
}

#[test]
fn an_empty_body_ends_with_its_head() {
    assert_eq!(outcome("body="), [format!("HEADERS 1 :status=200 {HTML} content-length=0 END")]);
}

#[test]
fn writes_have_no_length_and_no_coding() {
    assert_eq!(outcome("write=Hello&end"), [&format!("HEADERS 1 :status=200 {HTML}"), "DATA 1 Hello END"]);
}

#[test]
fn status_and_fields_are_in_the_head_in_lower_case() {
    let lines = outcome("status=201&set=X-One:1&append=X-Two:2&append=x-two:3&body=a");
    let head = format!("HEADERS 1 :status=201 {HTML} x-one=1 x-two=2 x-two=3 content-length=1");
    assert_eq!(lines, [&head, "DATA 1 a END"]);
}

#[test]
fn a_declared_length_is_kept() {
    let lines = outcome("set=content-length:5&write=He&write=llo&end");
    assert_eq!(lines[0], format!("HEADERS 1 :status=200 {HTML} content-length=5"));
    assert_eq!(lines.last().map(|line| line.ends_with(" END")), Some(true));
}

#[test]
fn a_body_shorter_than_declared_is_reset_and_never_looks_complete() {
    let lines = outcome("set=content-length:5&write=He&end");
    let head = format!("HEADERS 1 :status=200 {HTML} content-length=5");
    assert_eq!(lines, [&head, "DATA 1 He", "RST_STREAM 1 INTERNAL_ERROR"]);
}

#[test]
fn a_write_past_the_declared_length_is_refused_and_the_rest_is_sent() {
    let lines = outcome("set=content-length:5&write=Hello&write=more&end");
    assert_eq!(lines, [&format!("HEADERS 1 :status=200 {HTML} content-length=5"), "DATA 1 Hello END"]);
}

#[test]
fn close_without_a_byte_cancels_the_stream_without_a_head() {
    assert_eq!(outcome("close"), ["RST_STREAM 1 CANCEL"]);
    assert_eq!(outcome("status=201&set=x-a:1&close"), ["RST_STREAM 1 CANCEL"]);
    assert_eq!(outcome("close-now&body=late"), ["RST_STREAM 1 CANCEL"]);
}

#[test]
fn close_after_a_write_completes_the_response() {
    for commands in ["write=part&close", "write=part&close-now&body=late"] {
        assert_eq!(outcome(commands), [&format!("HEADERS 1 :status=200 {HTML}"), "DATA 1 part END"], "{commands}");
    }
}

#[test]
fn close_before_the_declared_length_is_reached_is_reset() {
    let lines = outcome("set=content-length:9&write=part&close");
    let head = format!("HEADERS 1 :status=200 {HTML} content-length=9");
    assert_eq!(lines, [&head, "DATA 1 part", "RST_STREAM 1 INTERNAL_ERROR"]);
}

#[test]
fn a_failure_before_the_head_is_a_500_and_after_it_a_reset() {
    for failure in ["trap", "panic=reason", "fail=reason"] {
        let lines = outcome(failure);
        assert!(lines[0].starts_with("HEADERS 1 :status=500 "), "{failure}: {lines:?}");
        assert!(lines[1].ends_with(" END"), "{failure}: {lines:?}");
        let lines = outcome(&format!("write=part&{failure}"));
        let head = format!("HEADERS 1 :status=200 {HTML}");
        assert_eq!(lines, [&head, "DATA 1 part", "RST_STREAM 1 INTERNAL_ERROR"], "{failure}");
    }
}

#[test]
fn a_handler_past_its_timeout_is_a_504_or_a_reset() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "timeout = 0.2");
    let server = TestServer::start(routes);
    let mut client = open(&server);
    client.get(1, "/script?spin");
    let lines = client.until_end_of(1);
    assert!(lines[0].starts_with("HEADERS 1 :status=504 "), "{lines:?}");
    client.get(3, "/script?write=part&spin");
    let lines = client.until_end_of(3);
    assert_eq!(lines.last().map(String::as_str), Some("RST_STREAM 3 INTERNAL_ERROR"), "{lines:?}");
    client.expect_answer_to_ping();
}

#[test]
fn a_response_without_a_body_is_one_frame() {
    let server = server();
    let mut client = open(&server);
    client.head(1, &request("HEAD", "/script?body=Hello"), true);
    client.expect(&[&format!("HEADERS 1 :status=200 {HTML} content-length=5 END")]);
    client.head(3, &request("HEAD", "/script?write=Hello&end"), true);
    client.expect(&[&format!("HEADERS 3 :status=200 {HTML} END")]);
    for (stream, status) in [(5, "204"), (7, "304")] {
        client.get(stream, &format!("/script?status={status}&write=dropped&end"));
        client.expect(&[&format!("HEADERS {stream} :status={status} END")]);
    }
    client.get(9, "/script?status=205&body=");
    client.expect(&[&format!("HEADERS 9 :status=205 {HTML} content-length=0 END")]);
    client.expect_answer_to_ping();
}

#[test]
fn manual_parks_the_stream_until_another_handler_finishes_it() {
    let server = server();
    let mut client = open(&server);
    client.get(1, "/script?subscribe=news&write=first&manual");
    client.expect(&[&format!("HEADERS 1 :status=200 {HTML}"), "DATA 1 first"]);
    client.get(3, "/script?publish=news:second&body=");
    client
        .expect(&["HEADERS 3 :status=200 content-type=text/html; charset=utf-8 content-length=0 END", "DATA 1 second"]);
    client.get(5, "/script?publish=news:last&finish=news&body=");
    client.expect(&["HEADERS 5 :status=200 content-type=text/html; charset=utf-8 content-length=0 END"]);
    client.expect(&["DATA 1 last", "DATA 1  END"]);
    client.expect_answer_to_ping();
}

#[test]
fn a_parked_stream_sends_its_head_with_its_first_chunk_and_ends_at_its_declared_length() {
    let server = server();
    let mut client = open(&server);
    client.get(1, "/script?subscribe=news&set=content-length:6&manual");
    super::wait_for_parked(&server, 1);
    client.get(3, "/script?publish=news:second&body=");
    let (lines, sent) = (client.until_end_of(3), client.until_end_of(1));
    assert!(lines[0].ends_with(" END"), "{lines:?}");
    assert_eq!(sent, [&format!("HEADERS 1 :status=200 {HTML} content-length=6"), "DATA 1 second", "DATA 1  END"]);
    client.expect_answer_to_ping();
}

#[test]
fn a_parked_stream_past_max_parked_is_a_503_or_a_reset() {
    let server =
        TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).limits(|limits| limits.max_parked = 0).start();
    let mut client = open(&server);
    client.get(1, "/script?subscribe=news&manual");
    let lines = client.until_end_of(1);
    assert!(lines[0].starts_with("HEADERS 1 :status=503 ") && lines[0].contains(" retry-after="), "{lines:?}");
    client.get(3, "/script?subscribe=news&write=part&manual");
    let lines = client.until_end_of(3);
    assert_eq!(lines.last().map(String::as_str), Some("RST_STREAM 3 INTERNAL_ERROR"), "{lines:?}");
    client.expect_answer_to_ping();
}

#[test]
fn a_complete_response_to_a_body_that_is_not_read_ends_and_then_resets_without_an_error() {
    let server = server();
    let mut client = open(&server);
    client.post(1, "/script?body=early");
    client.data(1, "some of it", false);
    client.expect(&[&format!("HEADERS 1 :status=200 {HTML} content-length=5"), "DATA 1 early END"]);
    client.expect(&["RST_STREAM 1 NO_ERROR"]);
    client.expect_answer_to_ping();
}

#[test]
fn a_complete_response_to_a_body_that_has_ended_needs_no_reset() {
    let server = server();
    let mut client = open(&server);
    client.post(1, "/script?body=early");
    client.data(1, "all of it", true);
    client.expect(&[&format!("HEADERS 1 :status=200 {HTML} content-length=5"), "DATA 1 early END"]);
    client.expect_answer_to_ping();
}

#[test]
fn no_room_is_a_503_that_people_can_read() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "concurrency = 1");
    let server = TestServer::start(routes);
    let mut client = open(&server);
    client.post(1, "/script?write=waits&read");
    client.expect(&[&format!("HEADERS 1 :status=200 {HTML}"), "DATA 1 waits"]);
    client.get(3, "/script?body=a");
    let lines = client.until_end_of(3);
    assert!(lines[0].starts_with("HEADERS 3 :status=503 ") && lines[0].contains(" retry-after="), "{lines:?}");
    client.data(1, "now", true);
    assert_eq!(client.until_end_of(1), ["DATA 1 now END"]);
}

#[test]
fn a_body_that_does_not_come_in_time_is_a_408_and_one_that_is_too_large_a_413() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "max_body = 10");
    let server = TestServer::builder(routes).timeouts(|timeouts| timeouts.body = Duration::from_millis(100)).start();
    let mut client = open(&server);
    client.post(1, "/script?read");
    let lines = client.until_end_of(1);
    assert!(lines[0].starts_with("HEADERS 1 :status=408 "), "{lines:?}");
    client.expect(&["RST_STREAM 1 NO_ERROR"]);
    client.post(3, "/script?read");
    client.data(3, "more than ten bytes", false);
    let lines = client.until_end_of(3);
    assert!(lines[0].starts_with("HEADERS 3 :status=413 "), "{lines:?}");
    client.expect(&["RST_STREAM 3 NO_ERROR"]);
    let declared = [request("POST", "/script?read"), vec![("content-length", "11")]].concat();
    client.head(5, &declared, false);
    let lines = client.until_end_of(5);
    assert!(lines[0].starts_with("HEADERS 5 :status=413 "), "{lines:?}");
    client.expect(&["RST_STREAM 5 NO_ERROR"]);
    client.expect_answer_to_ping();
}

#[test]
fn a_stream_that_its_client_resets_is_a_client_that_is_gone() {
    let server = server();
    let mut client = open(&server);
    client.post(1, "/script?write=waits&read&log");
    client.expect(&[&format!("HEADERS 1 :status=200 {HTML}"), "DATA 1 waits"]);
    client.reset_stream(1, 8);
    client.get(3, "/script?body=other");
    client.expect(&[&format!("HEADERS 3 :status=200 {HTML} content-length=5"), "DATA 3 other END"]);
    client.expect_answer_to_ping();
}

#[test]
fn a_parked_stream_that_its_client_resets_gives_its_place_back() {
    let server = server();
    let mut client = open(&server);
    client.get(1, "/script?subscribe=news&write=first&manual");
    super::wait_for_parked(&server, 1);
    client.expect(&[&format!("HEADERS 1 :status=200 {HTML}"), "DATA 1 first"]);
    client.reset_stream(1, 8);
    super::wait_for_parked(&server, 0);
    client.expect_answer_to_ping();
}

#[test]
fn streams_are_answered_in_any_order() {
    let server = server();
    let mut client = open(&server);
    client.post(1, "/script?read");
    client.get(3, "/script?body=second");
    client.expect(&[&format!("HEADERS 3 :status=200 {HTML} content-length=6"), "DATA 3 second END"]);
    client.data(1, "first", true);
    client.expect(&[&format!("HEADERS 1 :status=200 {HTML}")]);
    assert_eq!(client.body_of(1), "first");
}

#[test]
fn the_hosts_own_responses_are_on_their_streams() {
    let server = server();
    let mut client = open(&server);
    for (stream, method, target, status) in
        [(1, "GET", "/nothing", "404"), (3, "OPTIONS", "*", "204"), (5, "BREW", "/script", "501")]
    {
        client.head(stream, &request(method, target), true);
        let lines = client.until_end_of(stream);
        assert!(lines[0].starts_with(&format!("HEADERS {stream} :status={status}")), "{method} {target}: {lines:?}");
    }
    client.expect_answer_to_ping();
}
