//! Topics of several hosts that share an engine.

use super::*;
use crate::support::Client;
use crate::support::wire::get;

#[test]
fn a_chunk_reaches_the_subscribers_of_all_hosts_once() {
    let redis = redis!(Redis::start());
    let hosts = [connected(&redis), connected(&redis), connected(&redis)];
    let mut clients = hosts.each_ref().map(|host| host.park("subscribe=a&write=one", OPEN));
    wait_for_subscribers(&redis, "a", 3);
    assert_eq!(report(&hosts[0], "publish=a:two&publish=a:three"), "publish: 1\npublish: 1\n", "those of this host");
    for client in &mut clients {
        client.expect("3\r\ntwo\r\n5\r\nthree\r\n");
    }
    assert_eq!(report(&hosts[1], "publish=a:four"), "publish: 1\n");
    for client in &mut clients {
        client.expect("4\r\nfour\r\n");
    }
    wait_until("it is counted", || hosts.iter().map(|host| stats(host).received).eq([1, 2, 3]));
    assert!(hosts.iter().map(|host| stats(host).published).eq([2, 1, 0]));
}

#[test]
fn what_one_host_publishes_keeps_its_order() {
    let redis = redis!(Redis::start());
    let (publisher, listener) = (connected(&redis), connected(&redis));
    let mut client = listener.park("subscribe=a&write=one", OPEN);
    wait_for_subscribers(&redis, "a", 1);
    let all: Vec<String> = (100..400).map(|number| format!("publish=a:{number}")).collect();
    for commands in all.chunks(50) {
        report(&publisher, &commands.join("&"));
    }
    let expected: String = (100..400).map(|number| format!("3\r\n{number}\r\n")).collect();
    client.expect(&expected);
}

#[test]
fn a_topic_is_finished_on_all_hosts() {
    let redis = redis!(Redis::start());
    let hosts = [connected(&redis), connected(&redis)];
    let clients = hosts.each_ref().map(|host| host.park("subscribe=a&write=one", OPEN));
    wait_for_subscribers(&redis, "a", 2);
    assert_eq!(report(&hosts[0], "publish=a:two&finish=a"), "publish: 1\nfinish: 1\n");
    for mut client in clients {
        client.expect("3\r\ntwo\r\n0\r\n\r\n");
    }
}

#[test]
fn a_topic_stays_in_its_scope_on_other_hosts_too() {
    let redis = redis!(Redis::start());
    let routes = || {
        [("rooms", ""), ("desk", "topics = 'chat'"), ("hall", "topics = 'chat'")].iter().fold(
            RoutesDir::new(),
            |directory, (name, options)| {
                directory
                    .with_as(&format!("{name}/script.wasm"), guest::SCRIPT)
                    .with_file(&format!("{name}/script.toml"), &format!("path = '/{name}'\n{options}"))
            },
        )
    };
    let hosts = [(); 2].map(|()| serve(&redis.url(), "vibrato", routes()));
    hosts.iter().for_each(wait_for_engine);
    let listen = |path: &str| -> Client {
        let mut client = hosts[1].connect();
        client.send(get(&format!("/{path}?subscribe=a&write=one&manual")));
        client.read_until("3\r\none\r\n");
        client
    };
    let mut clients = ["rooms", "desk", "hall"].map(listen);
    wait_for_topics(&redis, 2);
    for (path, chunk) in [("rooms", "inner"), ("desk", "outer")] {
        hosts[0].get(&format!("/{path}?publish=a:{chunk}"));
    }
    for (client, chunk) in clients.iter_mut().zip(["inner", "outer", "outer"]) {
        client.expect(&format!("5\r\n{chunk}\r\n"));
    }
}

#[test]
fn fleets_with_different_prefixes_share_an_engine_and_no_topic() {
    let redis = redis!(Redis::start());
    let one = connected(&redis);
    let other = serve(&redis.url(), "other", RoutesDir::new().with(guest::SCRIPT));
    wait_for_engine(&other);
    let mut client = other.park("subscribe=a&write=one", OPEN);
    wait_until("it has subscribed", || redis.channels("other:t:*") == 1);
    report(&one, "publish=a:forged");
    wait_until("the engine has it", || stats(&one).published == 1);
    report(&other, "publish=a:two");
    client.expect("3\r\ntwo\r\n");
}

#[test]
fn a_topic_is_unsubscribed_after_its_last_subscriber() {
    let redis = redis!(Redis::start());
    let server = connected(&redis);
    drop(server.park("subscribe=a&write=one", OPEN));
    let stays = server.park("subscribe=b&write=one", OPEN);
    wait_until("the topic without subscribers is left", || {
        redis.subscribers("vibrato:t:d0::b") == 1 && redis.subscribers("vibrato:t:d0::a") == 0
    });
    drop(stays);
}

#[test]
fn what_strangers_write_to_the_engine_harms_nothing() {
    let redis = redis!(Redis::start());
    let server = connected(&redis);
    let mut client = server.park("subscribe=a&write=one", OPEN);
    wait_for_subscribers(&redis, "a", 1);
    for message in [
        "x",
        "\"\"",
        "\"\\x01\"",
        "\"\\x02aaaaaaaaaaaaaaaa\\x00\\x00\\x00chunk\"",
        "\"\\x01aaaaaaaaaaaaaaaa\\x00\\xff\\xffchunk\"",
    ] {
        assert_eq!(redis.ask(&format!("PUBLISH vibrato:t:d0::a {message}")), ":1");
    }
    // This one is a message.
    assert_eq!(redis.ask("PUBLISH vibrato:t:d0::a \"\\x01aaaaaaaaaaaaaaaa\\x00\\x00\\x00two\""), ":1");
    client.expect("3\r\ntwo\r\n");
    assert!(stats(&server).is_up);
}
