//! Requests that a component sends to an upstream: the same component for wasi:http in both servers.

use super::hello::BODY;
use super::wasi::{requests, routes};
use crate::compare::Contender;
use crate::peers::{self, Peer, WASI_HTTP};
use crate::report::{Demand, Report, Unit};
use crate::setup::Setup;

/// Adds the rows.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let upstream = peers::upstream(setup)?;
    let target = format!("/fetch?{}", upstream.address);
    let grant = format!("[grant]\nhttp = [\"http://{}\"]", upstream.address);
    let vibrato = routes(setup, WASI_HTTP, &grant).and_then(|routes| routes.serve());
    let contenders = vec![
        Contender::new("Vibrato", vibrato, &target, BODY),
        Contender::new(Peer::Wasmtime.name(), Peer::Wasmtime.start(setup), &target, BODY),
    ];
    let series = requests(setup, contenders);
    let what = "wasi:http 0.2, a GET to an nginx on the client's core, 64 connections";
    report.compare(what, Unit::RequestsASecond, &series, &[Demand::AtLeast(2.0)]);
    Ok(())
}
