//! Key-value stores at an engine: `engine = true` of `kv`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use host::fleet::{EngineSettings, EngineSpec, EngineStores};
use host::key_value::{DEFAULT_MAX_STORE_BYTES, KeyValueBackend, KeyValueError, StoreName};

use super::settings::body;
use super::store_suite::{TestStore, engine_of};
use crate::support::meddler::{Meddler, Meddling};
use crate::support::redis::Redis;
use crate::support::wire::get;
use crate::support::{RoutesDir, TestServer, guest, log, wait_until};

const GRANT: &str = "[grant.kv]\n'' = { store = 'shop', engine = true }\n";

/// A host with this engine, whose route `kv` is granted what `grant` says.
fn serve(engine: EngineSettings, grant: &str) -> TestServer {
    let routes = RoutesDir::new().with_as("kv.wasm", guest::STORES).with_file("kv.toml", grant);
    let routes = routes.with_as("other.wasm", guest::STORES);
    TestServer::builder(routes).config(|config| config.engine = Some(engine)).start()
}

/// A store at an engine that is reached through `meddler`.
fn through(meddler: &Meddler) -> TestStore {
    let options = EngineSpec { url: meddler.url(), prefix: "v".to_owned(), ..EngineSpec::default() };
    let backend = EngineStores::new(EngineSettings::new(options).expect("it is an engine"));
    let backend: Arc<dyn KeyValueBackend> = Arc::new(backend);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be made");
    TestStore::new(backend, StoreName::shared("s"), DEFAULT_MAX_STORE_BYTES, Arc::new(runtime))
}

#[test]
fn what_one_host_sets_the_others_read() {
    let Some(redis) = Redis::start() else { return };
    let hosts = [(); 2].map(|()| serve(engine_of(&redis), GRANT));
    assert_eq!(hosts[0].diagnostics(), []);
    assert_eq!(body(&hosts[0].get("/kv?get=:a&set=:a:1&get=default:a")), "get: none\nset: ok\nget: 1\n");
    assert_eq!(body(&hosts[1].get("/kv?get=:a&list=:&swap=:a:1:2")), "get: 1\nlist: a\nswap: true\n");
    assert_eq!(body(&hosts[0].get("/kv?get=:a")), "get: 2\n");
}

#[test]
fn a_route_without_a_grant_reads_nothing() {
    let Some(redis) = Redis::start() else { return };
    let server = serve(engine_of(&redis), GRANT);
    server.get("/kv?set=:a:1");
    assert_eq!(body(&server.get("/other?get=:a&list=:&set=:a:2")), "get: Denied\nlist: Denied\nset: Denied\n");
    assert_eq!(body(&server.get("/kv?get=:a&get=none:a")), "get: 1\nget: NoSuchStore\n");
}

#[test]
fn increments_of_three_hosts_are_exact() {
    let Some(redis) = Redis::start() else { return };
    let hosts = [(); 3].map(|()| serve(engine_of(&redis), GRANT));
    let steps = ["increment=:n:1"; 50].join("&");
    std::thread::scope(|scope| {
        for host in &hosts {
            scope.spawn(|| {
                for _ in 0..20 {
                    let response = host.get(&format!("/kv?{steps}"));
                    assert_eq!(body(&response).lines().count(), 50, "{response}");
                }
            });
        }
    });
    assert_eq!(body(&hosts[0].get("/kv?get=:n")), "get: 3000\n");
}

#[test]
fn a_read_on_a_connection_that_was_closed_meanwhile_is_made_on_another() {
    let Some(redis) = Redis::start() else { return };
    let meddler = Meddler::to(redis.socket());
    let store = through(&meddler);
    store.set("a", "1").expect("it is answered");
    for _ in 0..50 {
        meddler.cut();
        assert_eq!(store.try_get("a").map(|value| value.is_some()), Ok(true));
    }
    for _ in 0..20 {
        redis.ask("CLIENT KILL TYPE normal");
        assert_eq!(store.try_get("a").map(|value| value.is_some()), Ok(true));
    }
}

