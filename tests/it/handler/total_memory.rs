//! How much memory all components and clients together make the host keep.

use std::num::NonZeroUsize;
use std::time::Duration;

use host::close_reason::CloseReason;

use crate::support::websocket::{BINARY, LAST_PART, TEXT, TEXT_PART, masked};
use crate::support::{Client, RoutesDir, TestServer, assemble, guest, log, wait_until};

const MIB: usize = 1024 * 1024;

/// The first byte of a part of a message that is neither the first nor the last.
const MIDDLE_PART: u8 = 0x00;

/// `script` at `/a` and `/b`, where `/a` has these options, and `hello`.
fn routes(options: &str) -> RoutesDir {
    let routes = RoutesDir::new().with_as("a.wasm", guest::SCRIPT).with_as("b.wasm", guest::SCRIPT).with(guest::HELLO);
    routes.with_file("a.toml", &format!("path = '/a'\n{options}")).with_file("b.toml", "path = '/b'")
}

/// A server that may keep 64 MiB. Where a client has gone its handler ends soon.
fn small(routes: RoutesDir) -> TestServer {
    let server = TestServer::builder(routes).limits(|limits| limits.max_memory = 64 * MIB);
    server.timeouts(|timeouts| timeouts.half_close = Duration::from_millis(50)).start()
}

fn get(server: &TestServer, target: &str) -> Client {
    let mut client = server.connect();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: it\r\n\r\n"));
    client
}

#[track_caller]
fn hello_is_served(server: &TestServer) {
    assert!(server.get("/hello").starts_with("HTTP/1.1 200 "));
}

/// Holds as many bytes, until it is dropped.
#[track_caller]
fn hold(server: &TestServer, path: &str, bytes: usize) -> Client {
    let mut client = get(server, &format!("{path}?allocate={bytes}&log&write=in&sleep=3600000"));
    client.read_until("2\r\nin\r\n");
    client
}

#[test]
fn a_guest_that_grows_past_what_there_is_is_refused_as_by_its_own_limit() {
    let server = small(routes("share = 100"));
    let answer = server.get(&format!("/a?allocate={}&allocate={}&report", 100 * MIB, 20 * MIB));
    assert!(answer.contains("allocate: refused\nallocate: ok\n"), "{answer}");
    // What is left of the first is for the next.
    let answer = server.get(&format!("/a?allocate={}&report", 50 * MIB));
    assert!(answer.contains("allocate: ok\n"), "{answer}");
}

#[test]
fn guests_together_take_no_more_than_there_is_and_others_run_meanwhile() {
    let server = small(routes("share = 100"));
    let held: Vec<Client> = (0..3).map(|_| hold(&server, "/a", 15 * MIB)).collect();
    let in_use = server.memory_in_use();
    assert!((45 * MIB..52 * MIB).contains(&in_use), "{in_use}");
    let answer = server.get(&format!("/a?allocate={}&report", 19 * MIB));
    assert!(answer.contains("allocate: refused\n"), "{answer}");
    hello_is_served(&server);
    drop(held);
}

#[test]
fn the_log_says_why_a_guest_that_cannot_do_without_has_trapped() {
    let routes = RoutesDir::new().with_as("eats_all.wasm", guest::EAT_MEMORY);
    let server = small(routes.with(guest::HELLO).with_file("eats_all.toml", "path = '/eat_memory'\nshare = 100"));
    assert!(server.get("/eat_memory").starts_with("HTTP/1.1 500 "));
    log().wait_for(&["handler eats_all was refused memory", "--max-memory"]);
    hello_is_served(&server);
}

/// Clients of handlers that have written and sleep: as many as there is memory for, until one is answered 503.
#[track_caller]
fn hold_until_refused(server: &TestServer) -> Vec<Client> {
    let mut held = Vec::new();
    let refused = loop {
        let mut client = get(server, "/a?write=in&sleep=3600000");
        let head = client.read_until("\r\n\r\n");
        if !head.starts_with("HTTP/1.1 200 ") {
            break head;
        }
        held.push(client);
        assert!(held.len() < 100, "none is refused");
    };
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("\r\nRetry-After: 1\r\n"), "{refused}");
    held
}

#[test]
fn a_request_that_there_is_no_memory_for_waits_and_is_answered_503() {
    let server = small(routes("share = 100"));
    let _first = hold(&server, "/a", 50 * MIB);
    let _others = hold_until_refused(&server);
    log().wait_for(&["handler a was not run: as much memory as --max-memory allows is in use"]);
}

