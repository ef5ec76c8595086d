//! Topics with history that several hosts share.

use std::cell::RefCell;

use super::*;
use crate::support::Client;
use crate::support::wire::get_script;

const STREAM: &str = "history = 1_000\ncontent_type = 'text/event-stream'\n";

/// A host with `script` as an event stream, once it is connected.
fn streaming(redis: &Redis) -> TestServer {
    streaming_with(redis, STREAM)
}

fn streaming_with(redis: &Redis, options: &str) -> TestServer {
    let server = serve(&redis.url(), "vibrato", RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", options));
    wait_for_engine(&server);
    server
}

/// Appends an event to the topic `a`, and returns its id.
#[track_caller]
fn append(server: &TestServer, data: &str) -> String {
    append_to(server, "a", data)
}

#[track_caller]
fn append_to(server: &TestServer, topic: &str, data: &str) -> String {
    let reported = report(server, &format!("event={topic}:{data}"));
    let id = reported.trim_end().strip_prefix("event: ").expect("it reports");
    assert!(id.contains('-') && id != "too-large", "{reported}");
    id.to_owned()
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

#[test]
fn a_client_that_comes_back_to_another_host_gets_what_it_has_missed() {
    let redis = redis!(Redis::start());
    let hosts = [streaming(&redis), streaming(&redis)];
    let mut client = resume(&hosts[0], "");
    client.read_until("-0\n\n\r\n");
    let first = append(&hosts[1], "one");
    client.expect(&event(&first, "one"));
    drop(client);
    let missed = [append(&hosts[0], "two"), append(&hosts[1], "three")];
    let mut client = resume(&hosts[1], &format!(":{first}"));
    client.expect(&(event(&missed[0], "two") + &event(&missed[1], "three")));
    let next = append(&hosts[0], "four");
    client.expect(&event(&next, "four"));
}

#[test]
fn readers_of_all_hosts_have_the_events_of_all_hosts_in_one_order() {
    let redis = redis!(Redis::start());
    let hosts = [streaming(&redis), streaming(&redis), streaming(&redis)];
    let mut clients = hosts.each_ref().map(|host| resume(host, ""));
    for client in &mut clients {
        client.read_until("-0\n\n\r\n");
    }
    std::thread::scope(|scope| {
        for (number, host) in hosts.iter().enumerate() {
            scope.spawn(move || {
                for event in 0..20 {
                    append(host, &format!("{number}.{event}"));
                }
            });
        }
    });
    let end = event(&append(&hosts[0], "end"), "end");
    let [one, others @ ..] = clients.each_mut().map(|client| client.read_until(&end));
    assert!(others.iter().all(|other| *other == one), "{one}\n{others:?}");
    assert_eq!(one.matches("data: ").count(), 61);
}

#[test]
fn those_who_read_no_history_get_its_events_once_and_without_an_id_on_every_host() {
    let redis = redis!(Redis::start());
    let hosts = [streaming(&redis), streaming(&redis)];
    let head =
        "HTTP/1.1 200 OK\r\nDate: <date>\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut plain = hosts.each_ref().map(|host| host.park("subscribe=a&write=one", &format!("{head}3\r\none\r\n")));
    wait_for_subscribers(&redis, "a", 2);
    let _reader = resume(&hosts[0], "");
    for data in ["x", "y"] {
        append(&hosts[1], data);
        plain.iter_mut().for_each(|client| client.expect(&chunk(&format!("data: {data}\n\n"))));
    }
}

#[test]
fn without_the_engine_nothing_is_appended_or_read_and_who_reads_goes_on_afterwards() {
    // It keeps what it has on its disk.
    let mut redis = redis!(Redis::with(&["--appendonly", "yes", "--appendfsync", "always"]));
    let server = streaming(&redis);
    let mut client = resume(&server, "");
    client.read_until("-0\n\n\r\n");
    let first = append(&server, "one");
    client.expect(&event(&first, "one"));
    redis.kill();
    wait_until("it is noticed", || !stats(&server).is_up);
    assert_eq!(report(&server, "event=a:x&after=b"), "event: unavailable\nafter: unavailable\n");
    assert_eq!(server.parked(), 1);
    redis.run();
    wait_for_engine(&server);
    // Another run of the engine may have lost events, so it is another history.
    let next = append(&server, "two");
    let received = client.read_until(&format!("id: {next}\n"));
    let last = append(&server, "three");
    let received = received + &client.read_until(&event(&last, "three"));
    assert!(received.contains("event: reset\n"), "{received}");
    assert_ne!(first.split_once('-').map(|id| id.0), next.split_once('-').map(|id| id.0));
}

#[test]
fn an_engine_whose_connection_breaks_loses_no_event() {
    let redis = redis!(Redis::start());
    let hosts = [streaming(&redis), streaming(&redis)];
    let mut client = resume(&hosts[0], "");
    client.read_until("-0\n\n\r\n");
    let mut expected = String::new();
    for round in 0..5 {
        redis.ask("CLIENT KILL TYPE pubsub");
        // Appended while hosts are without a connection, or with one: whoever appended it knows that it is there.
        for number in 0..10 {
            let data = format!("{round}.{number}");
            let id = RefCell::default();
            wait_until("it is appended", || {
                id.replace(report(&hosts[1], &format!("event=a:{data}")).trim_end().replace("event: ", ""));
                id.borrow().contains('-')
            });
            expected += &event(&id.into_inner(), &data);
        }
    }
    let end = append(&hosts[1], "end");
    let received = client.read_until(&event(&end, "end"));
    // An event whose answer was lost with the connection is there twice, with two ids.
    let known: Vec<&str> = expected.split("id: ").skip(1).collect();
    assert!(known.iter().all(|event| received.contains(event.split('\n').next().unwrap_or_default())), "{received}");
    let offsets: Vec<u64> =
        received.split("id: ").skip(1).filter_map(|event| event.split(['-', '\n']).nth(1)?.parse().ok()).collect();
    assert!(offsets.iter().copied().eq(1..=offsets.len() as u64), "{offsets:?}");
}

#[test]
fn after_the_engine_was_emptied_the_next_event_resets_every_reader() {
    let redis = redis!(Redis::start());
    let hosts = [streaming(&redis), streaming(&redis)];
    let mut clients = hosts.each_ref().map(|host| resume(host, ""));
    append(&hosts[0], "one");
    clients.iter_mut().for_each(|client| drop(client.read_until("data: one\n\n\r\n")));
    assert_eq!(redis.ask("FLUSHALL"), "+OK");
    append(&hosts[1], "two");
    for client in &mut clients {
        let received = client.read_until("event: reset\ndata:\n\n\r\n");
        assert!(!received.contains("two"), "{received}");
    }
}

#[test]
fn events_that_the_engine_no_longer_keeps_are_a_reset() {
    let redis = redis!(Redis::start());
    let hosts = [(); 2].map(|()| streaming_with(&redis, "history = 2\ncontent_type = 'text/event-stream'\n"));
    let ids: Vec<String> = (0..5).map(|number| append(&hosts[0], &number.to_string())).collect();
    assert_eq!(report(&hosts[1], &format!("after=a:{}", ids[2])), "after: true\n");
    assert_eq!(report(&hosts[1], &format!("after=a:{}", ids[1])), "after: false\n");
}

#[test]
fn many_readers_that_come_at_once_ask_the_engine_a_few_times() {
    let redis = redis!(Redis::start());
    let server = streaming(&redis);
    let ids: Vec<String> = (0..100).map(|number| append(&server, &number.to_string())).collect();
    redis.ask("CONFIG RESETSTAT");
    let mut clients: Vec<Client> = (0..200).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get_script(&format!("after=a:{}&write=%3A%0A%0A&manual", ids[49])));
    }
    for client in &mut clients {
        client.read_until(&event(&ids[99], "99"));
    }
    let calls = redis.calls("evalsha");
    assert!((1..=10).contains(&calls), "{calls} calls");
}

