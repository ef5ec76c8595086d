//! What responses that stay open may take, and how they end when they take more, or nothing any more.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use host::close_reason::CloseReason;
use host::metrics::PublishedChunks;
use host::options::Value;
use socket2::SockRef;

use crate::support::wire::get_script;
use crate::support::{End, RoutesDir, TestServer, guest, log, wait_until};

const OPEN: &str = ok_chunked!("3\r\none\r\n");
const LAST_CHUNK: &str = "0\r\n\r\n";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Retry-After: 1\r\nContent-Length: 20\r\n";

/// A server of `script` with a route file.
fn serve(options: &str) -> TestServer {
    TestServer::start(RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", options))
}

/// The handler runs `commands`, at another route than the one under test, whose options are its own.
#[track_caller]
fn publish(server: &TestServer, commands: &str) {
    assert!(server.get(&format!("/script/?{commands}")).starts_with("HTTP/1.1 200 OK\r\n"));
}

/// `script` at two routes: one that the options are for, and `/script/` to publish from.
fn serve_two(options: &str) -> TestServer {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_as("publishes.wasm", guest::SCRIPT);
    let routes = routes.with_file("script.toml", &format!("path = '/script'\n{options}"));
    TestServer::start(routes.with_file("publishes.toml", "path = '/script/'"))
}

#[test]
fn a_client_that_lags_is_disconnected_by_a_reset() {
    // So slow that only the first chunk can leave the queue.
    let server = serve_two("push_queue = 256\nrate = 1\nburst = 1\nbuffer_size = 1");
    let mut client = server.park("subscribe=a", "");
    wait_until("it is left open", || server.parked() == 1);
    publish(&server, "publish=a:1&publish=a:2&publish=a:3&publish=a:4&publish=a:5");
    assert_eq!(client.read_until_end().1, End::Reset);
    wait_until("it is counted", || server.closed(CloseReason::Lagging) == 1);
    assert_eq!((server.parked(), server.pushed().dropped), (0, 0));
}

#[test]
fn a_client_that_reads_nothing_is_disconnected_as_soon_as_it_lags() {
    // One chunk is on its way, and two more fill the queue.
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "push_queue = 131_072");
    let server = TestServer::builder(routes).timeouts(|it| it.write = Duration::from_secs(3600)).start();
    let _client = server.park("subscribe=a&write=one", OPEN);
    while server.get("/script?publish-bytes=a:65536&report").contains(": 1\n") {}
    wait_until("it is disconnected", || server.closed(CloseReason::Lagging) == 1);
}

#[test]
fn a_client_that_lags_may_lose_the_oldest_chunks_instead() {
    let server = serve_two("push_queue = 256\npush_overflow = 'drop-oldest'\nrate = 1000\nburst = 1");
    let mut client = server.park("subscribe=a", "");
    wait_until("it is left open", || server.parked() == 1);
    let published: String = (0..9).map(|number| format!("publish=a:{number}&")).collect();
    publish(&server, &format!("{published}finish=a"));
    let response = client.read_response();
    let (_, chunks) = response.split_once("\r\n\r\n").expect("the head has an end");
    let received: Vec<&str> = chunks.split("1\r\n").skip(1).filter_map(|chunk| chunk.get(..1)).collect();
    assert!(received.is_sorted() && received.ends_with(&["7", "8"]), "{received:?}");
    assert_eq!(server.pushed(), PublishedChunks { reached: 9, dropped: 9 - received.len() as u64 });
}

#[test]
fn what_is_published_is_paced_to_the_rate_of_the_route() {
    let server = serve_two("rate = 1000\nburst = 1\nbuffer_size = 1000");
    let mut client = server.park("subscribe=a", "");
    wait_until("it is left open", || server.parked() == 1);
    let start = Instant::now();
    publish(&server, "publish-bytes=a:200&publish-bytes=a:200&finish=a");
    let response = client.read_response();
    let due = Duration::from_millis(response.len() as u64 - 1);
    assert!(start.elapsed() >= due, "{} bytes in {:?}", response.len(), start.elapsed());
}

#[test]
fn a_client_that_reads_nothing_is_given_up_after_the_write_timeout() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "push_queue = 67_108_864");
    let server = TestServer::builder(routes).timeouts(|it| it.write = Duration::from_millis(200)).start();
    let _client = server.park("subscribe=a&write=one", OPEN);
    let published = "publish-bytes=a:65536&".repeat(500);
    assert!(server.get(&format!("/script?{published}body=done")).starts_with("HTTP/1.1 200 OK\r\n"));
    wait_until("it is given up", || server.closed(CloseReason::WriteTimeout) == 1);
    assert_eq!(server.parked(), 0);
}

#[test]
fn a_client_that_goes_is_noticed_at_once() {
    let server = TestServer::serving(guest::SCRIPT);
    let closes = server.park("subscribe=a&write=one", OPEN);
    let socket = TcpStream::connect(server.address()).expect("the server accepts");
    SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("a socket can be reset");
    let mut resets = server.over(socket);
    resets.send(get_script("subscribe=a&write=one&manual"));
    resets.expect(OPEN);
    wait_until("both are left open", || server.parked() == 2);
    drop((closes, resets));
    wait_until("both are gone", || server.parked() == 0);
    wait_until("and counted", || {
        (server.closed(CloseReason::ClientClosed), server.closed(CloseReason::ClientGone)) == (1, 1)
    });
    assert!(server.get("/script?publish=a:x&report").contains("publish: 0\n"));
}

