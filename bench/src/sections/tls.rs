//! Over TLS: hello, handshakes, a long response, and what an idle connection takes.

use std::time::Duration;

use super::memory::{GIVE_BACK_AT_ONCE, held_by, resident};
use crate::certificate::Certificate;
use crate::client::TlsClient;
use crate::compare::{Contender, alternate};
use crate::peers::{NGINX_STREAM, STREAM_BYTES, nginx_tls};
use crate::report::{Demand, Report, Unit};
use crate::setup::Setup;
use crate::vibrato::Routes;
use crate::wrk::{self, Connections};

const NGINX: &str = "nginx, TLS";
const LARGE_WRITE: u64 = 64 * 1024;
/// Responses per run.
const RESPONSES: u32 = 4;
const IDLE: u32 = 2048;
const KIB: f64 = 1024.0;

/// Adds the rows.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let certificate = Certificate::make()?;
    let client = TlsClient::trusting(&certificate.file())?;
    let hello = |options: &str, connections| {
        let routes = Routes::new(setup)?;
        routes.add("hello", "hello", options)?;
        let contenders = vec![
            Contender::unasked("Vibrato, TLS", routes.tls(&certificate).serve(), "/hello"),
            Contender::unasked(NGINX, nginx_tls(setup, &certificate), "/hello"),
        ];
        anyhow::Ok(alternate(contenders, setup.runs, |server, contender| {
            client.fetch(server.address, &contender.target)?;
            wrk::tls_requests_a_second(server, contender, setup.run, connections)
        }))
    };
    let fresh = hello("", Connections::Kept)?;
    let what = "TLS: hello, fresh instance, 64 connections";
    report.compare(what, Unit::RequestsASecond, &fresh, &[Demand::AtLeast(0.65)]);
    let reused = hello("reuse = 1_000_000\n", Connections::Kept)?;
    let what = "TLS: hello, `reuse = 1_000_000`, 64 connections";
    report.compare(what, Unit::RequestsASecond, &reused, &[Demand::AtLeast(1.0)]);
    let handshakes = hello("", Connections::NewForEach)?;
    let what = "TLS: full handshakes, with one hello each";
    report.compare(what, Unit::RequestsASecond, &handshakes, &[Demand::AtLeast(1.3)]);

    let target = format!("/stream?chunks={}&size={LARGE_WRITE}", STREAM_BYTES / LARGE_WRITE);
    let contenders = vec![
        Contender::unasked("Vibrato, TLS", Routes::of(setup, &["stream"])?.tls(&certificate).serve(), &target),
        Contender::unasked(NGINX, nginx_tls(setup, &certificate), NGINX_STREAM),
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
