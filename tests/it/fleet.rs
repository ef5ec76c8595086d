//! Several hosts that share an engine.

/// Gives up the test if there is no Redis.
macro_rules! redis {
    ($redis:expr) => {
        match $redis {
            Some(redis) => redis,
            None => return,
        }
    };
}

mod engines;
mod figures;
mod history;
mod history_check;
mod outages;
mod topics;

use host::fleet::{EngineSettings, EngineSpec};
use host::metrics::FleetStats;

use crate::support::redis::Redis;
use crate::support::{RoutesDir, TestServer, guest, wait_until};

const OPEN: &str = ok_chunked!("3\r\none\r\n");

/// A host that serves these routes and has this engine.
fn serve(url: &str, prefix: &str, routes: RoutesDir) -> TestServer {
    serve_with(EngineSpec { url: url.to_owned(), prefix: prefix.to_owned(), ..EngineSpec::default() }, routes)
}

/// The same with more that is said of the engine.
fn serve_with(options: EngineSpec, routes: RoutesDir) -> TestServer {
    let engine = EngineSettings::new(options).expect("it is an engine");
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

/// Waits until as many hosts are subscribed to a topic of the top directory.
#[track_caller]
fn wait_for_subscribers(redis: &Redis, topic: &str, hosts: usize) {
    wait_until("the hosts have subscribed", || redis.subscribers(&format!("vibrato:t:d0::{topic}")) == hosts);
}
