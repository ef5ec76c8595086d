//! Parked responses: the memory of each, and how fast a published chunk reaches all of them.

use super::memory::{GIVE_BACK_AT_ONCE, held_by, resident};
use crate::client;
use crate::report::{Demand, Report, Unit};
use crate::setup::Setup;
use crate::vibrato::Routes;

const PARKED: u32 = 10_000;
/// Room for them and for one publisher.
const ROOM: [&str; 4] = ["--max-connections", "10001", "--max-parked", "10000"];
const PARKS: &str = "/script?subscribe=all&write=open&manual";
const OPEN: &str = "open";
const CHUNK_BYTES: usize = 64;
const KIB: f64 = 1024.0;

/// Adds a row for each.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let (name, value) = GIVE_BACK_AT_ONCE;
    let server = routes(setup)?.with(name, value).serve()?;
    let park = |count| client::left_open(server.address, PARKS, OPEN, count);
    let each = held_by(&server, PARKED / 2, resident, park)?;
    report.amount("memory: a parked connection", Unit::Bytes, each, Demand::AtMost(6.0 * KIB));

    let server = routes(setup)?.serve()?;
    let mut parked = client::left_open(server.address, PARKS, OPEN, PARKED)?;
    let target = format!("/script?publish-bytes=all:{CHUNK_BYTES}");
    let coded = format!("{CHUNK_BYTES:x}\r\n{}\r\n", "x".repeat(CHUNK_BYTES));
    let publish = |_| client::publish(server.address, &target, &mut parked, coded.as_bytes());
    let mut times = (0..setup.runs).map(publish).collect::<Result<Vec<_>, _>>()?;
    times.sort();
    let median = times[times.len() / 2].as_secs_f64();
    report.amount("64 bytes published to 10,000 connections", Unit::Seconds, median, Demand::AtMost(0.15));
    Ok(())
}

fn routes(setup: &Setup) -> anyhow::Result<Routes<'_>> {
    let routes = Routes::new(setup)?.flags(&ROOM);
    routes.add("script", "examples/script", "share = 100\n")?;
    Ok(routes)
}
