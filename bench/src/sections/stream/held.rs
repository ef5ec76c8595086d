//! How long the host holds back what a handler writes that never rests.
//!
//! Each chunk begins with the time of its writing; by the same clock the system says when it was there for its client, on
//! the other core. The same handler is asked to rest after each write too, so that each is sent at once: what a delivery
//! takes then (its median) is left out of what is held back. All else counts, also that the system ran the host, or the
//! thread that ticks, later than it could have.

use std::time::Duration;

use crate::client;
use crate::report::{Demand, Report, Unit};
use crate::setup::Setup;
use crate::vibrato::Routes;

const CHUNK_BYTES: usize = 64;
/// The host's epoch tick, in seconds: so often a handler that runs is made to rest, and what it wrote goes out.
const TICK: f64 = 0.005;

/// Adds a row for what a delivery takes, and some for what is held back, over all runs. The demand is on 99.9 % of the
/// writes: the longest of ten thousand is the machine's.
pub fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let routes = Routes::new(setup)?;
    routes.add("stamps", "examples/stamps", "timeout = 3600\n")?;
    let server = routes.serve()?;
    let never_rests = format!("/stamps?milliseconds={}", setup.run.as_millis());
    let rests = format!("{never_rests}&rests");
    let (mut delivered, mut held) = (Vec::new(), Vec::new());
    for _ in 0..setup.runs {
        delivered.extend(client::ages(server.address, &rests, CHUNK_BYTES)?);
        held.extend(client::ages(server.address, &never_rests, CHUNK_BYTES)?);
    }
    let delivery = at_most(&mut delivered, 500);
    let what = "64 bytes, from their write until they are with their client: median";
    report.amount(what, Unit::Seconds, delivery.as_secs_f64(), Demand::Nothing);
    let rows = [
        ("median", 500, Demand::Nothing),
        ("p99", 990, Demand::Nothing),
        ("p99.9", 999, Demand::AtMost(TICK)),
        ("longest", 1000, Demand::Nothing),
    ];
    for (name, thousandths, demand) in rows {
        let longer = at_most(&mut held, thousandths).saturating_sub(delivery);
        let what = format!("how much longer where their handler never rests: {name}");
        report.amount(&what, Unit::Seconds, longer.as_secs_f64(), demand);
    }
    Ok(())
}

/// What so many thousandths of these are at most; nothing where there are none.
fn at_most(all: &mut [Duration], thousandths: usize) -> Duration {
    all.sort_unstable();
    let count = (all.len() * thousandths).div_ceil(1000);
    all.get(count.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_times_is_at_most_the_longest_of_that_part() {
        let mut times: Vec<_> = (1..=2000).rev().map(Duration::from_millis).collect();
        let found = [500, 990, 999, 1000].map(|thousandths| at_most(&mut times, thousandths).as_millis());
        assert_eq!(found, [1000, 1980, 1998, 2000]);
        assert_eq!(at_most(&mut times[..1], 999), Duration::from_millis(1));
        assert_eq!(at_most(&mut [], 999), Duration::ZERO);
    }
}
