//! Latency of a client of one route while other clients overload the server.

use std::thread;
use std::time::Duration;

use crate::client::{self, Flood, Persistent};
use crate::report::{Demand, Report, Unit};
use crate::server::Server;
use crate::setup::Setup;
use crate::vibrato::Routes;

/// The client's target and rate. It is slow, so that its latency is the server's doing.
const TARGET: &str = "/text";
const CONNECTIONS: u32 = 4;
const RATE: u32 = 200;
const ASKED_FOR: Duration = Duration::from_secs(5);

const SPINNING: usize = 500;
const PIPELINING: usize = 10;
const SLEEPING: usize = 1000;
/// Longer than the measurement, and shorter than a handler's default `timeout`.
const SLEEPS: &str = "/script?sleep=25000";
/// The time until the server has received all requests of the sleepers.
const SETTLED: Duration = Duration::from_secs(1);
const ASKED_BESIDE_SLEEPERS: u32 = 100;

const OPENS_WEBSOCKET: &str = "GET /ws-echo HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// An empty text message, masked with zeros.
const EMPTY_MESSAGE: &[u8] = &[0x81, 0x80, 0, 0, 0, 0];
const PIPELINED: &[u8] = b"GET /hello HTTP/1.1\r\nHost: bench\r\n\r\n";

/// Adds a row for each kind of load.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let mut row = |what, unit, value, demand| report.amount(what, unit, value, demand);

    let server = serve(setup, "spin", "examples/spin")?;
    let spinning = Persistent::start(server.address, "/spin", SPINNING)?;
    let waited = wait(&server)?;
    drop(spinning);
    row("text beside 500 clients of a route that spins: p50", Unit::Seconds, waited.p50, Demand::AtMost(0.015));
    row("text beside 500 clients of a route that spins: p99", Unit::Seconds, waited.p99, Demand::AtMost(0.05));

    let server = serve(setup, "ws-echo", "examples/ws_echo")?;
    let flood = Flood::start(server.address, OPENS_WEBSOCKET, "HTTP/1.1 101 ", EMPTY_MESSAGE, 1)?;
    let waited = wait(&server)?;
    flood.stop()?;
    row("text beside a WebSocket of empty messages: p50", Unit::Seconds, waited.p50, Demand::AtMost(0.001));

    let server = serve(setup, "hello", "hello")?;
    let flood = Flood::start(server.address, "", "HTTP/1.1 200 ", PIPELINED, PIPELINING)?;
    let waited = wait(&server)?;
    flood.stop()?;
    row("text beside ten pipelining connections: p50", Unit::Seconds, waited.p50, Demand::AtMost(0.001));

    let server = serve(setup, "script", "examples/script")?;
    let sleeping = client::asking(server.address, SLEEPS, SLEEPING)?;
    thread::sleep(SETTLED);
    let answered = (0..ASKED_BESIDE_SLEEPERS).filter(|_| client::fetch(server.address, TARGET).is_ok()).count();
    drop(sleeping);
    let share = answered as f64 / f64::from(ASKED_BESIDE_SLEEPERS);
    row("text answered 200 beside 1,000 sleepers of another route", Unit::Share, share, Demand::AtLeast(1.0));
    Ok(())
}

/// The latencies of the client, in seconds.
struct Waited {
    p50: f64,
    p99: f64,
}

/// Serves the client's route and another one that is loaded, with default options.
fn serve(setup: &Setup, name: &str, handler: &str) -> anyhow::Result<Server> {
    let routes = Routes::of(setup, &["text"])?;
    routes.add(name, handler, "")?;
    routes.serve()
}

fn wait(server: &Server) -> anyhow::Result<Waited> {
    let latencies = client::steadily(server.address, TARGET, CONNECTIONS, RATE, ASKED_FOR)?;
    let at = |percent: usize| latencies[latencies.len() * percent / 100].as_secs_f64();
    Ok(Waited { p50: at(50), p99: at(99) })
}
