//! The release host under load, beside a bare loop that answers the same bytes: `make bench`.
//!
//! One core serves and the other asks. Every number is the median of runs that alternate between the two, so that
//! what else the machine does meets both. The ratios are the result: machines differ, and so do the numbers.

mod bare;
mod client;
mod machine;
mod server;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

const RUNS: usize = 5;
const RUN: Duration = Duration::from_secs(2);
const MIB: f64 = 1024.0 * 1024.0;

fn main() -> Result<(), Box<dyn Error>> {
    // What serves is started first, and stays on the core of this moment.
    let server_pinned = machine::pin_thread("0");
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let host = server::Host::start()?;
    let hello = runtime.block_on(client::fetch(host.address, "/hello"))?;
    let one_write = runtime.block_on(client::fetch(host.address, "/stream?chunks=1&size=65536"))?;
    let bench = Bench { bare: bare::start(bare::Answers::new(hello, &one_write)?)?, host: host.address, runtime };
    let cores = if server_pinned && machine::pin_thread("1") { "a core each" } else { "shared cores" };

    println!("{}", machine::describe());
    println!("server and client on {cores}; medians of {RUNS} alternating runs\n");
    for (name, connections) in [("64 connections", 64), ("1 connection", 1)] {
        let measure = async |server| client::requests_a_second(server, "/hello", connections, RUN).await;
        bench.compare(&format!("hello, fresh instance, {name}"), ("req/s", 1.0), measure)?;
    }
    let target = format!("/stream?chunks={}&size=65536", bare::STREAM_WRITES);
    let measure = async |server| client::bytes_a_second(server, &target).await;
    bench.compare("stream, 256 MiB in writes of 64 KiB", ("MiB/s", MIB), measure)?;
    let rate = bench.runtime.block_on(client::bytes_a_second(bench.host, "/download?bytes=8388608"))?;
    row("rate, 8 MiB at 2 MiB/s, once", (8.0 * MIB / rate, "s"), (rate / (2.0 * MIB), "its rate"));
    Ok(())
}

fn row(name: &str, (measured, unit): (f64, &str), (ratio, to): (f64, &str)) {
    let digits = if measured < 100.0 { 3 } else { 0 };
    println!("{name:38} | {measured:>9.digits$} {unit:5} | {ratio:.3} x {to}");
}

struct Bench {
    runtime: Runtime,
    host: SocketAddr,
    bare: SocketAddr,
}

impl Bench {
    /// Measures the host and the bare loop in turn, and prints the medians in units of so many.
    fn compare(
        &self,
        name: &str,
        (unit, of): (&str, f64),
        measure: impl AsyncFn(SocketAddr) -> io::Result<f64>,
    ) -> io::Result<()> {
        let mut results = [[0.0; RUNS]; 2];
        for run in 0..RUNS {
            for (results, server) in results.iter_mut().zip([self.host, self.bare]) {
                results[run] = self.runtime.block_on(measure(server))?;
            }
        }
        results.iter_mut().for_each(|results| results.sort_by(f64::total_cmp));
        let [host, bare] = results.map(|of_one| of_one[RUNS / 2]);
        row(name, (host / of, unit), (host / bare, "bare loop"));
        Ok(())
    }
}
