//! Memory of the idle host, of idle connections and of responses that are not read; and that a steady load leaves
//! nothing behind.

use std::io;
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

/// The handlers of the row for an idle host.
pub(super) const TEN: [&str; 10] =
    ["hello", "hello_write", "text", "nothing", "manual", "options", "download", "stream", "echo", "page"];
const IDLE: u32 = 4096;
/// Connections of the row for suspended invocations.
pub(super) const UNREAD: u32 = 128;
/// Makes the host's allocator return memory at once. Otherwise garbage of loading would be counted.
pub(super) const GIVE_BACK_AT_ONCE: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "0");
/// Chunks far smaller than the buffers, so that little of the memory is the guest's.
const UNREAD_TARGET: &str = "/stream?chunks=100000000&size=1024";
const STEADY_CONNECTIONS: u32 = 16;
const STEADY_RATE: u32 = 10_000;
/// After this time, everything that is kept for reuse exists.
const WARM_UP: Duration = Duration::from_secs(5);
/// How long memory must be constant to count as settled, and how long to wait for that.
const SETTLED: Duration = Duration::from_millis(500);
const SETTLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Adds a row for each.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let compiling = settled(&Routes::of(setup, &TEN)?.serve()?)?;
    // From here on, all components are in the compile cache.
    let server = Routes::of(setup, &TEN)?.serve()?;
    let idle = settled(&server)?;
    report.amount("memory: the host, ten routes, idle", Unit::Bytes, idle, Demand::AtMost(40.0 * MIB));
    report.amount("memory: the same, had it to compile them", Unit::Bytes, compiling, Demand::Nothing);

    let (name, value) = GIVE_BACK_AT_ONCE;
    let server = Routes::of(setup, &TEN)?.with(name, value).serve()?;
    let each = held_by(&server, IDLE, resident, |count| client::idle(server.address, "/hello", count))?;
    report.amount("memory: an idle connection", Unit::Bytes, each, Demand::AtMost(4.0 * KIB));

    let server = Routes::of(setup, &TEN)?.with(name, value).serve()?;
    let open = |count| client::unread(server.address, UNREAD_TARGET, count);
    let each = held_by(&server, UNREAD, besides_guests, open)?;
    let what = "memory: a suspended invocation, besides what its guest has touched";
    report.amount(what, Unit::Bytes, each, Demand::AtMost(128.0 * KIB));

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

/// Bytes, measured by `held`, for each of `count` connections. As many are opened before, because the first ones make
/// the server allocate shared state.
pub(super) fn held_by<C>(
    server: &Server,
    count: u32,
    held: impl Fn(&Server) -> anyhow::Result<f64>,
    open: impl Fn(u32) -> io::Result<Vec<C>>,
) -> anyhow::Result<f64> {
    let first = open(count)?;
    settled(server)?;
    let before = held(server)?;
    let connections = open(count)?;
    settled(server)?;
    let after = held(server)?;
    drop((first, connections));
    Ok((after - before) / f64::from(count))
}

/// The resident memory of a server in bytes, once it is constant.
pub(super) fn settled(server: &Server) -> anyhow::Result<f64> {
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

pub(super) fn resident(server: &Server) -> anyhow::Result<f64> {
    Ok(server.resident()? as f64)
}

/// The resident memory of a server in bytes, without what its guests have touched.
pub(super) fn besides_guests(server: &Server) -> anyhow::Result<f64> {
    Ok(resident(server)? - linear_memories(&server.proc("smaps")?) as f64)
}

/// Resident bytes of the linear memories in a `/proc/PID/smaps`. Each begins with its component's initial data, which
/// wasmtime maps from a file in memory, and continues in the mappings that follow without a gap.
fn linear_memories(smaps: &str) -> u64 {
    let (mut bytes, mut end, mut is_linear) = (0, "", false);
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some((from, to)) = first.split_once('-') {
            let writable = words.next().is_some_and(|access| access.starts_with("rw"));
            is_linear = writable && (line.contains("wasm-memory-image") || (is_linear && from == end));
            end = to;
        } else if first == "Rss:" && is_linear {
            bytes += words.next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() * 1024;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_memories_are_told_from_what_else_is_mapped() {
        let smaps = "\
            1000-2000 rw-p 00000000 00:01 7    /memfd:wasm-memory-image (deleted)\nRss:   4 kB\nPss:   4 kB\n\
            2000-9000 rw-p 00000000 00:00 0 \nRss:    8 kB\n\
            9000-f000 ---p 00000000 00:00 0 \nRss:    0 kB\n\
            f000-ff00 rw-p 00000000 00:00 0 \nRss:  100 kB\n\
            ff00-fff0 rw-p 00000000 00:01 7    /memfd:wasm-memory-image (deleted)\nRss:   4 kB\n";
        assert_eq!(linear_memories(smaps), 16 * 1024);
        assert_eq!(linear_memories(""), 0);
    }
}
