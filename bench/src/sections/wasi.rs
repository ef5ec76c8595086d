//! Components for wasi:http in `wasmtime serve` and in Vibrato: the same file in both.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

use super::hello::BODY;
use super::memory::{self, GIVE_BACK_AT_ONCE, TEN, UNREAD};
use crate::client::{self, Reads};
use crate::compare::{Contender, MANY, Series, alternate};
use crate::peers::{Peer, STREAM_BYTES, WASI_HTTP, WASI_HTTP_P3, WASI_HTTP_P3_BODIES, component_for_wasi_http};
use crate::report::{Demand, Report, Unit};
use crate::server::Server;
use crate::setup::Setup;
use crate::vibrato::Routes;
use crate::wrk;

const HELLO: &str = "/hello";
const STREAM: &str = "/stream";
const ECHO: &str = "/echo";
const FRESH: &str = "reuse = 1";
const ECHO_BYTES: u64 = 64 * 1024 * 1024;
/// Responses in a run.
const STREAMS: u32 = 8;
const ECHOES: u32 = 8;
const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;
/// The idle host with ten routes, before it could serve components for wasi:http.
const IDLE_BEFORE: f64 = 17.2 * MIB;

/// Adds the rows.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    fresh(setup, report)?;
    reused(setup, report);
    p3(setup, report);
    bodies(setup, report, "0.2", WASI_HTTP, Peer::Wasmtime);
    bodies(setup, report, "0.3", WASI_HTTP_P3_BODIES, Peer::WasmtimeP3Bodies);
    held(setup, report)
}

/// 0.2 with an instance for each request.
fn fresh(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let contenders = || {
        let own = Routes::of(setup, &["hello"])?.serve();
        anyhow::Ok(vec![
            Contender::new("Vibrato", vibrato(setup, WASI_HTTP, FRESH), HELLO, BODY),
            peer(setup, Peer::Wasmtime),
            Contender::new("Vibrato's own world", own, HELLO, BODY),
        ])
    };
    let many = requests(setup, contenders()?);
    let what = "wasi:http 0.2, hello, fresh instance, 64 connections";
    report.compare(what, Unit::RequestsASecond, &many, &[Demand::AtLeast(3.5), Demand::AtLeast(0.6)]);
    report.chart("Hello over wasi:http 0.2, a fresh instance for each", Unit::RequestsASecond, &many);
    let one = requests(setup, contenders()?.into_iter().map(|contender| contender.on(1)).collect());
    let what = "wasi:http 0.2, hello, fresh instance, 1 connection";
    report.compare(what, Unit::RequestsASecond, &one, &[Demand::AtLeast(2.5), Demand::Nothing]);
    Ok(())
}

/// 0.2 with as many requests for each instance in both.
fn reused(setup: &Setup, report: &mut Report) {
    let vibrato = vibrato(setup, WASI_HTTP, "reuse = 1000");
    let series = [Contender::new("Vibrato", vibrato, HELLO, BODY), peer(setup, Peer::WasmtimeReused)];
    let series = requests(setup, series.into());
    let what = "wasi:http 0.2, hello, `reuse = 1000`, 64 connections";
    report.compare(what, Unit::RequestsASecond, &series, &[Demand::AtLeast(1.3)]);
}

/// 0.3 with an instance for each request, and with reused instances.
fn p3(setup: &Setup, report: &mut Report) {
    let vibrato = |options| Contender::new("Vibrato", vibrato(setup, WASI_HTTP_P3, options), HELLO, BODY);
    let fresh = vec![vibrato(FRESH), peer(setup, Peer::WasmtimeP3Fresh), peer(setup, Peer::WasmtimeP3)];
    let series = requests(setup, fresh);
    let what = "wasi:http 0.3, hello, fresh instance, 64 connections";
    report.compare(what, Unit::RequestsASecond, &series, &[Demand::AtLeast(2.5), Demand::Nothing]);
    let series = requests(setup, vec![vibrato("reuse = 128"), peer(setup, Peer::WasmtimeP3)]);
    let what = "wasi:http 0.3, hello, `reuse = 128`, 64 connections";
    report.compare(what, Unit::RequestsASecond, &series, &[Demand::AtLeast(1.2)]);
}

