//! What rests in memory: the host by itself, connections that wait, responses that nobody reads; and that a steady
//! load leaves nothing behind.

use std::io;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::client;
use crate::report::{Demand, Report, Unit};
use crate::server::Server;
use crate::setup::Setup;
use crate::vibrato::Routes;

const MIB: f64 = 1024.0 * 1024.0;
const KIB: f64 = 1024.0;

const TEN: [&str; 10] =
    ["hello", "hello_write", "text", "nothing", "manual", "options", "download", "stream", "echo", "page"];
const IDLE: u32 = 4096;
const UNREAD: u32 = 128;
/// Pieces far smaller than what is held back, so that little of it is the guest's own memory.
const UNREAD_TARGET: &str = "/stream?chunks=100000000&size=1024";
const STEADY_CONNECTIONS: u32 = 16;
const STEADY_RATE: u32 = 10_000;
/// What is kept for later is there after so long.
const WARM_UP: Duration = Duration::from_secs(5);
/// How long memory must stay as it is to count as settled, and how long it may take until then.
const SETTLED: Duration = Duration::from_millis(500);
const SETTLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Adds a row for each.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let compiling = settled(&Routes::of(setup, &TEN)?.serve()?)?;
    // From here on, what is served was compiled before.
    let server = Routes::of(setup, &TEN)?.serve()?;
    let idle = settled(&server)?;
    report.amount("memory: the host, ten routes, idle", Unit::Bytes, idle, Demand::AtMost(40.0 * MIB));
    report.amount("memory: the same, had it to compile them", Unit::Bytes, compiling, Demand::Nothing);

    let connections = held_by(&server, IDLE, |count| client::idle(server.address, "/hello", count))?;
    report.amount("memory: an idle connection", Unit::Bytes, connections, Demand::AtMost(4.0 * KIB));

    let server = Routes::of(setup, &TEN)?.serve()?;
    let invocations = held_by(&server, UNREAD, |count| client::unread(server.address, UNREAD_TARGET, count))?;
    let what = "memory: a suspended invocation, its guest's own memory included";
    report.amount(what, Unit::Bytes, invocations, Demand::AtMost(128.0 * KIB));

    let server = Routes::of(setup, &TEN)?.serve()?;
    let load = |duration| client::steadily(server.address, "/hello", STEADY_CONNECTIONS, STEADY_RATE, duration);
    load(WARM_UP)?;
    let before = settled(&server)?;
    let answered = load(setup.steady)?.len();
    let growth = settled(&server)? - before;
    let what = format!("memory: growth over {answered} requests in {} s", setup.steady.as_secs());
    report.amount(&what, Unit::Bytes, growth, Demand::AtMost(MIB));
    Ok(())
}

/// Bytes that the server holds for each of `count` connections, once they are open. As many are open
/// before: the first ones make the server keep, or give back, what is not theirs.
fn held_by(server: &Server, count: u32, open: impl Fn(u32) -> io::Result<Vec<TcpStream>>) -> anyhow::Result<f64> {
    let first = open(count)?;
    let before = settled(server)?;
    let connections = open(count)?;
    let after = settled(server)?;
    drop((first, connections));
    Ok((after - before) / f64::from(count))
}

/// The resident memory of a server in bytes, once it no longer changes.
fn settled(server: &Server) -> anyhow::Result<f64> {
    let (start, mut since, mut last) = (Instant::now(), Instant::now(), server.resident()?);
    while since.elapsed() < SETTLED {
        if start.elapsed() > SETTLE_TIMEOUT {
            bail!("the memory of the host does not settle");
        }
        thread::sleep(SETTLED / 10);
        let now = server.resident()?;
        if now != last {
            (since, last) = (Instant::now(), now);
        }
    }
    Ok(last as f64)
}
