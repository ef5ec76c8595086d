//! Records what a server sends to its client and when, through the kernel's tracer.
//!
//! The client cannot measure this: if its core is busy for some milliseconds, the kernel merges the packets that arrive
//! meanwhile, and reports when the last one arrived.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail, ensure};
use rustix::time::{ClockId, clock_gettime};

use crate::server::Server;

const INSTANCES: &str = "/sys/kernel/tracing/instances";
const EVENTS: [&str; 2] = ["events/syscalls/sys_enter_sendto/enable", "events/syscalls/sys_exit_sendto/enable"];
/// Per core, enough for some hundred thousand calls.
const BUFFER_KIB: &str = "8192";
/// The line with the number of records in the buffer and the number written to it.
const COUNTS: &str = "# entries-in-buffer/entries-written: ";
/// How often both clocks are read, so that one pair is read without an interruption.
const CLOCK_READS: u32 = 16;

/// What one call sent.
#[derive(Debug, PartialEq)]
pub struct Sent {
    /// When the call returned.
    pub at: SystemTime,
    /// How many bytes the kernel accepted.
    pub bytes: usize,
}

/// Records the `sendto` calls of a server, in an instance of the kernel's tracer that is removed on drop.
pub struct Recorder {
    instance: PathBuf,
}

impl Recorder {
    /// Prepares to record what this server sends, including from threads that it starts later.
    pub fn of(server: &Server) -> anyhow::Result<Self> {
        let instance = Path::new(INSTANCES).join(format!("vibrato-bench-{}", process::id()));
        fs::create_dir(&instance)
            .with_context(|| format!("cannot make {}: needs root and tracefs", instance.display()))?;
        let recorder = Self { instance };
        recorder.set("tracing_on", "0")?;
        recorder.set("trace_clock", "mono")?;
        recorder.set("buffer_size_kb", BUFFER_KIB)?;
        recorder.set("options/event-fork", "1")?;
        recorder.set("set_event_pid", &server.threads()?.join(" "))?;
        for event in EVENTS {
            recorder.set(event, "1")?;
        }
        Ok(recorder)
    }

    /// Records what the server sends while `run` runs, in order. It must send on one connection only.
    pub fn during<T>(&self, run: impl FnOnce() -> T) -> anyhow::Result<(T, Vec<Sent>)> {
        // Opening the file for writing clears the buffer.
        self.set("trace", "")?;
        self.set("tracing_on", "1")?;
        let returned = run();
        self.set("tracing_on", "0")?;
        let trace = self.instance.join("trace");
        let trace = fs::read_to_string(&trace).with_context(|| format!("cannot read {}", trace.display()))?;
        Ok((returned, parse(&trace, clock_began())?))
    }

    fn set(&self, file: &str, value: &str) -> anyhow::Result<()> {
        let path = self.instance.join(file);
        fs::write(&path, value).with_context(|| format!("cannot write {value:?} to {}", path.display()))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // The kernel removes the instance with its buffers. If it fails, nothing is recorded between runs anyway.
        let _ = fs::remove_dir(&self.instance);
    }
}

/// The wall-clock time at which the clock of the records was zero.
fn clock_began() -> SystemTime {
    let read = || {
        let before = monotonic();
        let now = SystemTime::now();
        (monotonic().saturating_sub(before), now - before)
    };
    // Use the pair that was read in the shortest time, because the thread may be interrupted in between.
    (1..CLOCK_READS).map(|_| read()).fold(read(), Ord::min).1
}

fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// Parses a trace. Returns the calls that sent something, in order.
fn parse(trace: &str, clock_began: SystemTime) -> anyhow::Result<Vec<Sent>> {
    let (mut sent, mut descriptor, mut counted) = (Vec::new(), None, false);
    for line in trace.lines() {
        if let Some(counts) = line.strip_prefix(COUNTS) {
            counted = true;
            ensure!(is_whole(counts), "the kernel recorded only a part of what was sent: {counts}");
        }
        ensure!(
            !(line.starts_with("CPU:") && line.contains("LOST")),
            "the kernel lost records of what was sent: {line}"
        );
        let Some((before, call)) = line.split_once(": sys_sendto") else { continue };
        if let Some(arguments) = call.strip_prefix("(fd: ") {
            let to = arguments.split(',').next();
            ensure!(*descriptor.get_or_insert(to) == to, "the server sent on more than one connection: {line}");
        } else if let Some((at, returned)) = parse_return(before, call) {
            let bytes = usize::try_from(returned).unwrap_or_default();
            sent.extend((bytes > 0).then(|| Sent { at: clock_began + at, bytes }));
        } else {
            bail!("the kernel records what was sent in another way: {line}");
        }
    }
    ensure!(counted, "the kernel does not say how much it recorded");
    Ok(sent)
}