#[test]
fn a_request_that_waits_is_served_once_there_is_memory() {
    let server = small(routes("share = 100"));
    // Each holds what the other needs, for less than a request waits.
    let hog = |path: &str| get(&server, &format!("{path}?allocate={}&write=in&sleep=200&body=end", 55 * MIB));
    let mut first = hog("/a");
    first.read_until("2\r\nin\r\n");
    let mut rest: Vec<Client> = (0..20).map(|_| get(&server, "/b?sleep=200&body=end")).collect();
    first.read_until("end\r\n");
    for client in &mut rest {
        assert!(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn a_route_that_takes_all_the_memory_it_can_leaves_some_to_others() {
    let server = small(routes(""));
    let held: Vec<Client> = (0..10).map(|_| hold(&server, "/a", 8 * MIB)).collect();
    let answer = server.get(&format!("/b?allocate={}&report", 8 * MIB));
    assert!(answer.contains("allocate: ok\n"), "{answer}");
    hello_is_served(&server);
    drop(held);
}

#[test]
fn bodies_that_nobody_reads_count() {
    let server = small(routes("share = 100"));
    let mut crowd: Vec<Client> = (0..10).map(|_| get(&server, &format!("/a?body-bytes={}", 20 * MIB))).collect();
    let heads: Vec<String> = crowd.iter_mut().map(|client| client.read_until("\r\n\r\n")).collect();
    let served = heads.iter().filter(|head| head.starts_with("HTTP/1.1 200 ")).count();
    assert!((1..=3).contains(&served), "{served}");
    hello_is_served(&server);
    drop(crowd);
    server.wait_for(&format!("/a?body-bytes={}", 20 * MIB), "200");
}

#[test]
fn chunks_that_queue_for_who_does_not_read_count() {
    let options = "push_queue = 67_108_864\npublish_rate = 0\nshare = 100";
    let server = TestServer::builder(routes(options)).limits(|limits| limits.max_memory = 32 * MIB);
    let server = server.timeouts(|timeouts| timeouts.write = Duration::from_secs(3600)).start();
    let mut client = get(&server, "/a?subscribe=t&write=one&manual");
    client.read_until("one\r\n");
    wait_until("it is left open", || server.parked() == 1);
    // Less than its queue may have.
    let published = "publish-bytes=t:65536&".repeat(100);
    for _ in 0..8 {
        assert!(server.get(&format!("/a?{published}body=done")).starts_with("HTTP/1.1 200 "));
    }
    wait_until("it lags", || server.closed(CloseReason::Lagging) == 1);
    hello_is_served(&server);
}

#[test]
fn a_component_behind_middleware_that_there_is_no_memory_for_is_answered_503() {
    let routes = routes("share = 100").with_as("c/c.wasm", guest::SCRIPT).with_file("c/c.toml", "path = '/c'");
    let routes = routes.with_as("c/_middleware.wasm", guest::LAYER).with_file("c/_middleware.toml", "name = 'm'");
    let server = small(routes);
    let mut held = vec![hold(&server, "/a", 55 * MIB)];
    loop {
        let mut client = get(&server, "/a?write=in&sleep=3600000");
        if !client.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 ") {
            break;
        }
        held.push(client);
    }
    assert!(server.get("/c?body=x").starts_with("HTTP/1.1 503 "));
    drop(held);
    server.wait_for("/c?body=x", "200");
}

#[test]
fn a_route_whose_bodies_nobody_reads_leaves_memory_to_others() {
    let server = small(routes(""));
    let bodies: Vec<Client> = (0..10)
        .map(|_| {
            let mut client = get(&server, &format!("/a?body-bytes={}", 8 * MIB));
            client.read_until("\r\n\r\n");
            client
        })
        .collect();
    let answer = server.get(&format!("/b?allocate={}&report", 8 * MIB));
    assert!(answer.contains("allocate: ok\n"), "{answer}");
    drop(bodies);
}

#[test]
fn bodies_of_instances_that_are_reused_count_too() {
    let server = small(routes("share = 100\nreuse = 1000"));
    let target = format!("/a?body-bytes={}", 9 * MIB);
    let mut crowd: Vec<Client> = Vec::new();
    let statuses: Vec<bool> = (0..12)
        .map(|_| {
            let mut client = get(&server, &target);
            let head = client.read_until("\r\n\r\n");
            crowd.push(client);
            head.starts_with("HTTP/1.1 200 ")
        })
        .collect();
    assert!(statuses.contains(&true) && statuses.contains(&false), "{statuses:?}");
    let in_use = server.memory_in_use();
    assert!(in_use < 74 * MIB, "one body more than there is at most: {in_use}");
    hello_is_served(&server);
}

#[test]
fn instances_that_wait_for_requests_make_room_on_all_workers() {
    let options = "reuse = 1000\nshare = 100";
    let routes =
        routes(options).with_file("b.toml", &format!("path = '/b'\n{options}")).with_as("c.wasm", guest::SCRIPT);
    let server = TestServer::builder(routes.with_file("c.toml", "path = '/c'\nshare = 100"));
    let server = server.workers(NonZeroUsize::new(2).expect("it is above 0"));
    let server = server.limits(|limits| limits.max_memory = 64 * MIB).start();
    // Each connection is another worker's.
    let mut clients = [server.connect(), server.connect()];
    for (client, path) in clients.iter_mut().zip(["/a", "/b"]) {
        client.send(format!("GET {path}?allocate={}&body=kept HTTP/1.1\r\nHost: it\r\n\r\n", 25 * MIB));
        client.read_until("kept\r\n0\r\n\r\n");
    }
    wait_until("one makes room for the other", || server.memory_in_use() < 40 * MIB);
    let answer = server.get(&format!("/c?allocate={}&report", 30 * MIB));
    assert!(answer.contains("allocate: ok\n"), "{answer}");
}

#[test]
fn tables_count() {
    // 16 tables of 100,000 elements, 8 bytes each.
    let tables: String = (0..16).map(|_| "(table 100000 funcref) ".to_owned()).collect();
    let sleeps = assemble(&guest::PLAIN_WAT.replacen("(memory", &format!("{tables}(memory"), 1));
    let server = small(RoutesDir::new().with_bytes("tables.wasm", &sleeps));
    assert!(server.diagnostics().is_empty(), "{:?}", server.diagnostics());
    assert!(server.get("/tables").starts_with("HTTP/1.1 200 "));
    wait_until("they are given back", || server.memory_in_use() == 0);
    let tiny = TestServer::builder(RoutesDir::new().with_bytes("tables.wasm", &sleeps));
    let tiny = tiny.limits(|limits| limits.max_memory = 8 * MIB).start();
    assert!(tiny.get("/tables").starts_with("HTTP/1.1 503 "));
}

#[test]
fn a_component_that_begins_with_more_than_there_is_is_told_so_when_it_is_loaded() {
    let server = TestServer::builder(RoutesDir::new().with(guest::HELLO)).limits(|limits| limits.max_memory = 65_536);
    let server = server.start();
    let diagnostics: Vec<String> = server.diagnostics().iter().map(ToString::to_string).collect();
    let told = diagnostics.join("\n");
    assert!(told.contains("bytes when it starts, and --max-memory is 65536"), "{told}");
    assert!(server.get("/hello").starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_large_buffer_size_counts_for_each_slow_reader() {
    let server = small(routes("buffer_size = 1_048_576\nshare = 100"));
    let held = hold_until_refused(&server);
    assert!(held.len() < 22, "3 MiB of buffers each, beside the instance: {}", held.len());
    drop(held);
    server.wait_for("/a?body=x", "200");
}

/// WebSockets of `messages` whose messages may be large.
fn large_messages(share: u32) -> TestServer {
    let routes = RoutesDir::new().with(guest::MESSAGES).with(guest::HELLO);
    let options = format!("max_message = 33_554_432\nshare = {share}");
    small(routes.with_file("messages.toml", &options))
}

#[test]
fn parts_of_messages_count_and_a_websocket_that_there_is_no_memory_for_is_closed() {
    let server = large_messages(50);
    let part = vec![b'x'; MIB];
    let mut crowd: Vec<Client> = (0..8).map(|_| server.connect()).collect();
    crowd.iter_mut().for_each(|client| client.open_websocket("/messages"));
    for client in &mut crowd {
        // Neither a frame of 31 MiB nor ten parts of one are whole.
        let _ = client.try_send(masked(TEXT_PART, &part));
        for _ in 0..9 {
            let _ = client.try_send(masked(MIDDLE_PART, &part));
        }
        let whole = masked(LAST_PART, &vec![b'x'; 20 * MIB]);
        let _ = client.try_send(&whole[..9 * MIB]);
    }
    wait_until("some are closed", || server.closed(CloseReason::Overloaded) > 3);
    let in_use = server.memory_in_use();
    assert!(in_use < 40 * MIB, "{in_use}");
    hello_is_served(&server);
    drop(crowd);
    wait_until("it is given back", || server.memory_in_use() == 0);
    log().wait_for(&[
        "handler messages was not run: its route has as much memory as its `share` of --max-memory allows",
    ]);
}

#[test]
fn replies_that_nobody_reads_count() {
    let server = large_messages(100);
    let mut client = server.connect();
    client.open_websocket("/messages");
    client.send_frame(TEXT, format!("bytes={}", 16 * MIB));
    // The head of the frame: the rest is more than the system takes.
    client.read_exactly(2);
    wait_until("the reply is counted", || server.memory_in_use() >= 16 * MIB);
    drop(client);
    wait_until("it is given back", || server.memory_in_use() == 0);
}

#[test]
fn however_an_invocation_ends_its_memory_is_given_back() {
    let routes = routes("timeout = 0.2").with(guest::MESSAGES);
    let routes = routes.with_as("c/c.wasm", guest::SCRIPT).with_file("c/c.toml", "path = '/c'");
    let routes = routes.with_as("c/_middleware.wasm", guest::LAYER).with_file("c/_middleware.toml", "name = 'a'");
    let routes =
        routes.with_as("d.wasm", guest::SCRIPT).with_file("d.toml", "path = '/d'\ncpu = 20\nmemory = 8_388_608");
    let server =
        small(routes.with_as("eats.wasm", guest::EAT_MEMORY).with_file("eats.toml", "path = '/eats'\nshare = 100"));
    let given_back =
        |after: &str| wait_until(&format!("it is given back after {after}"), || server.memory_in_use() == 0);
    given_back("the start");
    let ends = [
        "/a?body=x",
        "/a?write=x",
        "/a?body-bytes=20000000",
        "/a?allocate=20000000&write-bytes=5000000&end&body-bytes=5000000",
        "/a?close",
        "/a?write=x&close",
        "/a?trap",
        "/a?write=x&trap",
        "/a?panic=x",
        "/a?fail=x",
        "/a?set=content-length:5&body=x",
        "/a?sleep=3600000",
        "/a?write=x&sleep=3600000",
        "/a?spin",
        "/a?allocate=60000000&allocate=60000000&report",
        "/a?allocate=30000000&trap",
        "/a?field-of=100000000",
        "/d?spin",
        "/d?allocate=20000000&report",
        "/eats",
        "/c?body=x",
        "/c?body-bytes=20000000",
        "/c?a=body:x",
        "/c?a=trap",
        "/c?a=fail:x",
        "/c?a=close",
        "/c?a-response=trap",
        "/c?body=x&a-response=close-now",
        "/c?trap",
        "/none",
    ];
    for target in ends {
        // One reads all, one is gone at once, one is gone after the first bytes.
        let mut client = server.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n"));
        client.read_until_end();
        given_back(target);
        drop(get(&server, target));
        let mut client = get(&server, target);
        let _ = client.read_some();
        client.reset();
        given_back(target);
    }
    let mut upload = server.connect();
    upload.send("POST /a?allocate=10000000&read HTTP/1.1\r\nHost: it\r\nContent-Length: 9\r\n\r\nhalf");
    drop(upload);
    given_back("half a body");
    let mut listener = get(&server, "/a?subscribe=t&write=one&manual");
    listener.read_until("one\r\n");
    wait_until("it is left open", || server.parked() == 1);
    assert!(server.get("/a?publish-bytes=t:65536&publish-bytes=t:65536&body=x").starts_with("HTTP/1.1 200 "));
    drop(listener);
    given_back("a response that was left open");
    for message in ["echo=x", "bytes=60000", "fail=x", "close", "nothing", "trap"] {
        let mut client = server.connect();
        client.open_websocket("/messages");
        client.send_frame(TEXT, message);
        let _ = client.read_some();
        drop(client);
        given_back(message);
        let mut client = server.connect();
        client.open_websocket("/messages");
        client.send_frame(TEXT, message);
        client.send_frame(BINARY, vec![0; 60_000]);
        client.reset();
        given_back(message);
    }
}

#[test]
fn an_instance_that_is_reused_is_counted_once() {
    let server = small(routes("reuse = 1000"));
    for target in ["/a?allocate=5000000&body=x", "/a?body=x", "/a?write=x&sleep=1&body=x"] {
        assert!(server.get(target).starts_with("HTTP/1.1 200 "));
    }
    let in_use = server.memory_in_use();
    assert!((5_000_000..8_000_000).contains(&in_use), "{in_use}");
    for _ in 0..50 {
        assert!(server.get("/a?body=x").starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(server.memory_in_use(), in_use);
    assert!(server.get("/a?trap").starts_with("HTTP/1.1 500 "));
    wait_until("it is given back", || server.memory_in_use() == 0);
}
