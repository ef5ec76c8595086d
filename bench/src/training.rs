//! Runs a typical load, once, to record a profile that `make dist` optimises for.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::certificate::Certificate;
use crate::client::{self, Http2Connection, Reads, TlsClient, Until};
use crate::setup::Setup;
use crate::vibrato::Routes;

/// The targets, and the number of connections for each.
const ASKED: [(&str, u32); 8] = [
    ("/hello", 32),
    ("/hello", 1),
    ("/hello-write", 32),
    ("/hello-reuse", 32),
    ("/text", 32),
    ("/options", 8),
    ("/page/1", 8),
    ("/stream?chunks=3&size=900", 8),
];
/// Duration of each target's load, and a rate that the host cannot reach.
const EACH: Duration = Duration::from_secs(1);
const RATE: u32 = 50_000;
/// The targets over HTTP/2 and over TLS, where a connection has as many requests at once.
const ALSO_ASKED: [&str; 3] = ["/hello", "/hello-reuse", "/options"];
const STREAMS: u32 = 32;
/// Long responses, in writes of these sizes.
const LONG: [u64; 2] = [64, 64 * 1024];
const LONG_BYTES: u64 = 64 * 1024 * 1024;

/// Runs the load.
pub fn run(setup: &Setup) -> anyhow::Result<()> {
    plain(routes(setup)?.serve()?.address)?;
    match Certificate::make() {
        Ok(certificate) => {
            let server = routes(setup)?.tls(&certificate).serve()?;
            encrypted(&TlsClient::trusting(&certificate.file())?, server.address)?;
        }
        Err(reason) => eprintln!("the profile has nothing of TLS: {reason:#}"),
    }
    Ok(())
}

fn routes(setup: &Setup) -> anyhow::Result<Routes<'_>> {
    let routes = Routes::of(setup, &["hello", "hello_write", "text", "options", "page", "stream"])?;
    routes.add("hello-reuse", "hello", "path = \"/hello-reuse\"\nreuse = 1_000_000\n")?;
    Ok(routes)
}

fn plain(server: SocketAddr) -> io::Result<()> {
    for (target, connections) in ASKED {
        client::steadily(server, target, connections, RATE, EACH)?;
    }
    for size in LONG {
        client::stream(server, &long(size), LONG_BYTES, Reads::ToBuffer)?;
    }
    over_http2(|| Http2Connection::open(client::connect(server)?, "http"))
}

/// The same over TLS, of which HTTP/1 takes less: its requests are trained already.
fn encrypted(client: &TlsClient, server: SocketAddr) -> io::Result<()> {
    for target in ALSO_ASKED {
        let start = Instant::now();
        let mut connections = client.idle(server, target, STREAMS)?;
        while start.elapsed() < EACH {
            connections.iter_mut().try_for_each(|connection| client::tls_exchange(connection, target))?;
        }
    }
    for size in LONG {
        client.stream(server, &long(size), LONG_BYTES)?;
    }
    let client = client.http2();
    over_http2(|| Http2Connection::open(client.connect(server)?, "https"))
}

fn over_http2<S: io::Read + io::Write>(open: impl Fn() -> io::Result<Http2Connection<S>>) -> io::Result<()> {
    for target in ALSO_ASKED {
        let start = Instant::now();
        let mut connection = open()?;
        while start.elapsed() < EACH {
            connection.ask(target, STREAMS, Until::Ended)?;
        }
    }
    LONG.iter().try_for_each(|size| open()?.ask(&long(*size), 1, Until::Ended))
}

/// The target of a long response, in writes of this size.
fn long(size: u64) -> String {
    format!("/stream?chunks={}&size={size}", LONG_BYTES / size)
}
