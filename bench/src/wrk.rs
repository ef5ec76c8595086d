//! wrk, the client of every row that counts requests.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::compare::Contender;
use crate::server::Server;

/// Sends requests on the contender's connections, each as soon as the previous response is complete. Returns responses
/// per second. wrk runs on the core of this thread.
pub fn requests_a_second(server: &Server, contender: &Contender, run: Duration) -> anyhow::Result<f64> {
    measure("http", server, contender, run).map(|(_, rate)| rate)
}

/// The same. Returns how many requests were answered.
pub fn requests(server: &Server, contender: &Contender, run: Duration) -> anyhow::Result<u64> {
    measure("http", server, contender, run).map(|(answered, _)| answered)
}

/// The same over TLS, without a check of the certificate. Returns how many requests were answered.
pub fn tls_requests(server: &Server, contender: &Contender, run: Duration) -> anyhow::Result<u64> {
    measure("https", server, contender, run).map(|(answered, _)| answered)
}

fn measure(scheme: &str, server: &Server, contender: &Contender, run: Duration) -> anyhow::Result<(u64, f64)> {
    let Contender { target, connections, .. } = contender;
    let output = Command::new("wrk")
        .args(["-t1", "--timeout", "10s", "-c", &connections.to_string(), "-d", &format!("{}s", run.as_secs())])
        .arg(format!("{scheme}://{}{target}", server.address))
        .stderr(Stdio::piped())
        .output()
        .context("cannot start wrk: `apt-get install wrk` installs it")?;
    ensure!(output.status.success(), "wrk: {}", String::from_utf8_lossy(&output.stderr).trim());
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// How many requests wrk has sent, and the rate that it reports. An error if any request failed.
fn parse(output: &str) -> anyhow::Result<(u64, f64)> {
    let mut answered = None;
    for line in output.lines().map(str::trim) {
        if line.starts_with("Socket errors:") || line.starts_with("Non-2xx") {
            bail!("wrk: {line}");
        }
        if let Some((count, _)) = line.split_once(" requests in ") {
            answered = count.parse().ok();
        }
        if let Some(rate) = line.strip_prefix("Requests/sec:") {
            let rate = rate.trim().parse().context("wrk reports a rate that is not a number")?;
            ensure!(rate > 0.0, "wrk had no answer in time");
            return Ok((answered.context("wrk reports no number of requests")?, rate));
        }
    }
    bail!("wrk reports no rate")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Running 2s test @ http://127.0.0.1:8199/hello\n  1 threads and 64 connections\n";

    #[test]
    fn the_rate_is_what_wrk_says() {
        let output =
            format!("{HEAD}  8752 requests in 2.03s, 1.59MB read\nRequests/sec:   4314.78\nTransfer/sec: 1KB\n");
        assert_eq!(parse(&output).ok(), Some((8752, 4314.78)));
    }

    #[test]
    fn a_run_with_errors_counts_for_nothing() {
        for line in ["  Socket errors: connect 0, read 3, write 0, timeout 0", "  Non-2xx or 3xx responses: 8752"] {
            let reason =
                parse(&format!("{HEAD}{line}\nRequests/sec:   4314.78\n")).map_err(|reason| reason.to_string());
            assert_eq!(reason, Err(format!("wrk: {}", line.trim())));
        }
        assert!(parse(HEAD).is_err());
        assert!(parse(&format!("{HEAD}Requests/sec:      0.00\n")).is_err());
    }
}
