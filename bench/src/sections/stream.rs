//! Long responses: throughput of large writes, number of small writes per second, and how long a write is held back.

mod held;

use std::time::Duration;

use anyhow::Context as _;

use crate::client::{self, Reads};
use crate::compare::{Contender, Series, alternate};
use crate::peers::{NGINX_STREAM, Peer, STREAM_BYTES};
use crate::report::{Demand, Report, Unit};
use crate::setup::Setup;
use crate::vibrato::Routes;

const LARGE_WRITE: u64 = 64 * 1024;
/// Responses per run.
const RESPONSES: u32 = 16;
const SMALL_WRITE: u64 = 64;
const SMALL_WRITES: u64 = 4_000_000;
const PEERS: [(Peer, &str, Demand); 3] = [
    (Peer::Wasmtime, "/stream", Demand::AtLeast(1.0)),
    (Peer::NginxSendfile, NGINX_STREAM, Demand::AtLeast(0.8)),
    (Peer::Bare, "/stream", Demand::Nothing),
];

/// Adds the rows, and a chart of the large writes.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let read = large(setup, Reads::ToBuffer)?;
    let what = "256 MiB in writes of 64 KiB";
    report.compare(what, Unit::BytesASecond, &read, &PEERS.map(|peer| peer.2));
    report.chart(
        "A response of 256 MiB, one connection; the handlers write 64 KiB at a time",
        Unit::BytesASecond,
        &read,
    );
    let dropped = large(setup, Reads::Nowhere)?;
    let what = "the same, to a client that drops it unread";
    report.compare(what, Unit::BytesASecond, &dropped, &PEERS.map(|_| Demand::Nothing));

    let small = format!("/stream?chunks={SMALL_WRITES}&size={SMALL_WRITE}");
    let vibrato = Contender::unasked("Vibrato", Routes::of(setup, &["stream"])?.serve(), &small);
    let series = alternate(vec![vibrato], setup.runs, |server, contender| {
        let took = client::stream(server.address, &contender.target, SMALL_WRITES * SMALL_WRITE, Reads::Nowhere)?;
        Ok(SMALL_WRITES as f64 / took.as_secs_f64())
    });
    let writes = series.into_iter().next().context("a series for each contender")?;
    report.amount("writes of 64 bytes, each a chunk", Unit::WritesASecond, writes.value()?, Demand::AtLeast(1e6));
    held::measure(setup, report);
    Ok(())
}

/// Bytes per second of each server, in writes of [`LARGE_WRITE`] bytes. A run has several responses, because one takes
/// less than a tenth of a second, and the first one after a pause is slower.
fn large(setup: &Setup, reads: Reads) -> anyhow::Result<Vec<Series>> {
    let target = format!("/stream?chunks={}&size={LARGE_WRITE}", STREAM_BYTES / LARGE_WRITE);
    let mut contenders = vec![Contender::unasked("Vibrato", Routes::of(setup, &["stream"])?.serve(), &target)];
    contenders.extend(PEERS.map(|(peer, target, _)| Contender::unasked(peer.name(), peer.start(setup), target)));
    Ok(alternate(contenders, setup.runs, |server, contender| {
        let mut took = Duration::ZERO;
        for _ in 0..RESPONSES {
            took += client::stream(server.address, &contender.target, STREAM_BYTES, reads)?;
        }
        Ok(f64::from(RESPONSES) * STREAM_BYTES as f64 / took.as_secs_f64())
    }))
}
