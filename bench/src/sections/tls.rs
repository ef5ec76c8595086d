//! Over TLS: hello, handshakes, a long response, and what an idle connection takes.

use std::time::Duration;

use super::memory::{GIVE_BACK_AT_ONCE, held_by, resident};
use crate::certificate::Certificate;
use crate::client::{Sessions, TlsClient};
use crate::compare::{Contender, alternate};
use crate::peers::{NGINX_STREAM, Protocol, STREAM_BYTES, nginx_speaking};
use crate::report::{Demand, Report, Unit};
use crate::setup::Setup;
use crate::vibrato::Routes;
use crate::wrk;

/// The name of nginx over TLS in the table.
pub(super) const NGINX: &str = "nginx, TLS";
const LARGE_WRITE: u64 = 64 * 1024;
/// Responses per run.
const RESPONSES: u32 = 4;
const IDLE: u32 = 2048;
/// Clients that connect at the same time.
const CONNECTING: u32 = 8;
const KIB: f64 = 1024.0;

/// Adds the rows.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let certificate = Certificate::make()?;
    let client = TlsClient::trusting(&certificate.file())?;
    let contenders = |options: &str| {
        let routes = Routes::new(setup)?;
        routes.add("hello", "hello", options)?;
        anyhow::Ok(vec![
            Contender::unasked("Vibrato, TLS", routes.tls(&certificate).serve(), "/hello"),
            Contender::unasked(NGINX, nginx_speaking(setup, Protocol::Tls(&certificate)), "/hello"),
        ])
    };
    // The clients cannot ask as much as the servers could answer, so the servers' processor time counts.
    let hello = |options| {
        anyhow::Ok(alternate(contenders(options)?, setup.runs, |server, contender| {
            client.fetch(server.address, &contender.target)?;
            server.rate_of_processor(|| wrk::tls_requests(server, contender, setup.run))
        }))
    };
    let fresh = hello("")?;
    let what = "TLS: hello, fresh instance, 64 connections, per second of processor time";
    report.compare(what, Unit::RequestsASecond, &fresh, &[Demand::AtLeast(0.65)]);
    let reused = hello("reuse = 1_000_000\n")?;
    let what = "TLS: hello, `reuse = 1_000_000`, 64 connections, per second of processor time";
    report.compare(what, Unit::RequestsASecond, &reused, &[Demand::AtLeast(1.0)]);
    for (kind, sessions, demand) in [("full", Sessions::Made, 1.3), ("resumed", Sessions::Resumed, 1.2)] {
        let handshakes = alternate(contenders("")?, setup.runs, |server, contender| {
            server.rate_of_processor(|| {
                Ok(client.handshakes(server.address, &contender.target, CONNECTING, sessions, setup.run)?)
            })
        });
        let what = format!("TLS: {kind} handshakes, with one hello each, per second of processor time");
        report.compare(&what, Unit::RequestsASecond, &handshakes, &[Demand::AtLeast(demand)]);
    }

    let target = format!("/stream?chunks={}&size={LARGE_WRITE}", STREAM_BYTES / LARGE_WRITE);
    let contenders = vec![
        Contender::unasked("Vibrato, TLS", Routes::of(setup, &["stream"])?.tls(&certificate).serve(), &target),
        Contender::unasked(NGINX, nginx_speaking(setup, Protocol::Tls(&certificate)), NGINX_STREAM),
    ];
    let streams = alternate(contenders, setup.runs, |server, contender| {
        let mut took = Duration::ZERO;
        for _ in 0..RESPONSES {
            took += client.stream(server.address, &contender.target, STREAM_BYTES)?;
        }
        Ok(f64::from(RESPONSES) * STREAM_BYTES as f64 / took.as_secs_f64())
    });
    let what = "TLS: 256 MiB in writes of 64 KiB";
    report.compare(what, Unit::BytesASecond, &streams, &[Demand::AtLeast(0.8)]);

    let (name, value) = GIVE_BACK_AT_ONCE;
    let server = Routes::of(setup, &["hello"])?.with(name, value).tls(&certificate).serve()?;
    let each = held_by(&server, IDLE, resident, |count| client.idle(server.address, "/hello", count))?;
    report.amount("TLS: memory of an idle connection", Unit::Bytes, each, Demand::AtMost(6.0 * KIB));
    Ok(())
}