#[test]
fn a_history_that_is_read_and_quiet_stays() {
    let redis = redis!(Redis::start());
    let server = streaming_with(&redis, "history = 10\nhistory_seconds = 0.1\ncontent_type = 'text/event-stream'\n");
    let mut client = resume(&server, "");
    let first = append(&server, "one");
    client.read_until(&event(&first, "one"));
    let milliseconds: i64 =
        redis.ask("PTTL vibrato:l:{d0::a}:events").trim_start_matches(':').parse().expect("a number");
    assert!(milliseconds > 50_000, "{milliseconds}");
}

#[test]
fn what_strangers_write_into_a_history_harms_nothing() {
    let redis = redis!(Redis::start());
    let server = streaming(&redis);
    let mut client = resume(&server, "");
    let first = append(&server, "one");
    client.read_until(&event(&first, "one"));
    // An empty chunk would end the response of one who reads no history.
    let mut plain = server.connect();
    plain.send(get_script("subscribe=b&write=one&manual"));
    plain.read_until("3\r\none\r\n");
    wait_for_subscribers(&redis, "b", 1);
    redis.ask("PUBLISH vibrato:t:d0::b \"\\x01aaaaaaaaaaaaaaaa\\x03\\x00\\x000000000000000001-1\\n1 1\\n\"");
    append_to(&server, "b", "two");
    plain.expect(&chunk("data: two\n\n"));
    redis.ask("XADD vibrato:l:{d0::a}:events * b forged e forged t x");
    redis.ask("PUBLISH vibrato:t:d0::a \"\\x01aaaaaaaaaaaaaaaa\\x03\\x00\\x00not-an-id\"");
    redis.ask("PUBLISH vibrato:t:d0::a \"\\x01aaaaaaaaaaaaaaaa\\x03\\x00\\x001-18446744073709551615\\n1 1\\nx\"");
    redis.ask("SET vibrato:l:{d0::a}:events text");
    assert_eq!(report(&server, "event=a:x&after=a"), "event: unavailable\nafter: true\n", "the copy is as it was");
    redis.ask("DEL vibrato:l:{d0::a}:events");
    let next = append(&server, "two");
    // Where the reset comes is a matter of time, but one comes.
    let received = client.read_until(&format!("id: {next}\n"));
    let last = append(&server, "three");
    let received = received + &client.read_until(&event(&last, "three"));
    assert!(received.contains("event: reset"), "{received}");
    assert!(stats(&server).is_up);
}
