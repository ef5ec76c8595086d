//! What it costs to be observed: metrics, their exposition, and traces, each beside the same server without it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::scale::{ROUTES, many_routes};
use crate::compare::{Contender, Series, alternate};
use crate::report::{Demand, Report, Unit};
use crate::setup::{self, Setup};
use crate::wrk;

/// How often metrics are asked for.
const INTERVAL: Duration = Duration::from_secs(1);
const METRICS: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// Asked for in turn, whose median counts.
const SCRAPES: usize = 21;

/// Adds a row for each.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let folder = setup::folder()?;
    let socket = folder.path().join("admin");
    let admin = format!("unix:{}", socket.display());
    let with_metrics = ["--admin", &admin];
    let mut row = |what: &str, with: (&str, &[&str]), least, count, asked: Option<&Path>| {
        let series = beside_none(setup, with, count, asked)?;
        report.compare(what, Unit::RequestsASecond, &series, &[Demand::AtLeast(least)]);
        anyhow::Ok(())
    };
    let metrics = ("Vibrato, metrics", &with_metrics[..]);
    row("observed: hello with metrics, per second of processor time", metrics, 0.99, 1, None)?;
    let what = "observed: hello, 1,000 routes whose metrics are asked for each second, per second of processor time";
    row(what, metrics, 0.985, ROUTES, Some(&socket))?;
    let collector = Collector::start()?;
    let collector = format!("http://{}", collector.address);
    for (ratio, least) in [("0", 0.99), ("0.01", 0.98)] {
        let flags = ["--otlp", &collector, "--trace-ratio", ratio];
        let what = format!("observed: hello, traces at a ratio of {ratio}, per second of processor time");
        row(&what, ("Vibrato, traces", &flags), least, 1, None)?;
    }

    let server = many_routes(setup, ROUTES)?.flags(&with_metrics).serve()?;
    let mut scrapes = (0..SCRAPES).map(|_| scrape(&socket)).collect::<anyhow::Result<Vec<_>>>()?;
    scrapes.sort_unstable();
    let (took, bytes) = scrapes[SCRAPES / 2];
    drop(server);
    let (took, bytes) = (took.as_secs_f64(), bytes as f64);
    report.amount("observed: metrics of 1,000 routes", Unit::Seconds, took, Demand::AtMost(0.02));
    report.amount("observed: their size", Unit::Bytes, bytes, Demand::AtMost(3.0 * 1024.0 * 1024.0));
    Ok(())
}

/// Hello of a server with these flags, beside one without. If there is a `socket`, the metrics of the first are asked for there
/// each second.
fn beside_none(
    setup: &Setup,
    (name, flags): (&str, &[&str]),
    routes: u32,
    socket: Option<&Path>,
) -> anyhow::Result<Vec<Series>> {
    let contenders = vec![
        Contender::unasked(name, many_routes(setup, routes)?.flags(flags).serve(), "/hello"),
        Contender::unasked("without", many_routes(setup, routes)?.serve(), "/hello"),
    ];
    Ok(alternate(contenders, setup.runs, |server, contender| {
        server.rate_of_processor(|| {
            let Some(socket) = socket.filter(|_| contender.name == name) else {
                return wrk::requests(server, contender, setup.run);
            };
            thread::scope(|scope| {
                let (stop, stopped) = channel::<()>();
                let scraper = scope.spawn(move || scrape_until(socket, &stopped));
                let answered = wrk::requests(server, contender, setup.run);
                drop(stop);
                scraper.join().expect("it does not panic")?;
                answered
            })
        })
    }))
}

/// Asks for the metrics each second, until `stopped` is disconnected.
fn scrape_until(socket: &Path, stopped: &Receiver<()>) -> anyhow::Result<()> {
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(INTERVAL) {
        scrape(socket)?;
    }
    Ok(())
}

/// Asks for the metrics once. Returns how long that took and how many bytes came.
fn scrape(socket: &Path) -> anyhow::Result<(Duration, usize)> {
    let start = Instant::now();
    let mut connection = UnixStream::connect(socket).context("the admin listener")?;
    connection.write_all(METRICS)?;
    let mut response = Vec::new();
    connection.read_to_end(&mut response)?;
    ensure!(response.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&response[..response.len().min(99)]));
    Ok((start.elapsed(), response.len()))
}

/// A server that takes traces and forgets them.
struct Collector {
    address: SocketAddr,
}

impl Collector {
    /// Starts it. It runs as long as this process.
    fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                thread::spawn(|| forget(connection));
            }
        });
        Ok(Self { address })
    }
}

/// Answers each request of a connection with 200.
fn forget(mut connection: TcpStream) -> io::Result<()> {
    let mut requests = BufReader::new(connection.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if requests.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
        }
        if line == "\r\n" {
            io::copy(&mut requests.by_ref().take(length), &mut io::sink())?;
            connection
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")?;
        }
    }
}
