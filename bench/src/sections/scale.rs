//! What must not slow down with many routes, options or connections; and the effect of a handler that spins.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use super::hello::BODY;
use crate::client;
use crate::compare::{Contender, MANY, alternate};
use crate::peers::Peer;
use crate::report::{Demand, Report, Unit};
use crate::setup::Setup;
use crate::vibrato::Routes;
use crate::wrk;

pub(super) const ROUTES: u32 = 1000;
const CROWD: u32 = 4096;
const FEW_OPTIONS: u32 = 2;
const MANY_OPTIONS: u32 = 100;
/// A client with a low rate while the handler of another one spins.
const POLITE_CONNECTIONS: u32 = 4;
const POLITE_RATE: u32 = 200;
const POLITE: Duration = Duration::from_secs(5);

/// Adds a row for each.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let mut compare = |what, contenders, least| {
        let ask = |server: &_, contender: &_| wrk::requests_a_second(server, contender, setup.run);
        let series = alternate(contenders, setup.runs, ask);
        // Peers are shown for comparison: the system has a cost of its own for each connection.
        let demands = [Demand::AtLeast(least), Demand::Nothing, Demand::Nothing];
        report.compare(what, Unit::RequestsASecond, &series, &demands);
    };
    compare("hello, 1,000 routes", vec![with_routes(setup, ROUTES)?, with_routes(setup, 1)?], 0.95);
    let options = vec![with_options(setup, MANY_OPTIONS)?, with_options(setup, FEW_OPTIONS)?];
    compare("hello, 100 options", options, 0.95);
    let mut crowds = vec![with_connections(setup, CROWD)?, with_connections(setup, MANY)?];
    crowds.extend([Peer::Hyper, Peer::Bare].map(|peer| {
        let name = format!("{}, {CROWD} connections", peer.name());
        Contender::new(&name, peer.start(setup), "/hello", BODY).on(CROWD)
    }));
    compare("hello, 4,096 connections", crowds, 0.85);
    let p99 = beside_a_spinning_handler(setup)?;
    report.amount("hello beside a handler that spins: p99", Unit::Seconds, p99, Demand::AtMost(0.02));
    Ok(())
}

fn with_routes(setup: &Setup, count: u32) -> anyhow::Result<Contender> {
    hello(&named(count, "route"), many_routes(setup, count)?)
}

/// This many routes of hello. The first is `/hello`.
pub(super) fn many_routes(setup: &Setup, count: u32) -> anyhow::Result<Routes<'_>> {
    let routes = Routes::of(setup, &["hello"])?;
    for at in 1..count {
        routes.add(&format!("hello-{at}"), "hello", &format!("path = \"/hello-{at}\"\n"))?;
    }
    Ok(routes)
}

fn with_options(setup: &Setup, count: u32) -> anyhow::Result<Contender> {
    let mut own = String::new();
    for at in 0..count {
        writeln!(own, "own-{at} = {at}")?;
    }
    let routes = Routes::new(setup)?;
    routes.add("hello", "hello", &own)?;
    hello(&named(count, "option"), routes)
}

fn with_connections(setup: &Setup, count: u32) -> anyhow::Result<Contender> {
    Ok(hello(&named(count, "connection"), Routes::of(setup, &["hello"])?)?.on(count))
}

fn named(count: u32, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

fn hello(name: &str, routes: Routes<'_>) -> anyhow::Result<Contender> {
    Ok(Contender::new(name, routes.serve(), "/hello", BODY))
}

/// The 99th percentile of a slow client's latency, in seconds, while a handler of another route spins.
fn beside_a_spinning_handler(setup: &Setup) -> anyhow::Result<f64> {
    let routes = Routes::of(setup, &["hello"])?;
    routes.add("spin", "examples/spin", "")?;
    let server = routes.serve()?;
    let mut spinning = TcpStream::connect(server.address)?;
    spinning.write_all(b"GET /spin HTTP/1.1\r\nHost: bench\r\n\r\n")?;
    let latencies = client::steadily(server.address, "/hello", POLITE_CONNECTIONS, POLITE_RATE, POLITE)?;
    // It would have been answered, had it not been spinning all the while.
    spinning.set_nonblocking(true)?;
    anyhow::ensure!(spinning.peek(&mut [0]).is_err(), "the handler that spins has ended");
    Ok(latencies[latencies.len() * 99 / 100].as_secs_f64())
}
