//! What handlers publish, and how it reaches the responses that other handlers left open.

use std::num::NonZeroUsize;

use crate::support::wire::get_script;
use crate::support::{Client, RoutesDir, TestServer, guest};

const OPEN: &str = ok_chunked!("3\r\none\r\n");
const NEXT: &str = ok_chunked!("4\r\nnext\r\n0\r\n\r\n");

/// What a handler reports that has run `commands`, a line for each.
#[track_caller]
fn report(server: &TestServer, commands: &str) -> String {
    let response = server.get(&format!("/script?{commands}&report"));
    response.rsplit("\r\n").nth(3).unwrap_or_default().to_owned()
}

/// The next request on the connection is answered.
#[track_caller]
fn expect_next(mut client: Client) {
    client.send(get_script("body=next"));
    client.expect(NEXT);
}

#[test]
fn a_published_chunk_reaches_the_subscribers_and_nobody_else() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut clients = ["a", "a", "b"].map(|topic| server.park(&format!("subscribe={topic}&write=one"), OPEN));
    assert_eq!(report(&server, "publish=a:two&publish=b:three&publish=c:four"), "publish: 2\npublish: 1\npublish: 0\n");
    for (client, chunk) in clients.iter_mut().zip(["3\r\ntwo\r\n", "3\r\ntwo\r\n", "5\r\nthree\r\n"]) {
        client.expect(chunk);
    }
    assert_eq!((server.pushed().reached, server.pushed().dropped, server.parked()), (3, 0, 3));
}

#[test]
fn workers_reach_the_connections_of_each_other() {
    let workers = NonZeroUsize::MIN.saturating_add(1);
    let server = TestServer::builder(RoutesDir::new().with(guest::SCRIPT)).workers(workers).start();
    let mut clients = [(); 4].map(|()| server.park("subscribe=a&write=one", OPEN));
    for (text, chunk) in [("two", "3\r\ntwo\r\n"), ("three", "5\r\nthree\r\n")] {
        assert_eq!(report(&server, &format!("publish=a:{text}")), "publish: 4\n");
        clients.iter_mut().for_each(|client| client.expect(chunk));
    }
    assert_eq!(report(&server, "finish=a"), "finish: 4\n");
    for mut client in clients {
        client.expect("0\r\n\r\n");
        expect_next(client);
    }
}

#[test]
fn a_finished_response_has_its_last_chunk_and_the_connection_lives() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = server.park("subscribe=a&subscribe=b&write=one", OPEN);
    let reported = report(&server, "publish=a:two&finish=b&publish=a:three&finish=a");
    assert_eq!(reported, "publish: 1\nfinish: 1\npublish: 0\nfinish: 0\n");
    client.expect("3\r\ntwo\r\n0\r\n\r\n");
    expect_next(client);
    assert_eq!(server.parked(), 0);
}

#[test]
fn the_first_chunk_sends_the_head_where_nothing_was_written() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut published = server.park("status=201&set=x:y&subscribe=a", "");
    let mut finished = server.park("subscribe=b", "");
    let repeat_until_it_reaches_one = |commands: &str| while !report(&server, commands).ends_with(": 1\n") {};
    repeat_until_it_reaches_one("publish=a:two");
    repeat_until_it_reaches_one("finish=b");
    published.expect(
        "HTTP/1.1 201 Created\r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\nx: y\r\n\
         Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n",
    );
    finished.expect(ok_chunked!("0\r\n\r\n"));
    expect_next(finished);
}

#[test]
fn a_chunk_that_many_share_is_framed_as_each_response_is() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_as("plain.wasm", guest::SCRIPT);
    let routes = routes.with_file("plain.toml", "path = '/plain'\nchunked = false");
    let server = TestServer::start(routes);
    let cases = [
        ("GET /script?subscribe=a&write=one&manual HTTP/1.0\r\n\r\n", ok!("Connection: close\r\n", "one"), "two"),
        (get!("/plain?subscribe=a&write=one&manual"), ok!("Connection: close\r\n", "one"), "two"),
        (
            get_and_close!("/script?subscribe=a&set=content-length:9&write=one&manual"),
            ok!("Content-Length: 9\r\nConnection: close\r\n", "one"),
            "two",
        ),
        (get_and_close!("/script?subscribe=a&write=one&manual"), ok_chunked_close!("3\r\none\r\n"), "3\r\ntwo\r\n"),
    ];
    let mut clients = cases.map(|(request, response, chunk)| {
        let mut client = server.connect();
        client.send(request);
        client.expect(response);
        (client, chunk)
    });
    assert_eq!(report(&server, "publish=a:two"), "publish: 4\n");
    clients.iter_mut().for_each(|(client, chunk)| client.expect(chunk));
    assert_eq!(report(&server, "publish=a:end&finish=a"), "publish: 4\nfinish: 4\n");
    let ends = clients.map(|(mut client, _)| client.read_to_end());
    assert_eq!(ends, ["end", "end", "end", "3\r\nend\r\n0\r\n\r\n"]);
}

