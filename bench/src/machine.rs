//! The machine: its description, its load, and the assignment of cores.

use std::fs;
use std::process::Command;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::peers;
use crate::setup::Setup;

/// The cores of server and client.
pub enum Cores {
    /// Each has a core of its own.
    Apart {
        /// The core of the server.
        server: usize,
        /// The core of this thread, and of the client threads that it starts.
        client: usize,
        /// All cores of the machine.
        all: Box<CpuSet>,
    },
    /// The machine has one core, or this process may not choose.
    Shared,
}

/// Where a process runs.
#[derive(Clone, Copy)]
pub enum Place {
    /// On the server's core.
    ServerCore,
    /// On the client's core: what a server is a client of.
    ClientCore,
    /// On every core.
    AllCores,
}

impl Cores {
    /// Pins this thread to the client's core, if there are two cores.
    pub fn part() -> Self {
        let Ok(all) = sched_getaffinity(None) else { return Self::Shared };
        let mut each = (0..CpuSet::MAX_CPU).filter(|&core| all.is_set(core));
        let (Some(server), Some(client)) = (each.next(), each.next()) else { return Self::Shared };
        match sched_setaffinity(None, &only(client)) {
            Ok(()) => Self::Apart { server, client, all: all.into() },
            Err(_) => Self::Shared,
        }
    }

    /// Runs `start` so that the processes it starts run at `place`: they inherit the affinity of this thread.
    pub fn at<T>(&self, place: Place, start: impl FnOnce() -> T) -> T {
        let Self::Apart { server, client, all } = self else { return start() };
        // This cannot fail: it was allowed before.
        let _ = match place {
            Place::ServerCore => sched_setaffinity(None, &only(*server)),
            Place::ClientCore => Ok(()),
            Place::AllCores => sched_setaffinity(None, all),
        };
        let started = start();
        let _ = sched_setaffinity(None, &only(*client));
        started
    }
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}

/// Describes the machine and the setup, as a paragraph of Markdown.
///
/// `others` is the fraction of the cores that other processes used meanwhile.
pub fn describe(setup: &Setup, others: f64) -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let apart = match setup.cores {
        Cores::Apart { .. } => "server and client on a core each",
        Cores::Shared => "server and client on shared cores",
    };
    let date = first_line(Command::new("date").args(["-u", "+%Y-%m-%d"])).unwrap_or_default();
    format!(
        "{date}, {model}, {cores} cores, Linux {}; {apart}; medians of {} alternating runs of {} s, while \
        other processes had {:.0} % of the cores; {}.\n",
        kernel.trim(),
        setup.runs,
        setup.run.as_secs(),
        100.0 * others,
        peers::versions(setup).join(", "),
    )
}

/// Processor time used so far, in ticks of the kernel's clock.
#[derive(Clone, Copy)]
pub struct Ticks {
    /// All time, including idle time.
    all: u64,
    /// Time used by processes, or taken by the hypervisor.
    taken: u64,
    /// Time used by this process and its children that have ended.
    own: u64,
}

impl Ticks {
    /// Reads the times. All are 0 if the kernel does not provide them.
    pub fn now() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read("/proc/stat"), &read("/proc/self/stat"))
    }

    /// The fraction of the processors that others have used since `before`, from 0 to 1.
    pub fn others_since(self, before: Self) -> f64 {
        let [all, taken, own] = [self.all - before.all, self.taken - before.taken, self.own - before.own];
        taken.saturating_sub(own) as f64 / all.max(1) as f64
    }

    fn parse(machine: &str, process: &str) -> Self {
        let nothing = Self { all: 0, taken: 0, own: 0 };
        // The columns after `steal` are included in `user` and `nice`.
        let spent = machine.lines().next().unwrap_or_default();
        let [user, nice, system, idle, iowait, irq, softirq, steal] = numbers(spent, 1)[..] else { return nothing };
        // The process name is in parentheses and may contain spaces. Eleven words after it follow the times of the
        // process and of its children, each in user mode and in the kernel.
        let own = process.rsplit(')').next().unwrap_or_default();
        let taken = user + nice + system + steal;
        Self { all: taken + idle + iowait + irq + softirq, taken, own: numbers(own, 11).iter().take(4).sum() }
    }
}

/// Up to eight numbers of a line, after `after` words.
fn numbers(line: &str, after: usize) -> Vec<u64> {
    line.split_ascii_whitespace().skip(after).take(8).map_while(|word| word.parse().ok()).collect()
}

/// The first line that a program prints, on stdout or stderr.
pub fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: (&str, &str) =
        ("cpu  100 10 50 800 5 0 5 0 0 0\ncpu0 1 2\n", "7 (a b) c) S 1 1 1 0 -1 4 1 0 0 0 9 1 0 0 20");
    const AFTER: (&str, &str) =
        ("cpu  160 20 70 890 5 0 15 10 0 0\n", "7 (a b) c) S 1 1 1 0 -1 4 1 0 0 0 19 6 40 5 20");

    #[test]
    fn what_others_had_is_what_was_taken_and_not_by_what_this_process_started() {
        let [before, after] = [BEFORE, AFTER].map(|(machine, process)| Ticks::parse(machine, process));
        // Of 200 ticks, 100 were used, 60 of them by this process and its children.
        assert_eq!(after.others_since(before), 0.2);
    }

    #[test]
    fn a_kernel_that_says_nothing_has_others_that_had_nothing() {
        let nothing = Ticks::parse("", "");
        assert_eq!(nothing.others_since(nothing), 0.0);
    }
}
