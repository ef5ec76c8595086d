//! The machine: what it is called, and which core does what.

use std::fs;
use std::process::{Command, Stdio};

/// Keeps the calling thread, and the threads and processes that it starts from now on, on one core, numbered from 0.
/// Whether it could: `taskset` does it, which not every machine has, and not every machine has that core.
pub fn pin_thread(core: &str) -> bool {
    // This leads to PID/task/TID.
    let thread = fs::read_link("/proc/thread-self").unwrap_or_default();
    let mut taskset = Command::new("taskset");
    taskset.args(["-p", "-c", core]).args(thread.file_name()).stdout(Stdio::null()).stderr(Stdio::null());
    taskset.status().is_ok_and(|status| status.success())
}

/// A line on the machine.
pub fn describe() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    format!("{}, {cores} cores, Linux {}", model.trim_start_matches(['\t', ' ', ':']), kernel.trim())
}
