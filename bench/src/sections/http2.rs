//! HTTP/2, over TLS and with prior knowledge: hello, a long response, and the memory of idle connections and of parked
//! streams.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;

use super::memory::{GIVE_BACK_AT_ONCE, held_by, resident};
use super::tls::NGINX;
use crate::certificate::Certificate;
use crate::client::{Http2Connection, TlsClient, TlsConnection, Until};
use crate::compare::{Contender, Series, alternate};
use crate::h2load;
use crate::peers::{NGINX_STREAM, Protocol, STREAM_BYTES, nginx_speaking};
use crate::report::{Demand, Report, Unit};
use crate::server::Server;
use crate::setup::Setup;
use crate::vibrato::Routes;

const OURS: &str = "Vibrato";
const LARGE_WRITE: u64 = 64 * 1024;
/// Responses per run.
const RESPONSES: u32 = 4;
const IDLE: u32 = 2048;
/// The parked streams of each connection: fewer than the server's bound.
const STREAMS: u32 = 100;
const PARKED: u32 = 10_000;
const ROOM: [&str; 2] = ["--max-parked", "10000"];
const PARKS: &str = "/script?subscribe=all&write=open&manual";
const KIB: f64 = 1024.0;

/// Adds the rows.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let certificate = Certificate::make()?;
    for (demands, tls) in [([Demand::AtLeast(0.5), Demand::AtLeast(0.9)], true), ([Demand::Nothing; 2], false)] {
        let certificate = tls.then_some(&certificate);
        let how = if tls { "over TLS" } else { "prior knowledge" };
        for (demand, (options, what)) in
            demands.iter().zip([("", "fresh instance"), ("reuse = 1_000_000\n", "`reuse = 1_000_000`")])
        {
            let series = hello(setup, certificate, options)?;
            let what =
                format!("HTTP/2, {how}: hello, {what}, 16 connections of 32 streams, per second of processor time");
            report.compare(&what, Unit::RequestsASecond, &series, &[*demand]);
        }
        let series = long(setup, certificate)?;
        let what = format!("HTTP/2, {how}: 256 MiB in writes of 64 KiB");
        report.compare(&what, Unit::BytesASecond, &series, &[Demand::Nothing]);
    }
    let client = TlsClient::trusting(&certificate.file())?.http2();
    memory(setup, report, &certificate, &client)
}

fn contenders<'a>(
    setup: &Setup,
    certificate: Option<&'a Certificate>,
    routes: Routes<'a>,
    targets: [&str; 2],
) -> Vec<Contender> {
    let (routes, protocol, theirs) = match certificate {
        Some(certificate) => (routes.tls(certificate), Protocol::Http2OverTls(certificate), NGINX),
        None => (routes, Protocol::Http2, "nginx"),
    };
    vec![
        Contender::unasked(OURS, routes.serve(), targets[0]),
        Contender::unasked(theirs, nginx_speaking(setup, protocol), targets[1]),
    ]
}

fn url(certificate: Option<&Certificate>, server: &Server, contender: &Contender) -> String {
    let scheme = if certificate.is_some() { "https" } else { "http" };
    format!("{scheme}://{}{}", server.address, contender.target)
}

/// Hello with these options. h2load cannot ask as much as two of the servers could answer, so their processor time counts.
fn hello(setup: &Setup, certificate: Option<&Certificate>, options: &str) -> anyhow::Result<Vec<Series>> {
    let routes = Routes::new(setup)?;
    // More requests are under way than half of `--max-invocations`, which a route may have otherwise.
    routes.add("hello", "hello", &format!("share = 100\n{options}"))?;
    let contenders = contenders(setup, certificate, routes, ["/hello"; 2]);
    Ok(alternate(contenders, setup.runs, |server, contender| {
        server.rate_of_processor(|| h2load::requests(&url(certificate, server, contender), setup.run))
    }))
}

fn long(setup: &Setup, certificate: Option<&Certificate>) -> anyhow::Result<Vec<Series>> {
    let target = format!("/stream?chunks={}&size={LARGE_WRITE}", STREAM_BYTES / LARGE_WRITE);
    let contenders = contenders(setup, certificate, Routes::of(setup, &["stream"])?, [&target, NGINX_STREAM]);
    Ok(alternate(contenders, setup.runs, |server, contender| {
        let took = h2load::duration(&url(certificate, server, contender), RESPONSES)?;
        Ok(f64::from(RESPONSES) * STREAM_BYTES as f64 / took.as_secs_f64())
    }))
}

fn memory(setup: &Setup, report: &mut Report, certificate: &Certificate, client: &TlsClient) -> anyhow::Result<()> {
    let (name, value) = GIVE_BACK_AT_ONCE;
    let server = Routes::of(setup, &["hello"])?.with(name, value).tls(certificate).serve()?;
    let each = held_by(&server, IDLE, resident, |count| idle(client, server.address, count))?;
    report.amount("HTTP/2, over TLS: memory of an idle connection", Unit::Bytes, each, Demand::AtMost(24.0 * KIB));

    let routes = Routes::new(setup)?.flags(&ROOM);
    routes.add("hello", "hello", "")?;
    routes.add("script", "examples/script", "share = 100\n")?;
    let server = routes.with(name, value).tls(certificate).serve()?;
    // The connections are there before, so that only the streams count.
    let connections = RefCell::new(idle(client, server.address, PARKED / STREAMS)?);
    let park = |streams: u32| {
        let open = |_| {
            let mut connection = connections.borrow_mut().pop().ok_or(io::ErrorKind::NotFound)?;
            connection.ask(PARKS, STREAMS, Until::Begun)?;
            Ok(connection)
        };
        (0..streams / STREAMS).map(open).collect()
    };
    let each = held_by(&server, PARKED / 2, resident, park)?;
    report.amount("HTTP/2, over TLS: memory of a parked stream", Unit::Bytes, each, Demand::AtMost(3.0 * KIB));
    Ok(())
}

/// Connections that are idle after one response.
fn idle(client: &TlsClient, server: SocketAddr, connections: u32) -> io::Result<Vec<Http2Connection<TlsConnection>>> {
    let open = |_| {
        let mut connection = Http2Connection::open(client.connect(server)?, "https")?;
        connection.ask("/hello", 1, Until::Ended)?;
        Ok(connection)
    };
    (0..connections).map(open).collect()
}
