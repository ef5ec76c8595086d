//! Topics with history: what a client of an event stream gets that comes back, byte for byte.

use crate::support::wire::get_script;
use crate::support::{Client, Http2Client, RoutesDir, TestServer, guest, wait_until};

const STREAM: &str = "history = 3\ncontent_type = 'text/event-stream'\n";

/// `script` as an event stream, with this before the options of its history.
fn serve(options: &str) -> TestServer {
    TestServer::start(RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", &format!("{options}{STREAM}")))
}

/// What a handler reports that has run `commands`, a line for each.
#[track_caller]
fn report(server: &TestServer, commands: &str) -> String {
    let response = server.get(&format!("/script?{commands}&report"));
    response.rsplit("\r\n").nth(3).unwrap_or_default().to_owned()
}

/// Appends events with these data to the topic `a`, and returns their ids.
#[track_caller]
fn append(server: &TestServer, data: &[&str]) -> Vec<String> {
    let commands: Vec<String> = data.iter().map(|data| format!("event=a:{data}")).collect();
    let reported = report(server, &commands.join("&"));
    let ids = reported.lines().map(|line| line.strip_prefix("event: ").expect("it is appended").to_owned());
    ids.collect()
}

/// A client that reads the history of the topic `a` behind the event with this id.
#[track_caller]
fn resume(server: &TestServer, after: &str) -> Client {
    let mut client = server.connect();
    client.send(get_script(&format!("after=a{after}&write=%3A%0A%0A&manual")));
    client.read_until("3\r\n:\n\n\r\n");
    client
}

fn chunk(event: &str) -> String {
    format!("{:x}\r\n{event}\r\n", event.len())
}

fn event(id: &str, data: &str) -> String {
    chunk(&format!("id: {id}\ndata: {data}\n\n"))
}

fn reset(id: &str) -> String {
    chunk(&format!("id: {id}\nevent: reset\ndata:\n\n"))
}

#[test]
fn a_client_that_comes_back_gets_what_it_has_missed_and_what_follows() {
    let server = serve("");
    let mut client = resume(&server, "");
    let first = client.read_until("\n\n\r\n");
    let (_, epoch) = first.split_once("id: ").expect("it is told where it begins");
    let epoch = epoch.strip_suffix("-0\n\n\r\n").expect("nothing is appended yet");
    let ids = append(&server, &["one"]);
    assert_eq!(ids, [format!("{epoch}-1")]);
    client.expect(&event(&ids[0], "one"));
    drop(client);
    let missed = append(&server, &["two", "three"]);
    let mut client = resume(&server, &format!(":{}", ids[0]));
    client.expect(&(event(&missed[0], "two") + &event(&missed[1], "three")));
    let next = append(&server, &["four"]);
    client.expect(&event(&next[0], "four"));
    // One that has got no event yet comes back to where it began.
    let mut client = resume(&server, &format!(":{epoch}-1"));
    client.expect(&(event(&missed[0], "two") + &event(&missed[1], "three") + &event(&next[0], "four")));
}

#[test]
fn a_client_that_comes_back_too_late_or_from_elsewhere_is_reset() {
    let server = serve("");
    let ids = append(&server, &["1", "2", "3", "4", "5"]);
    let mut current = ids[4].clone();
    for lost in [&ids[0], "0123456789abcdef-5", "not%20an%20id"] {
        assert_eq!(report(&server, &format!("after=a:{lost}")), "after: false\n");
        let mut client = resume(&server, &format!(":{lost}"));
        client.expect(&reset(&current));
        current = append(&server, &["on"]).remove(0);
        client.expect(&event(&current, "on"));
    }
}

#[test]
fn events_are_kept_for_history_seconds() {
    let server = serve("history_seconds = 0.2\n");
    let ids = append(&server, &["one", "two"]);
    wait_until("they are too old", || report(&server, &format!("after=a:{}", ids[0])) == "after: false\n");
}

#[test]
fn a_slow_client_is_reset_and_neither_disconnected_nor_does_it_hold_up_others() {
    // So slow that hardly anything leaves.
    let slow = format!("path = '/script'\nrate = 200\nburst = 1\npush_queue = 1\n{STREAM}");
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", &slow);
    let routes = routes.with_as("appends.wasm", guest::SCRIPT);
    let server = TestServer::start(routes.with_file("appends.toml", &format!("path = '/script/'\n{STREAM}")));
    let mut client = server.connect();
    client.send(get_script("after=a&manual"));
    wait_until("it is left open", || server.parked() == 1);
    assert!(server.get("/script/?events=a:100").starts_with("HTTP/1.1 200 OK\r\n"));
    // What it gets are events in order, and a `reset` where some are missing.
    let received = client.read_until("event: reset\ndata:\n\n\r\n");
    let offsets = received.split("id: ").skip(1).filter_map(|event| {
        let offset = event.split(['-', '\n']).nth(1)?;
        offset.parse().ok()
    });
    let offsets: Vec<u64> = offsets.collect();
    let (reset, before) = offsets.split_last().expect("it was reset");
    assert!(before.iter().copied().eq(0..before.len() as u64) && *reset > before.len() as u64, "{offsets:?}");
    assert!(server.get("/script/?event=a:end").starts_with("HTTP/1.1 200 OK\r\n"));
    client.read_until("data: end\n\n\r\n");
    assert_eq!(server.parked(), 1);
}

#[test]
fn http2_has_the_same_events() {
    let server = serve("");
    let ids = append(&server, &["one", "two"]);
    let mut client = Http2Client::open(server.connect());
    client.get(1, &format!("/script?after=a:{}&manual", ids[0]));
    client.expect(&["HEADERS 1 :status=200 content-type=text/event-stream"]);
    let line = client.next();
    assert!(line.starts_with("DATA 1 ") && line.contains(&ids[1]) && line.contains("data: two"), "{line}");
}

#[test]
fn two_publishers_have_one_order() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let options = "history = 1_000\ncontent_type = 'text/event-stream'";
    let server = TestServer::start(routes.with_file("script.toml", options));
    let [mut one, mut other] = [resume(&server, ""), resume(&server, "")];
    std::thread::scope(|scope| {
        for publisher in ["x", "y"] {
            let server = &server;
            scope.spawn(move || {
                for number in 0..20 {
                    append(server, &[&format!("{publisher}{number}")]);
                }
            });
        }
    });
    let last = append(&server, &["end"]);
    let end = event(&last[0], "end");
    let received = one.read_until(&end);
    assert_eq!(received, other.read_until(&end));
    assert_eq!(received.matches("data: ").count(), 41);
}