/// Long bodies: one that the component makes, and one that it sends back.
fn bodies(setup: &Setup, report: &mut Report, version: &str, component: &str, wasmtime: Peer) {
    let contenders = |target| {
        let vibrato = vibrato(setup, component, FRESH);
        vec![
            Contender::unasked("Vibrato", vibrato, target),
            Contender::unasked(wasmtime.name(), wasmtime.start(setup), target),
        ]
    };
    let series = alternate(contenders(STREAM), setup.runs, |server, contender| {
        let one = || client::stream(server.address, &contender.target, STREAM_BYTES, Reads::ToBuffer);
        bytes_a_second(STREAMS, STREAM_BYTES, one)
    });
    let what = format!("wasi:http {version}, 256 MiB in writes of 64 KiB");
    report.compare(&what, Unit::BytesASecond, &series, &[Demand::AtLeast(1.0)]);
    let series = alternate(contenders(ECHO), setup.runs, |server, contender| {
        bytes_a_second(ECHOES, ECHO_BYTES, || client::echo(server.address, &contender.target, ECHO_BYTES))
    });
    let what = format!("wasi:http {version}, echo of 64 MiB");
    report.compare(&what, Unit::BytesASecond, &series, &[Demand::AtLeast(1.0)]);
}

fn bytes_a_second(times: u32, bytes: u64, one: impl Fn() -> std::io::Result<Duration>) -> anyhow::Result<f64> {
    let mut took = Duration::ZERO;
    for _ in 0..times {
        took += one()?;
    }
    Ok(f64::from(times) * bytes as f64 / took.as_secs_f64())
}

/// Memory of a component that waits for its client, and of a host that has none of 0.3.
fn held(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let (name, value) = GIVE_BACK_AT_ONCE;
    let server = routes(setup, WASI_HTTP, FRESH)?.with(name, value).serve()?;
    let open = |count| client::unread(server.address, STREAM, count);
    let each = memory::held_by(&server, UNREAD, memory::besides_guests, open)?;
    let what = "memory: a suspended invocation of wasi:http 0.2, besides what its guest has touched";
    report.amount(what, Unit::Bytes, each, Demand::AtMost(160.0 * KIB));

    // The first host compiles them; the second has them from its cache, as a host that runs for long.
    drop(Routes::of(setup, &TEN)?.serve()?);
    let idle = memory::settled(&Routes::of(setup, &TEN)?.serve()?)?;
    let what = "memory: the host, ten routes, idle, none of wasi:http 0.3";
    report.amount(what, Unit::Bytes, idle, Demand::AtMost(IDLE_BEFORE + MIB));
    Ok(())
}

pub(super) fn requests(setup: &Setup, contenders: Vec<Contender>) -> Vec<Series> {
    alternate(contenders, setup.runs, |server, contender| wrk::requests_a_second(server, contender, setup.run))
}

fn peer(setup: &Setup, peer: Peer) -> Contender {
    Contender::new(peer.name(), peer.start(setup), HELLO, BODY).on(MANY)
}

/// Vibrato with one of the components of `wasmtime serve`, at every path.
fn vibrato(setup: &Setup, component: &str, options: &str) -> anyhow::Result<Server> {
    let server = routes(setup, component, options)?.serve()?;
    // A component of a version that the host does not serve is refused, and the host runs all the same.
    client::fetch(server.address, ECHO).context("it does not serve this version of wasi:http")?;
    Ok(server)
}

pub(super) fn routes<'a>(setup: &'a Setup, component: &str, options: &str) -> anyhow::Result<Routes<'a>> {
    let file = component_for_wasi_http(setup, component)?;
    let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let routes = Routes::new(setup)?;
    routes.add_component("wasi", &bytes, &format!("path = \"/{{*rest}}\"\n{options}\n"))?;
    Ok(routes)
}
