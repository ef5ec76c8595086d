//! Topics of several hosts that share an engine.

use host::fleet::{EngineSettings, FleetStats};

use crate::support::redis::{Redis, SilentEngine};
use crate::support::wire::get;
use crate::support::{Client, Process, RoutesDir, TestServer, guest, host, run, text, wait_until};

const OPEN: &str = ok_chunked!("3\r\none\r\n");

/// Gives up the test if there is no Redis.
macro_rules! redis {
    ($redis:expr) => {
        match $redis {
            Some(redis) => redis,
            None => return,
        }
    };
}

/// A host that serves these routes and has this engine.
fn serve(url: &str, prefix: &str, routes: RoutesDir) -> TestServer {
    let engine = EngineSettings::new(url, None, prefix.to_owned()).expect("it is an engine");
    TestServer::builder(routes).config(|config| config.engine = Some(engine)).start()
}

/// The same with the guest `script`, once it is connected.
fn connected(redis: &Redis) -> TestServer {
    let server = serve(&redis.url(), "vibrato", RoutesDir::new().with(guest::SCRIPT));
    wait_for_engine(&server);
    server
}

fn stats(server: &TestServer) -> FleetStats {
    server.fleet().expect("it has an engine")
}

#[track_caller]
fn wait_for_engine(server: &TestServer) {
    wait_until("the host hears itself", || stats(server).is_up);
}

/// Waits until the hosts together have as many topics at the engine.
#[track_caller]
fn wait_for_topics(redis: &Redis, topics: usize) {
    wait_until("the engine knows the topics", || redis.channels("vibrato:t:*") == topics);
}

/// What a handler reports that has run `commands`.
#[track_caller]
fn report(server: &TestServer, commands: &str) -> String {
    let response = server.get(&format!("/script?{commands}&report"));
    response.rsplit("\r\n").nth(3).unwrap_or_default().to_owned()
}

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