#[test]
fn a_history_outlives_a_reload_of_its_route() {
    let server = serve("");
    let ids = append(&server, &["one", "two"]);
    server.routes().replace("script.toml", format!("status = 202\n{STREAM}"));
    server.reload();
    server.wait_for("/script", "202");
    let mut client = resume(&server, &format!(":{}", ids[0]));
    client.expect(&event(&ids[1], "two"));
}

#[test]
fn what_cannot_be_appended_or_read_gets_an_error() {
    let server = serve("");
    let cases = [
        ("raw-event=a:", "raw-event: invalid\n"),
        ("raw-event=a:data%3A%20x", "raw-event: invalid\n"),
        ("raw-event=a:id%3A%201%0A%0A", "raw-event: invalid\n"),
        ("raw-event=a:data%3A%201%0A%0Adata%3A%202%0A%0A", "raw-event: invalid\n"),
        ("event=%00:x", "event: invalid\n"),
        ("after=%00", "after: invalid\n"),
        ("after=b&after=c", "after: true\nafter: invalid\n"),
        ("after=b:0123456789abcdef-0", "after: false\n"),
    ];
    for (commands, reported) in cases {
        assert_eq!(report(&server, commands), reported, "{commands}");
    }
    let keeps_nothing = TestServer::serving(guest::SCRIPT);
    assert_eq!(report(&keeps_nothing, "event=a:x&after=a"), "event: forbidden\nafter: true\n");
}

#[test]
fn a_plain_subscriber_gets_events_without_ids_and_a_reader_gets_what_is_published() {
    let server = serve("");
    let mut plain = server.connect();
    plain.send(get_script("subscribe=a&write=%3A%0A%0A&manual"));
    plain.read_until("3\r\n:\n\n\r\n");
    let mut reader = resume(&server, "");
    reader.read_until("-0\n\n\r\n");
    assert_eq!(report(&server, "publish=a:typing"), "publish: 2\n");
    plain.expect("6\r\ntyping\r\n");
    reader.expect("6\r\ntyping\r\n");
    let ids = append(&server, &["one"]);
    plain.expect("b\r\ndata: one\n\n\r\n");
    reader.expect(&event(&ids[0], "one"));
}
