//! h2load, the client of the rows about HTTP/2.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// Connections, and the requests that wait for their responses on each.
const CONNECTIONS: &str = "16";
const STREAMS: &str = "32";

/// Sends requests to `url` for the time of a run, on 16 connections with 32 streams each. Returns how many were answered.
pub fn requests(url: &str, run: Duration) -> anyhow::Result<u64> {
    let output = measure(&["-c", CONNECTIONS, "-m", STREAMS, "-D", &run.as_secs().to_string(), url])?;
    parse(&output).map(|(answered, _)| answered)
}

/// How long `requests` requests to `url` take, one after the other on one connection, with its handshake.
pub fn duration(url: &str, requests: u32) -> anyhow::Result<Duration> {
    let output = measure(&["-c1", "-m1", "-n", &requests.to_string(), url])?;
    match parse(&output)? {
        (answered, duration) if answered == u64::from(requests) => Ok(duration),
        (answered, _) => bail!("h2load: {answered} of {requests} requests were answered"),
    }
}

fn measure(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("h2load")
        .arg("-t1")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("cannot start h2load: `apt-get install nghttp2-client` installs it")?;
    ensure!(output.status.success(), "h2load: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How many requests were answered with 2xx, and the time of it all. An error if any request failed, or if it was not of
/// HTTP/2.
fn parse(output: &str) -> anyhow::Result<(u64, Duration)> {
    let line = |start: &str| output.lines().find_map(|line| line.strip_prefix(start)).map(str::trim);
    let protocol = line("Application protocol:").context("h2load connects to no server")?;
    ensure!(protocol.starts_with("h2"), "the server speaks {protocol}");
    let requests = line("requests:").context("h2load reports no requests")?;
    let count = |what: &str| {
        let part = requests.split(", ").find_map(|part| part.strip_suffix(what)).and_then(|count| count.parse().ok());
        part.with_context(|| format!("h2load does not say how many{what}: {requests}"))
    };
    let (answered, failed): (u64, u64) = (count(" succeeded")?, count(" failed")? + count(" timeout")?);
    ensure!(failed == 0 && count(" errored")? == 0 && answered > 0, "h2load: {requests}");
    let finished = line("finished in").and_then(|line| line.split(',').next()).and_then(seconds);
    Ok((answered, finished.context("h2load reports no time")?))
}

/// A time as h2load writes it: `1.02s`, `520.31ms`, `415us`.
fn seconds(text: &str) -> Option<Duration> {
    let number = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(protocol: &str, requests: &str) -> String {
        format!(
            "starting benchmark...\nApplication protocol: {protocol}\n\nfinished in 520.25ms, 30421.00 req/s, 2.26MB/s\n\
            requests: {requests}\nstatus codes: 30421 2xx, 0 3xx, 0 4xx, 0 5xx\n"
        )
    }

    #[test]
    fn the_requests_that_were_answered_count() {
        let requests = "30421 total, 30933 started, 30421 done, 30421 succeeded, 0 failed, 0 errored, 0 timeout";
        let expected = (30_421, Duration::from_micros(520_250));
        assert_eq!(parse(&output("h2", requests)).ok(), Some(expected));
        assert_eq!(parse(&output("h2c", requests)).ok(), Some(expected));
        assert!(parse(&output("http/1.1", requests)).is_err());
    }

    #[test]
    fn a_run_with_errors_counts_for_nothing() {
        for requests in [
            "9 total, 9 started, 9 done, 8 succeeded, 1 failed, 0 errored, 0 timeout",
            "9 total, 9 started, 9 done, 8 succeeded, 0 failed, 1 errored, 0 timeout",
            "9 total, 9 started, 9 done, 8 succeeded, 0 failed, 0 errored, 1 timeout",
            "9 total, 9 started, 9 done, 0 succeeded, 0 failed, 0 errored, 0 timeout",
        ] {
            assert!(parse(&output("h2", requests)).is_err(), "{requests}");
        }
        assert!(parse("starting benchmark...\n").is_err());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(seconds("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(seconds("415us"), Some(Duration::from_micros(415)));
        assert_eq!(seconds("415"), None);
    }
}