/// Whether no record was lost.
fn is_whole(counts: &str) -> bool {
    let counts = counts.split_ascii_whitespace().next().and_then(|counts| counts.split_once('/'));
    counts.is_some_and(|(in_buffer, written)| in_buffer == written)
}

/// When a call returned, and its result: the number of bytes, or a negative error.
fn parse_return(before: &str, call: &str) -> Option<(Duration, i64)> {
    let returned = u64::from_str_radix(call.strip_prefix(" -> 0x")?, 16).ok()?;
    let (seconds, micros) = before.rsplit(' ').next()?.split_once('.').filter(|(_, micros)| micros.len() == 6)?;
    let at = Duration::from_secs(seconds.parse().ok()?) + Duration::from_micros(micros.parse().ok()?);
    Some((at, returned.cast_signed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "\
# tracer: nop
#
# entries-in-buffer/entries-written: 6/6   #P:2
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
";
    const ENTER: &str = "        worker-0-9514    [000] ..... 55031.029615: sys_sendto(fd: 0x14, buff: 0x489aa5c1500, \
        len: 0x276, flags: 0x4000, addr: 0x0, addr_len: 0x0)\n";
    const EXIT: &str = "        worker-0-9514    [000] ..... 55031.029633: sys_sendto -> 0x276\n";
    const REFUSED: &str = "        worker-0-9514    [000] ..... 55031.029634: sys_sendto -> 0xfffffffffffffff5\n";
    const OTHER: &str = "        worker-0-9514    [000] ..... 55031.029700: sys_write -> 0x8\n";
    const LAST: &str = "        my worker-9515    [001] ..... 55032.000001: sys_sendto -> 0x5\n";

    fn parsed(lines: &[&str]) -> anyhow::Result<Vec<Sent>> {
        parse(&lines.concat(), SystemTime::UNIX_EPOCH)
    }

    fn reason(lines: &[&str]) -> String {
        parsed(lines).expect_err("no trace to go by").to_string()
    }

    #[test]
    fn what_was_sent_is_what_calls_returned_that_did_not_fail() {
        let sent = |micros, bytes| Sent { at: SystemTime::UNIX_EPOCH + Duration::from_micros(micros), bytes };
        let found = parsed(&[HEADER, ENTER, EXIT, ENTER, REFUSED, OTHER, ENTER, LAST]).expect("a trace");
        assert_eq!(found, [sent(55_031_029_633, 0x276), sent(55_032_000_001, 5)]);
        assert_eq!(parsed(&["# entries-in-buffer/entries-written: 0/0   #P:2\n"]).expect("an empty trace"), []);
    }

    #[test]
    fn a_trace_that_is_not_whole_is_none() {
        let overrun = HEADER.replace("6/6", "6/7");
        assert!(reason(&[&overrun, EXIT]).contains("only a part of what was sent: 6/7"));
        assert!(reason(&[HEADER, "CPU:1 [LOST 12 EVENTS]\n", EXIT]).contains("LOST 12"));
        assert!(reason(&[EXIT]).contains("does not say how much"));
    }

    #[test]
    fn sends_on_two_connections_are_not_told_apart() {
        let other = ENTER.replace("0x14", "0x15");
        assert!(reason(&[HEADER, ENTER, EXIT, &other, EXIT]).contains("more than one connection"));
    }

    #[test]
    fn a_trace_of_another_form_is_not_guessed_at() {
        for line in [EXIT.replace("0x276", "630"), EXIT.replace("029633", "029"), EXIT.replace(" ->", ":")] {
            assert!(reason(&[HEADER, &line]).contains("in another way"), "{line}");
        }
    }

    #[test]
    fn the_clock_of_the_records_leads_to_the_time_of_day() {
        let second = Duration::from_secs(1);
        let before = SystemTime::now() - second;
        let now = clock_began() + monotonic();
        assert!((before..SystemTime::now() + second).contains(&now), "{now:?}");
    }
}
