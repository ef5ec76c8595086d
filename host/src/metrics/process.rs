//! What the system says of the process.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// What the system says of the process. What it does not say is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessFigures {
    /// Processor time of all threads.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Virtual memory in bytes.
    pub virtual_bytes: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// The most that may be open.
    pub max_fds: u64,
    /// Threads.
    pub threads: u64,
}

impl ProcessFigures {
    /// Those of now. It reads files of `/proc`, so it is for no thread that serves requests.
    #[must_use]
    pub fn read() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = Duration::new(cpu.tv_sec.try_into().unwrap_or(0), cpu.tv_nsec.try_into().unwrap_or(0));
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        // The directory that is read has a descriptor itself.
        let open_fds = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count().saturating_sub(1));
        Self {
            cpu,
            resident_bytes: figure(&status, "VmRSS:") * 1024,
            virtual_bytes: figure(&status, "VmSize:") * 1024,
            open_fds: open_fds as u64,
            max_fds: getrlimit(Resource::Nofile).current.unwrap_or(0),
            threads: figure(&status, "Threads:"),
        }
    }
}

/// The number behind a name at the start of a line.
fn figure(status: &str, name: &str) -> u64 {
    let rest = status.lines().find_map(|line| line.strip_prefix(name));
    rest.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_something_of_this_process() {
        let figures = ProcessFigures::read();
        assert!(figures.cpu > Duration::ZERO && figures.threads >= 1 && figures.open_fds >= 3, "{figures:?}");
        assert!(figures.resident_bytes > 1 << 20 && figures.virtual_bytes >= figures.resident_bytes, "{figures:?}");
        assert!(figures.max_fds >= figures.open_fds, "{figures:?}");
    }

    #[test]
    fn what_the_system_does_not_say_is_zero() {
        assert_eq!(figure("VmRSS:\t  12 kB\nThreads:\tx\n", "VmRSS:"), 12);
        assert_eq!(figure("VmRSS:\t  12 kB\nThreads:\tx\n", "Threads:"), 0);
        assert_eq!(figure("", "VmSize:"), 0);
    }
}
