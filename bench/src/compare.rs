//! Runs the contenders in turn: the same measurement of each, several times, and the median of each.

use anyhow::{Context as _, ensure};

use crate::client;
use crate::server::Server;

/// The number of connections in the rows for many connections.
pub const MANY: u32 = 64;

/// A server to measure, or why it cannot be measured.
pub struct Contender {
    /// Its name in the table.
    pub name: String,
    /// The target to request.
    pub target: String,
    /// The number of connections, unless one response is measured.
    pub connections: u32,
    server: anyhow::Result<Server>,
}

/// The result of a contender: the median of its runs, or why there is none.
pub struct Series {
    /// The contender's name in the table.
    pub name: String,
    /// The median, or a sentence that says why there is none.
    pub result: Result<f64, String>,
}

impl Series {
    /// The median, or why there is none.
    pub fn value(&self) -> anyhow::Result<f64> {
        self.result.clone().map_err(anyhow::Error::msg)
    }
}

impl Contender {
    /// A contender that must answer `target` with 200 and `body` to be measured.
    pub fn new(name: &str, server: anyhow::Result<Server>, target: &str, body: &[u8]) -> Self {
        let server = server.and_then(|server| {
            let answer = client::fetch(server.address, target).context("it was asked once")?;
            ensure!(answer == body, "it answers other bytes than Vibrato: {}", String::from_utf8_lossy(&answer));
            Ok(server)
        });
        Self::unasked(name, server, target)
    }

    /// A contender whose response is too long to compare.
    pub fn unasked(name: &str, server: anyhow::Result<Server>, target: &str) -> Self {
        Self { name: name.to_owned(), target: target.to_owned(), connections: MANY, server }
    }

    /// Uses this many connections.
    pub fn on(self, connections: u32) -> Self {
        Self { connections, ..self }
    }
}

/// Measures each contender in turn, `runs` times. One that fails is not measured again; the others continue.
pub fn alternate(
    contenders: Vec<Contender>,
    runs: u32,
    measure: impl Fn(&Server, &Contender) -> anyhow::Result<f64>,
) -> Vec<Series> {
    let mut results: Vec<anyhow::Result<Vec<f64>>> = contenders.iter().map(|_| Ok(Vec::new())).collect();
    for _ in 0..runs {
        for (contender, results) in contenders.iter().zip(&mut results) {
            let (Ok(server), Ok(so_far)) = (&contender.server, results.as_mut()) else { continue };
            match measure(server, contender) {
                Ok(result) => so_far.push(result),
                Err(reason) => *results = Err(reason),
            }
        }
    }
    let series = contenders.into_iter().zip(results).map(|(contender, results)| {
        let results = contender.server.and(results);
        let result = results.map(|mut results| median(&mut results)).map_err(|reason| format!("{reason:#}"));
        Series { name: contender.name, result }
    });
    series.collect()
}

/// The median; of an even number of results, the lower of the two middle ones.
///
/// # Panics
/// If there are no results.
pub fn median(results: &mut [f64]) -> f64 {
    results.sort_by(f64::total_cmp);
    results[(results.len() - 1) / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one_in_any_order() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.0);
        assert_eq!(median(&mut [7.0]), 7.0);
    }

    #[test]
    fn a_contender_that_did_not_start_keeps_its_reason() {
        let absent = || Contender::unasked("absent", Err(anyhow::anyhow!("not installed: apt-get")), "/");
        let series = alternate(vec![absent(), absent()], 3, |_, _| Ok(1.0));
        assert_eq!(series.len(), 2);
        assert!(series.iter().all(|one| one.result == Err("not installed: apt-get".to_owned())));
    }
}
