//! Hello, with a fresh instance for each request: on many connections, then on one.

use std::iter;

use crate::compare::{Contender, MANY, alternate};
use crate::peers::Peer;
use crate::report::{Demand, Report, Unit};
use crate::setup::Setup;
use crate::vibrato::Routes;
use crate::wrk;

/// The body of `/hello`, for every contender.
pub const BODY: &[u8] = b"HelloWorld!";

const TARGET: &str = "/hello";
/// With the demands for many connections and for one.
const PEERS: [(Peer, Demand, Demand); 6] = [
    (Peer::Wasmtime, Demand::AtLeast(4.5), Demand::AtLeast(2.0)),
    (Peer::WasmtimeP3, Demand::AtLeast(1.8), Demand::Nothing),
    (Peer::Nginx, Demand::AtLeast(0.5), Demand::Nothing),
    (Peer::Tremolo, Demand::AtLeast(4.5), Demand::Nothing),
    (Peer::Hyper, Demand::Nothing, Demand::Nothing),
    (Peer::Bare, Demand::Nothing, Demand::Nothing),
];

/// Adds the rows of both, and a chart of the first.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let ask = |connections| {
        let vibrato = Contender::new("Vibrato", Routes::of(setup, &["hello"])?.serve(), TARGET, BODY);
        let peers = PEERS.iter().map(|(peer, ..)| Contender::new(peer.name(), peer.start(setup), TARGET, BODY));
        let contenders = iter::once(vibrato).chain(peers).map(|contender| contender.on(connections)).collect();
        let measure = |server: &_, contender: &_| wrk::requests_a_second(server, contender, setup.run);
        anyhow::Ok(alternate(contenders, setup.runs, measure))
    };
    let many = ask(MANY)?;
    report.compare("hello, fresh instance, 64 connections", Unit::RequestsASecond, &many, &PEERS.map(|peer| peer.1));
    report.chart("Hello, 64 connections on one core; Vibrato: a fresh instance for each", Unit::RequestsASecond, &many);
    let one = ask(1)?;
    report.compare("hello, fresh instance, 1 connection", Unit::RequestsASecond, &one, &PEERS.map(|peer| peer.2));
    Ok(())
}
