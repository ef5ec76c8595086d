//! A server process: started on its core, polled until it listens, and stopped on drop.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::param::clock_ticks_per_second as ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::machine::{Cores, Place};

/// Compiling hundreds of components takes this long on a slow machine.
const START_TIMEOUT: Duration = Duration::from_secs(300);
const STOP_TIMEOUT: Duration = Duration::from_secs(1);
/// The file with its output, in its directory.
const LOG: &str = "log";
const POLL: Duration = Duration::from_millis(1);

/// How to find out where a server listens.
#[derive(Clone, Copy)]
pub enum Listening {
    /// It prints a line with `http://ADDRESS` or `https://ADDRESS`.
    Printed,
    /// It was configured to listen there.
    At(SocketAddr),
}

/// A running server, stopped on drop.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    process: Child,
    /// The directory of its files, kept while it runs.
    files: TempDir,
}

impl Server {
    /// Starts the server and waits until it listens. `files` is kept until the server stops.
    pub fn start(
        cores: &Cores,
        place: Place,
        mut command: Command,
        listening: Listening,
        files: TempDir,
    ) -> anyhow::Result<Self> {
        let log = files.path().join(LOG);
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let start = Instant::now();
        let process = cores.at(place, || command.spawn());
        let process = process.with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let unset = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self { address: unset, process, files };
        while start.elapsed() < START_TIMEOUT {
            let ended = server.process.try_wait()?;
            let printed = fs::read_to_string(&log).unwrap_or_default();
            let address = match listening {
                Listening::Printed => printed_address(&printed),
                Listening::At(address) => TcpStream::connect(address).is_ok().then_some(address),
            };
            if let Some(address) = address {
                server.address = address;
                return Ok(server);
            }
            if ended.is_some() {
                bail!("it ended at once: {}", printed.lines().last().unwrap_or("without a word"));
            }
            thread::sleep(POLL);
        }
        bail!("it does not listen after {} s", START_TIMEOUT.as_secs())
    }

    /// Waits until its output contains these words.
    pub fn wait_for(&self, words: &str) -> anyhow::Result<()> {
        let start = Instant::now();
        while !fs::read_to_string(self.files.path().join(LOG))?.contains(words) {
            ensure!(start.elapsed() < START_TIMEOUT, "it does not say {words:?} after {} s", START_TIMEOUT.as_secs());
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// The resident set size of the process, in bytes.
    pub fn resident(&self) -> anyhow::Result<u64> {
        resident(&self.proc("status")?).context("the process has no VmRSS")
    }

    /// Runs a load of as many requests as `load` returns. Returns the requests per second of the processor time that the
    /// server has taken for them, with the processes that it has started. So it does not matter whether the client is
    /// faster than the server.
    pub fn rate_of_processor(&self, load: impl FnOnce() -> anyhow::Result<u64>) -> anyhow::Result<f64> {
        let before = self.processor_time()?;
        let requests = load()?;
        let taken = self.processor_time()?.saturating_sub(before);
        ensure!(!taken.is_zero(), "the server has taken no processor time");
        Ok(requests as f64 / taken.as_secs_f64())
    }

    fn processor_time(&self) -> anyhow::Result<Duration> {
        let id = self.process.id();
        let started = self.proc(&format!("task/{id}/children"))?;
        let ticks = started.split_ascii_whitespace().map(str::to_owned).chain([id.to_string()]).map(|process| {
            let path = format!("/proc/{process}/stat");
            let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
            processor_ticks(&stat).with_context(|| format!("{path} has no times"))
        });
        let ticks = ticks.sum::<anyhow::Result<u64>>()?;
        Ok(Duration::from_secs_f64(ticks as f64 / ticks_per_second() as f64))
    }

    /// The ids of its current threads.
    pub fn threads(&self) -> anyhow::Result<Vec<String>> {
        let path = format!("/proc/{}/task", self.process.id());
        let threads = fs::read_dir(&path).with_context(|| format!("cannot read {path}"))?;
        threads.map(|thread| Ok(thread?.file_name().to_string_lossy().into_owned())).collect()
    }

    /// Reads `/proc/PID/FILE` of the process.
    pub fn proc(&self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.process.id());
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself. Use SIGTERM, so that nginx stops its workers too.
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let start = Instant::now();
        while start.elapsed() < STOP_TIMEOUT && matches!(self.process.try_wait(), Ok(None)) {
            thread::sleep(POLL);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An address that was free a moment ago, for servers that cannot report the one they took.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// The address after the first `://` in a complete line.
fn printed_address(output: &str) -> Option<SocketAddr> {
    let whole = &output[..output.rfind('\n')?];
    let (_, address) = whole.split_once("://")?;
    address.split(['/', '\n', ' ']).next()?.parse().ok()
}

/// The time of a process in user mode and in the kernel, of its `/proc/PID/stat`. The name of the process is in parentheses
/// and may contain spaces.
fn processor_ticks(stat: &str) -> Option<u64> {
    let mut times =
        stat.rsplit(')').next()?.split_ascii_whitespace().skip(11).map_while(|word| word.parse::<u64>().ok());
    Some(times.next()? + times.next()?)
}

fn resident(status: &str) -> Option<u64> {
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?;
    Some(kib.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup;

    #[test]
    fn the_address_is_read_from_a_whole_line_only() {
        let address = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 4321)));
        assert_eq!(printed_address("a line\nlistening on http://127.0.0.1:4321\n"), address);
        assert_eq!(printed_address("listening on https://127.0.0.1:4321\n"), address);
        assert_eq!(printed_address("Serving HTTP on http://127.0.0.1:4321/\n"), address);
        assert_eq!(printed_address("listening on http://127.0.0.1:43"), None);
        assert_eq!(printed_address("a line\n"), None);
    }

    #[test]
    fn processor_time_is_that_of_the_process_alone() {
        assert_eq!(processor_ticks("7 (a b) c) S 1 1 1 0 -1 4 1 0 0 0 19 6 40 5 20"), Some(25));
        assert_eq!(processor_ticks("7 (a) S 1"), None);
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident("Name:\thost\nVmRSS:\t   12 kB\nThreads:\t2\n"), Some(12_288));
        assert_eq!(resident("Name:\thost\n"), None);
    }

    #[test]
    fn a_program_that_ends_is_reported_with_its_last_line() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo first; echo the reason >&2; exit 1"]);
        let started = Server::start(
            &Cores::Shared,
            Place::AllCores,
            command,
            Listening::Printed,
            setup::folder().expect("a folder can be made"),
        );
        let reason = started.err().map(|reason| reason.to_string());
        assert_eq!(reason.as_deref(), Some("it ended at once: the reason"));
    }
}
