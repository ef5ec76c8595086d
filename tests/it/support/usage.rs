//! What the system says that a process uses.

use std::fs;
use std::time::Duration;

use super::Process;

impl Process {
    /// Bytes of its memory that hold what no file does: its heap, and its guests.
    #[track_caller]
    pub fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.parse::<usize>().ok());
        kib.expect("Linux tells what is resident") * 1024
    }

    /// How many files and sockets it has open.
    #[track_caller]
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).expect("the process runs").count()
    }

    /// How long it has run on a processor.
    #[track_caller]
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("the process runs");
        // Behind the name, which is in parentheses: times in user and system mode are fields 14 and 15 of proc(5).
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 10)
    }
}
