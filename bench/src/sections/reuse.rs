//! Hello with reused instances, as `reuse` in `NAME.toml` allows.

use super::hello::BODY;
use crate::compare::{Contender, alternate};
use crate::peers::Peer;
use crate::report::{Demand, Report, Unit};
use crate::setup::Setup;
use crate::vibrato::Routes;
use crate::wrk;

const TARGET: &str = "/hello-reuse";
const OPTIONS: &str = "path = \"/hello-reuse\"\nreuse = 1_000_000\n";
const PEERS: [(Peer, Demand); 2] = [(Peer::WasmtimeReused, Demand::AtLeast(3.0)), (Peer::Nginx, Demand::AtLeast(1.0))];

/// Adds the rows, and a chart.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let routes = Routes::of(setup, &["hello"])?;
    routes.add("hello-reuse", "hello", OPTIONS)?;
    let mut contenders = vec![Contender::new("Vibrato, `reuse = 1_000_000`", routes.serve(), TARGET, BODY)];
    contenders.extend(PEERS.map(|(peer, _)| Contender::new(peer.name(), peer.start(setup), "/hello", BODY)));
    let series =
        alternate(contenders, setup.runs, |server, contender| wrk::requests_a_second(server, contender, setup.run));
    report.compare(
        "hello, `reuse = 1_000_000`, 64 connections",
        Unit::RequestsASecond,
        &series,
        &PEERS.map(|peer| peer.1),
    );
    report.chart("Hello, instances used again, 64 connections on one core", Unit::RequestsASecond, &series);
    Ok(())
}