#[test]
fn past_max_parked_another_parked_response_is_answered_503_or_truncated() {
    let routes = RoutesDir::new().with_as("one_too_many.wasm", guest::SCRIPT);
    let server = TestServer::builder(routes).limits(|limits| limits.max_parked = 1).start();
    let first = server.park("write=one", OPEN);
    wait_until("it is left open", || server.parked() == 1);
    let mut unwritten = server.connect();
    unwritten.send(get_script("manual"));
    unwritten.expect(&format!("{BUSY}\r\nService Unavailable\n"));
    unwritten.send(get_script("write=one&manual"));
    unwritten.expect(OPEN);
    assert_eq!(unwritten.read_to_end(), "", "no last chunk");
    log().wait_for(&["WARN", "handler one_too_many cannot leave its connection open", "--max-parked"]);
    drop(first);
    wait_until("the place is free", || server.parked() == 0);
    server.park("write=one", OPEN);
}

#[test]
fn a_response_without_a_chunk_for_park_timeout_is_ended_properly() {
    let server = serve("park_timeout = 0.1");
    for commands in ["write=one", "subscribe=a&write=one"] {
        let mut client = server.park(commands, OPEN);
        client.expect(LAST_CHUNK);
        client.send(get_script("body=next"));
        client.expect(ok_chunked!("4\r\nnext\r\n0\r\n\r\n"));
    }
}

#[test]
fn a_silent_event_stream_has_a_comment_at_each_heartbeat() {
    let by_option = serve("heartbeat = 1\ncontent_type = 'Text/Event-Stream; charset=utf-8'");
    let by_field = serve("heartbeat = 1");
    for (server, head) in [(by_option, ""), (by_field, "set=content-type:text/event-stream&")] {
        let mut client = server.connect();
        client.send(get_script(&format!("{head}write=%0A%0A&manual")));
        client.read_until("2\r\n\n\n\r\n");
        client.expect("3\r\n:\n\n\r\n3\r\n:\n\n\r\n");
    }
}

#[test]
fn an_event_stream_has_its_comments_between_events_alone() {
    let server = serve_two("heartbeat = 1\ncontent_type = 'text/event-stream'");
    // What the handler writes, what is published then and does not end the event, and what ends it.
    let cases = [
        ("data: Hel", "", "lo\n\n"),
        ("data: one\n", "", "data: two\n\n"),
        ("data: one\r\n", "", "\r\n"),
        ("data: one\r", "\n", "\r"),
        ("\n\n", "data: one\n", "\n"),
        ("\n\n", "data: Hel", "lo\r\r"),
    ];
    let encoded = |text: &str| text.replace('\n', "%0A").replace('\r', "%0D").replace(' ', "%20");
    let chunk = |text: &str| if text.is_empty() { String::new() } else { format!("{:x}\r\n{text}\r\n", text.len()) };
    let mut clients = Vec::new();
    for (number, (written, published, _)) in cases.into_iter().enumerate() {
        let mut client = server.connect();
        client.send(get_script(&format!("subscribe={number}&write={}&manual", encoded(written))));
        client.read_until("\r\n\r\n");
        client.expect(&chunk(written));
        if !published.is_empty() {
            wait_until("it is left open", || server.parked() > number);
            publish(&server, &format!("publish={number}:{}", encoded(published)));
            client.expect(&chunk(published));
        }
        clients.push(client);
    }
    clients[0].expect_silence(Duration::from_millis(1_500));
    for (number, (client, (.., end))) in clients.iter_mut().zip(cases).enumerate() {
        publish(&server, &format!("publish={number}:{}", encoded(end)));
        client.expect(&(chunk(end) + &chunk(":\n\n")));
    }
}

#[test]
fn an_event_stream_of_a_declared_length_has_no_comments() {
    let server = serve("heartbeat = 1\npark_timeout = 1.5\ncontent_type = 'text/event-stream'");
    let mut client = server.connect();
    client.send(get_script("set=content-length:9&write=one&manual"));
    let response = client.read_to_end();
    assert!(response.ends_with("\r\n\r\none"), "{response}");
}

#[test]
fn a_component_cannot_raise_the_limits_of_parked_responses() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let server = TestServer::builder(routes)
        .option("park_timeout", Value::Float(0.1))
        .option("push_queue", Value::Integer(1_000))
        .start();
    let mut client = server.park("write=one", OPEN);
    client.expect(LAST_CHUNK);
}

#[test]
fn a_server_that_stops_sends_what_has_queued_and_the_last_chunk() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut written = server.park("subscribe=a&write=one", OPEN);
    let mut unwritten = server.park("subscribe=a", "");
    wait_until("both are left open", || server.parked() == 2);
    publish_and_stop(&server);
    assert_eq!(written.read_to_end(), "3\r\ntwo\r\n0\r\n\r\n");
    assert_eq!(unwritten.read_to_end(), ok_chunked!("3\r\ntwo\r\n0\r\n\r\n"), "the head was sent before the stop");
    server.join();
}

fn publish_and_stop(server: &TestServer) {
    assert!(server.get("/script?publish=a:two&report").contains("publish: 2\n"));
    server.stop();
}

#[test]
fn a_response_of_which_nothing_was_sent_when_the_server_stops_is_a_503() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = server.park("subscribe=a", "");
    wait_until("it is left open", || server.parked() == 1);
    server.stop();
    assert_eq!(client.read_to_end(), format!("{BUSY}Connection: close\r\n\r\nService Unavailable\n"));
    drop(client);
    server.join();
}
