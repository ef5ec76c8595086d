//! How long the host holds back what a handler writes that never waits.
//!
//! Each chunk begins with the time at which it was written. It is held back until the system call returns that sends
//! its last byte, according to the kernel's record of those calls. The time to the client does not count, because the
//! host cannot influence it. Everything else counts, including delays of the host's threads by the kernel.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::client::{self, Stamped};
use crate::compare::median;
use crate::report::{Demand, Report, Unit};
use crate::sends::{Recorder, Sent};
use crate::setup::Setup;
use crate::vibrato::Routes;

const WHAT: &str = "how long 64 bytes are held back where their handler never rests";
const CHUNK_BYTES: usize = 64;
/// The host's epoch tick, in seconds: a running handler is interrupted this often, and its output is sent.
const TICK: f64 = 0.005;

/// Adds the rows, or one that says why there are none. The demand is on the longest time of the median run, because in
/// some runs the core is taken away for longer.
pub fn measure(setup: &Setup, report: &mut Report) {
    match runs(setup) {
        Ok(runs) => add_rows(runs, report),
        Err(reason) => report.failed(WHAT, &reason),
    }
}

/// How long each chunk was held back, in each run.
fn runs(setup: &Setup) -> anyhow::Result<Vec<Vec<Duration>>> {
    let routes = Routes::new(setup)?;
    routes.add("stamps", "examples/stamps", "timeout = 3600\n")?;
    let server = routes.serve()?;
    let target = format!("/stamps?milliseconds={}", setup.run.as_millis());
    let recorder = Recorder::of(&server)?;
    let one = |_| {
        let (response, sent) = recorder.during(|| client::stamped(server.address, &target, CHUNK_BYTES))?;
        held(&response?, &sent)
    };
    (0..setup.runs).map(one).collect()
}

fn add_rows(mut runs: Vec<Vec<Duration>>, report: &mut Report) {
    let mut longest: Vec<_> = runs.iter_mut().map(|run| at_most(run, 1000)).collect();
    let mut all = runs.concat();
    let rows = [
        ("median", at_most(&mut all, 500), Demand::Nothing),
        ("p99", at_most(&mut all, 990), Demand::Nothing),
        ("p99.9", at_most(&mut all, 999), Demand::Nothing),
        ("longest of a run", median(&mut longest), Demand::AtMost(TICK)),
        ("longest of all runs", at_most(&mut all, 1000), Demand::Nothing),
    ];
    for (name, seconds, demand) in rows {
        report.amount(&format!("{WHAT}: {name}"), Unit::Seconds, seconds, demand);
    }
}

/// How long each chunk of a response was held back, if nothing else was sent.
fn held(response: &Stamped, sent: &[Sent]) -> anyhow::Result<Vec<Duration>> {
    let total: usize = sent.iter().map(|sent| sent.bytes).sum();
    ensure!(total == response.bytes, "of a response of {} bytes, {total} are recorded as sent", response.bytes);
    ensure!(!response.chunks.is_empty(), "nothing was written");
    let mut sends = sent.iter();
    let (mut handed_over, mut at) = (0, None);
    let one = |chunk: &client::Chunk| {
        while handed_over < chunk.end {
            let next = sends.next().context("a chunk ends behind its response")?;
            (handed_over, at) = (handed_over + next.bytes, Some(next.at));
        }
        let at = at.context("a chunk ends before its response begins")?;
        at.duration_since(chunk.written).context("a chunk was sent before it was written: the clock was set meanwhile")
    };
    response.chunks.iter().map(one).collect()
}

/// The given quantile of the times, in seconds. 0 if there are none.
fn at_most(all: &mut [Duration], thousandths: usize) -> f64 {
    all.sort_unstable();
    let count = (all.len() * thousandths).div_ceil(1000);
    all.get(count.saturating_sub(1)).copied().unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::client::Chunk;

    fn time(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    fn response() -> Stamped {
        let chunks = [(30, 1), (40, 2), (50, 6), (60, 7)];
        let chunks = chunks.map(|(end, written)| Chunk { end, written: time(written) });
        Stamped { bytes: 65, chunks: chunks.into() }
    }

    fn sent(sends: &[(u64, usize)]) -> Vec<Sent> {
        sends.iter().map(|&(at, bytes)| Sent { at: time(at), bytes }).collect()
    }

    #[test]
    fn a_chunk_is_held_back_until_its_last_byte_is_handed_over() {
        // The head alone, then the second chunk and a part of the third, then the remainder.
        let held = held(&response(), &sent(&[(1, 20), (4, 29), (8, 1), (9, 15)])).expect("all was sent");
        assert_eq!(held, [3, 2, 2, 2].map(Duration::from_millis));
    }

    #[test]
    fn a_response_that_is_not_what_was_sent_is_not_measured() {
        for sends in [&[(9, 64)][..], &[(8, 65), (9, 1)], &[]] {
            let reason = held(&response(), &sent(sends)).expect_err("other bytes").to_string();
            assert!(reason.starts_with("of a response of 65 bytes, "), "{reason}");
        }
        let empty = Stamped { bytes: 65, chunks: Vec::new() };
        assert!(held(&empty, &sent(&[(9, 65)])).is_err());
        let reason = held(&response(), &sent(&[(6, 65)])).expect_err("a clock that was set").to_string();
        assert!(reason.contains("before it was written"), "{reason}");
    }

    #[test]
    fn a_part_of_the_times_is_at_most_the_longest_of_that_part() {
        let mut times: Vec<_> = (1..=2000).rev().map(Duration::from_secs).collect();
        let found = [500, 990, 999, 1000].map(|thousandths| at_most(&mut times, thousandths));
        assert_eq!(found, [1000.0, 1980.0, 1998.0, 2000.0]);
        assert_eq!(at_most(&mut times[..1], 999), 1.0);
        assert_eq!(at_most(&mut [], 999), 0.0);
    }

    #[test]
    fn the_demand_is_on_the_longest_of_the_run_in_the_middle() {
        let runs = [[1, 2], [1, 4], [1, 40]].map(|run| run.map(Duration::from_millis).to_vec());
        let mut report = Report::default();
        add_rows(runs.into(), &mut report);
        let table = report.table();
        assert!(table.contains("longest of a run | 4.00 ms |  |  | 0.80x | at most 5.00 ms | yes |"), "{table}");
        assert!(table.contains("longest of all runs | 40.00 ms |  |  |  |  |  |"), "{table}");
    }
}