#[test]
fn a_response_ends_at_its_declared_length_and_is_truncated_if_more_is_published() {
    let server = TestServer::serving(guest::SCRIPT);
    let head = ok!("Content-Length: 6\r\n", "one");
    let mut complete = server.park("subscribe=a&set=content-length:6&write=one", head);
    assert_eq!(report(&server, "publish=a:two"), "publish: 1\n");
    complete.expect("two");
    expect_next(complete);
    let mut cut = server.park("subscribe=b&set=content-length:6&write=one", head);
    assert_eq!(report(&server, "publish=b:three"), "publish: 1\n");
    assert_eq!(cut.read_to_end(), "");
}

#[test]
fn a_response_to_head_is_complete_with_the_first_chunk() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = server.connect();
    client.send("HEAD /script?subscribe=a&manual HTTP/1.1\r\nHost: it\r\n\r\n");
    while report(&server, "publish=a:two") != "publish: 1\n" {}
    client.expect(ok_chunked!(""));
    expect_next(client);
}

#[test]
fn what_is_published_while_the_handler_runs_is_sent_once_it_has_returned_manual() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = server.connect();
    let commands = "subscribe=a&publish=a:own&write=one&read-one=1&write=late&manual";
    client.send(format!("POST /script?{commands} HTTP/1.1\r\nHost: it\r\nContent-Length: 1\r\n\r\n"));
    client.expect(OPEN);
    assert_eq!(report(&server, "publish=a:two&finish=a"), "publish: 1\nfinish: 1\n");
    client.send("x");
    client.expect("4\r\nlate\r\n3\r\nown\r\n3\r\ntwo\r\n0\r\n\r\n");
    expect_next(client);
}

#[test]
fn a_handler_that_returns_anything_else_than_manual_has_subscribed_for_nothing() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = server.connect();
    client.send(get_script("subscribe=a&publish=a:own&body=next"));
    client.expect(NEXT);
    assert_eq!(report(&server, "publish=a:two"), "publish: 0\n");
    expect_next(client);
}

#[test]
fn a_client_that_sends_while_its_response_is_parked_loses_keep_alive() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut eager = server.park("subscribe=a&write=one", OPEN);
    eager.send(get_script("body=two"));
    // The worker answers this one after it has read what came before it.
    assert_eq!(report(&server, "publish=a:two"), "publish: 1\n");
    eager.expect("3\r\ntwo\r\n");
    assert_eq!(report(&server, "finish=a"), "finish: 1\n");
    assert_eq!(eager.read_to_end(), "0\r\n\r\n");
}

#[test]
fn a_client_whose_body_is_incomplete_when_its_response_is_parked_loses_keep_alive() {
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = server.connect();
    client.send("POST /script?subscribe=a&write=one&manual HTTP/1.1\r\nHost: it\r\nContent-Length: 9\r\n\r\n");
    client.expect(OPEN);
    assert_eq!(report(&server, "finish=a"), "finish: 1\n");
    assert_eq!(client.read_to_end(), "0\r\n\r\n");
}

#[test]
fn topics_and_chunks_past_their_bounds_get_an_error() {
    let server = TestServer::serving(guest::SCRIPT);
    let longest = "x".repeat(128);
    let cases = [
        ("subscribe=", "subscribe: invalid\n"),
        ("subscribe=a%0Ab", "subscribe: invalid\n"),
        (&format!("subscribe={longest}"), "subscribe: ok\n"),
        (&format!("subscribe={longest}x"), "subscribe: invalid\n"),
        ("finish=%7F&publish=%00:x", "finish: invalid\npublish: invalid\n"),
        ("publish=a:", "publish: invalid\n"),
        ("publish-bytes=a:65536", "publish-bytes: 0\n"),
        ("publish-bytes=a:65537", "publish-bytes: too-large\n"),
    ];
    for (commands, reported) in cases {
        assert_eq!(report(&server, commands), reported, "{commands}");
    }
    let topics: String = (0..33).map(|number| format!("subscribe={number}&")).collect();
    let reported = report(&server, &format!("{topics}subscribe=0"));
    assert_eq!(reported, "subscribe: ok\n".repeat(32) + "subscribe: too-large\nsubscribe: ok\n");
}

#[test]
fn a_response_that_is_over_subscribes_to_nothing_and_may_publish() {
    let server = TestServer::start(RoutesDir::new().with_as("over_and_subscribes.wasm", guest::SCRIPT));
    server.get("/script?end&subscribe=a&publish=a:x&finish=a&stderr=over:&log");
    for line in ["subscribe: closed", "publish: 0", "finish: 0"] {
        crate::support::log().wait_for(&["over_and_subscribes", line]);
    }
}