#[test]
fn a_call_takes_a_second_at_most_and_the_stores_come_back_with_the_engine() {
    let Some(redis) = Redis::start() else { return };
    for meddling in [Meddling::Stall, Meddling::StallAnswers, Meddling::Refuse] {
        let meddler = Meddler::to(redis.socket());
        let store = through(&meddler);
        store.set("a", "1").expect("it is answered");
        meddler.set(meddling);
        if meddling == Meddling::Refuse {
            meddler.cut();
        }
        let start = Instant::now();
        assert_eq!(store.try_get("a"), Err(KeyValueError::Storage), "{meddling:?}");
        assert!(start.elapsed() < Duration::from_millis(1500), "{meddling:?}: {:?}", start.elapsed());
        assert_eq!(store.set("b", "1"), Err(KeyValueError::Storage), "{meddling:?}");
        meddler.set(Meddling::Pass);
        let start = Instant::now();
        wait_until("the stores are back", || store.try_get("a").is_ok());
        assert!(start.elapsed() < Duration::from_secs(3), "{meddling:?}: {:?}", start.elapsed());
    }
}

#[test]
fn a_request_that_waits_for_the_engine_holds_up_no_other() {
    let Some(redis) = Redis::start() else { return };
    let meddler = Meddler::to(redis.socket());
    let options = EngineSpec { url: meddler.url(), prefix: "v".to_owned(), ..EngineSpec::default() };
    let server = serve(EngineSettings::new(options).expect("it is an engine"), GRANT);
    server.get("/kv?set=:a:1");
    meddler.set(Meddling::Stall);
    let mut waiting = server.connect();
    waiting.send(get("/kv?get=:a"));
    // There is one worker, which answers this while the other waits.
    wait_until("it waits", || server.in_flight() == 1);
    assert_eq!(body(&server.get("/other?get=:a")), "get: Denied\n");
    meddler.set(Meddling::Pass);
    waiting.read_until("get: 1\n");
}

#[test]
fn an_engine_that_refuses_a_call_is_told_and_the_component_gets_an_error() {
    let Some(redis) = Redis::start() else { return };
    let server = serve(engine_of(&redis), GRANT);
    server.get("/kv?set=:a:1");
    redis.ask("CONFIG SET maxmemory 1");
    let refused = "Other(\"the stores cannot be read or written at the moment\")";
    assert_eq!(body(&server.get("/kv?set=:b:1&get=:a")), format!("set: {refused}\nget: 1\n"));
    log().wait_for(&["the engine refuses a call of a key-value store", "OOM"]);
    // To delete is possible.
    assert_eq!(body(&server.get("/kv?delete=:a&get=:a")), "delete: ok\nget: none\n");
}

#[test]
fn a_user_with_the_rights_that_the_book_names_is_enough_for_stores() {
    let Some(redis) = Redis::start() else { return };
    let rules = "on >hidden-word resetchannels &v:* ~v:k:* -@all +publish +subscribe +unsubscribe +evalsha +script|load \
                 +time +get +set +del +incrby +hget +hset +hdel +hincrby +zadd +zrem +zscore +zrangebylex +zrangebyscore";
    assert_eq!(redis.ask(&format!("ACL SETUSER fleet {rules}")), "+OK");
    let url = format!("{}?user=fleet&pass=hidden-word", redis.url());
    let options = EngineSpec { url, prefix: "v".to_owned(), ..EngineSpec::default() };
    let server = serve(EngineSettings::new(options).expect("it is an engine"), GRANT);
    let all = "/kv?set=:a:1&increment=:a:1&swap=:a:2:3&set-for=:b:0&set=:c:1&get=:b&list=:&delete=:a&get=:a";
    let expected =
        "set: ok\nincrement: 2\nswap: true\nset-for: ok\nset: ok\nget: none\nlist: a c\ndelete: ok\nget: none\n";
    assert_eq!(body(&server.get(all)), expected);
}