/// Waits until as many hosts are subscribed to a topic of the top directory.
#[track_caller]
fn wait_for_subscribers(redis: &Redis, topic: &str, hosts: usize) {
    wait_until("the hosts have subscribed", || redis.subscribers(&format!("vibrato:t:d0::{topic}")) == hosts);
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
fn without_the_engine_a_host_serves_and_its_own_clients_get_what_it_publishes() {
    let mut redis = redis!(Redis::start());
    let hosts = [connected(&redis), connected(&redis)];
    let mut clients = hosts.each_ref().map(|host| host.park("subscribe=a&write=one", OPEN));
    wait_for_subscribers(&redis, "a", 2);
    redis.kill();
    hosts.iter().for_each(|host| wait_until("it is noticed", || !stats(host).is_up));
    assert_eq!(report(&hosts[0], "publish=a:two"), "publish: 1\n");
    clients[0].expect("3\r\ntwo\r\n");
    assert_eq!((stats(&hosts[0]).dropped, hosts[0].parked(), hosts[1].parked()), (1, 1, 1));
    redis.run();
    hosts.iter().for_each(wait_for_engine);
    wait_for_subscribers(&redis, "a", 2);
    report(&hosts[0], "publish=a:three");
    // What was published meanwhile is not made up for.
    clients.iter_mut().for_each(|client| client.expect("5\r\nthree\r\n"));
    assert_eq!((stats(&hosts[0]).gaps, stats(&hosts[1]).gaps), (1, 1));
}

#[test]
fn all_topics_are_subscribed_again_when_the_engine_is_back() {
    let mut redis = redis!(Redis::start());
    let server = connected(&redis);
    // As many topics as one connection may have, on enough connections for several batches.
    let clients: Vec<Client> = (0..40)
        .map(|number| {
            let topics: Vec<String> = (0..32).map(|topic| format!("subscribe=t{number}-{topic}")).collect();
            server.park(&format!("{}&write=one", topics.join("&")), OPEN)
        })
        .collect();
    wait_for_topics(&redis, 40 * 32);
    redis.kill();
    wait_until("it is noticed", || !stats(&server).is_up);
    redis.run();
    wait_for_topics(&redis, 40 * 32);
    drop(clients);
}

#[test]
fn an_engine_that_hangs_is_noticed_and_found_again() {
    let redis = redis!(Redis::start());
    let hosts = [connected(&redis), connected(&redis)];
    let mut client = hosts[1].park("subscribe=a&write=one", OPEN);
    wait_for_subscribers(&redis, "a", 1);
    redis.signal("STOP");
    hosts.iter().for_each(|host| wait_until("it is noticed", || !stats(host).is_up));
    redis.signal("CONT");
    hosts.iter().for_each(wait_for_engine);
    wait_for_subscribers(&redis, "a", 1);
    report(&hosts[0], "publish=a:two");
    client.expect("3\r\ntwo\r\n");
}

#[test]
fn a_connection_that_the_engine_closes_is_made_again() {
    let redis = redis!(Redis::start());
    let server = connected(&redis);
    let _client = server.park("subscribe=a&write=one", OPEN);
    wait_for_subscribers(&redis, "a", 1);
    redis.ask("CLIENT KILL TYPE pubsub");
    wait_until("the gap is counted", || stats(&server).gaps == 1);
    wait_for_engine(&server);
    wait_for_subscribers(&redis, "a", 1);
}

#[test]
fn an_engine_that_comes_later_is_used_then() {
    let mut redis = redis!(Redis::stopped(&[]));
    let server = serve(&redis.url(), "vibrato", RoutesDir::new().with(guest::SCRIPT));
    let _client = server.park("subscribe=a&write=one", OPEN);
    assert!(!stats(&server).is_up);
    redis.run();
    wait_for_engine(&server);
    wait_for_subscribers(&redis, "a", 1);
}

#[test]
fn an_engine_that_answers_nothing_holds_up_no_request() {
    let engine = SilentEngine::start();
    let server = serve(&engine.url(), "vibrato", RoutesDir::new().with(guest::SCRIPT));
    let mut client = server.park("subscribe=a&write=one", OPEN);
    assert_eq!(report(&server, "publish=a:two"), "publish: 1\n");
    client.expect("3\r\ntwo\r\n");
    assert!(!stats(&server).is_up);
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

#[test]
fn the_password_is_read_from_a_file_and_told_nowhere() {
    let redis = redis!(Redis::with(&["--requirepass", "hidden-word"]));
    let file = redis.socket().with_file_name("password");
    std::fs::write(&file, "hidden-word\n").expect("it can be written");
    let (routes, file) = (RoutesDir::new().with(guest::SCRIPT), file.to_str().expect("the path is text"));
    let process = Process::start(&routes, &["--engine", &redis.url(), "--engine-password", file]);
    process.stderr().wait_for(&["connected to the engine"]);
    let wrong = format!("{}?pass=hidden-wrong", redis.url());
    let refused = Process::start(&routes, &["--engine", &wrong]);
    refused.stderr().wait_for(&["is away"]);
    for process in [&process, &refused] {
        assert!(!process.stderr().with(&["hidden"]).iter().any(|line| line.contains("hidden-w")), "it is in the log");
    }
}

#[test]
fn a_wrong_engine_is_told_without_its_password() {
    let routes = RoutesDir::new();
    let directory = routes.path().to_str().expect("the path is text");
    for (arguments, reason) in [
        (
            &["--engine", "http://user:hidden@127.0.0.1"][..],
            "http://127.0.0.1 is no URL of an engine; give redis://HOST:PORT",
        ),
        (&["--engine", "redis://127.0.0.1", "--engine-prefix", "a b"], "\"a b\" cannot begin the names at an engine"),
        (&["--engine", "redis://127.0.0.1", "--engine-password", "/nowhere"], "in /nowhere cannot be used"),
        (&["--engine-prefix", "a"], "--engine <URL>"),
    ] {
        let output = run(host(&["run", "--listen", "127.0.0.1:0", "--routes", directory]).args(arguments));
        let told = text(&output.stderr);
        assert!(!output.status.success() && told.contains(reason), "{arguments:?}: {told}");
        assert!(!told.contains("hidden"), "{told}");
    }
}
