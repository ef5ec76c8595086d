//! What happens while the engine is away, slow, deaf or a liar.

use std::time::{Duration, Instant};

use host::admin::AdminSettings;

use super::*;
use crate::support::Client;
use crate::support::meddler::{LyingEngine, Meddler, Meddling};
use crate::support::redis::{Sentinel, SilentEngine};

/// How long it may take to notice that the engine is away, and to heal once that is possible.
const SOON: Duration = Duration::from_secs(3);

/// Waits until it holds, which has to be soon after now.
#[track_caller]
fn soon(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    wait_until(what, holds);
    assert!(start.elapsed() < SOON, "{what}, after {:?}", start.elapsed());
}

/// Whether the engine counts as up. It never does if the host has not heard itself for that long.
#[track_caller]
fn is_up(server: &TestServer) -> bool {
    let FleetStats { is_up, silence, .. } = stats(server);
    assert!(!is_up || silence < SOON, "the engine counts as up after {silence:?}");
    is_up
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

/// A host whose way to the engine is meddled with, once it is connected, and a client of its topic `a`.
fn meddled_with(redis: &Redis, meddler: &Meddler) -> (TestServer, Client) {
    let server = serve(&meddler.url(), "vibrato", RoutesDir::new().with(guest::SCRIPT));
    wait_for_engine(&server);
    let client = server.park("subscribe=a&write=one", OPEN);
    wait_for_subscribers(redis, "a", 1);
    (server, client)
}

#[test]
fn an_engine_that_falls_silent_is_noticed_soon_and_found_again_soon() {
    let redis = redis!(Redis::start());
    let publisher = connected(&redis);
    for meddling in [Meddling::Stall, Meddling::StallAnswers, Meddling::Refuse] {
        let meddler = Meddler::to(redis.socket());
        let (server, mut client) = meddled_with(&redis, &meddler);
        let admin = server.admin(AdminSettings::default());
        meddler.set(meddling);
        if meddling == Meddling::Refuse {
            meddler.cut();
        }
        soon("it is noticed", || !is_up(&server));
        assert_eq!((server.parked(), admin.told("/readyz").0), (1, 200), "{meddling:?}");
        assert_eq!(report(&server, "publish=a:two"), "publish: 1\n");
        client.expect("3\r\ntwo\r\n");
        // For long enough that attempts to connect have failed, too.
        let refused = Instant::now();
        wait_until("it stays so", || {
            assert!(!is_up(&server));
            refused.elapsed() > SOON
        });
        meddler.set(Meddling::Pass);
        soon("it is found again", || is_up(&server));
        report(&publisher, "publish=a:three");
        client.expect("5\r\nthree\r\n");
        assert_eq!((server.parked(), stats(&server).gaps), (1, 1), "{meddling:?}");
    }
}

#[test]
fn an_engine_that_confirms_all_and_delivers_nothing_is_noticed_soon() {
    let engine = LyingEngine::start();
    let server = serve(&engine.url(), "vibrato", RoutesDir::new().with(guest::SCRIPT));
    wait_for_engine(&server);
    engine.lie(true);
    soon("it is noticed", || !is_up(&server));
    // It can be connected to all the time.
    let lying = Instant::now();
    wait_until("it stays so", || {
        assert!(!is_up(&server));
        lying.elapsed() > SOON
    });
    engine.lie(false);
    soon("it is believed again", || is_up(&server));
}

#[test]
fn a_slow_engine_is_used_and_its_chunks_arrive_late() {
    let redis = redis!(Redis::start());
    let publisher = connected(&redis);
    for meddling in [Meddling::Delay(Duration::from_millis(200)), Meddling::ByteByByte] {
        let meddler = Meddler::to(redis.socket());
        meddler.set(meddling);
        let (server, mut client) = meddled_with(&redis, &meddler);
        report(&publisher, "publish=a:two");
        client.expect("3\r\ntwo\r\n");
        // What it publishes itself does not wait, and arrives there, too.
        let mut other = publisher.park("subscribe=b&write=one", OPEN);
        wait_for_subscribers(&redis, "b", 1);
        assert_eq!(report(&server, "publish=a:three&publish=b:three"), "publish: 1\npublish: 0\n");
        client.expect("5\r\nthree\r\n");
        other.expect("5\r\nthree\r\n");
        assert!(is_up(&server) && stats(&server).gaps == 0, "{meddling:?}");
    }
}

#[test]
fn a_route_may_end_its_responses_after_a_gap_so_that_clients_come_again() {
    let redis = redis!(Redis::start());
    let meddler = Meddler::to(redis.socket());
    let routes = RoutesDir::new()
        .with_as("keep.wasm", guest::SCRIPT)
        .with_as("reset.wasm", guest::SCRIPT)
        .with_file("keep.toml", "path = '/keep'")
        .with_file("reset.toml", "path = '/reset'\non_gap = 'reset'");
    let server = serve(&meddler.url(), "vibrato", routes);
    wait_for_engine(&server);
    let mut clients = ["keep", "reset"].map(|route| {
        let mut client = server.connect();
        client.send(crate::support::wire::get(&format!("/{route}?subscribe=a&write=one&manual")));
        client.expect(OPEN);
        client
    });
    wait_for_subscribers(&redis, "a", 1);
    meddler.set(Meddling::Refuse);
    meddler.cut();
    wait_until("it is noticed", || !is_up(&server));
    // While the engine is away it would be no use to come again.
    server.get("/keep?publish=a:two");
    clients.iter_mut().for_each(|client| client.expect("3\r\ntwo\r\n"));
    assert_eq!(server.parked(), 2);
    meddler.set(Meddling::Pass);
    clients[1].expect("0\r\n\r\n");
    assert!(is_up(&server));
    server.get("/keep?publish=a:three");
    clients[0].expect("5\r\nthree\r\n");
}

#[test]
fn a_master_that_fails_is_replaced_by_the_one_that_sentinels_name() {
    let (Some(mut master), Some(replica)) = (Redis::listening(&[]), Redis::listening(&[])) else { return };
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    wait_until("the replica is one", || replica.is_linked());
    let sentinel = Sentinel::of(&master);
    let url = format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port());
    let hosts = [(); 2].map(|()| serve(&url, "vibrato", RoutesDir::new().with(guest::SCRIPT)));
    hosts.iter().for_each(wait_for_engine);
    let mut client = hosts[1].park("subscribe=a&write=one", OPEN);
    wait_for_subscribers(&master, "a", 1);
    sentinel.wait_for_replica();
    // The Sentinel names it still, so the first attempts are refused.
    master.kill();
    hosts.iter().for_each(|host| soon("it is noticed", || !is_up(host)));
    wait_until("the replica is the master", || replica.is_master());
    hosts.iter().for_each(|host| soon("the new master is found", || is_up(host)));
    wait_for_subscribers(&replica, "a", 1);
    report(&hosts[0], "publish=a:two");
    client.expect("3\r\ntwo\r\n");
}
