//! Contenders in turn: the same question to each, run after run, and the median of what each one did.

use anyhow::{Context as _, ensure};

use crate::client;
use crate::server::Server;

/// How many connections are many.
pub const MANY: u32 = 64;

/// A server that is measured beside others, or why it is not.
pub struct Contender {
    /// What the table calls it.
    pub name: String,
    /// What it is asked for.
    pub target: String,
    /// On how many connections it is asked, where that is not one response by itself.
    pub connections: u32,
    server: anyhow::Result<Server>,
}

/// What a contender did: the median of its runs, or why there is none.
pub struct Series {
    /// What the table calls the contender.
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
    /// A contender that answers `target` with 200 and `body`; one that answers otherwise is not measured.
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

    /// Asked on so many connections.
    pub fn on(self, connections: u32) -> Self {
        Self { connections, ..self }
    }
}

/// Measures each contender in turn, `runs` times. One that fails is not asked again, and the others go on.
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

/// The middle one; of an even number, the lower of the two.
///
/// # Panics
/// Where there is none.
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
