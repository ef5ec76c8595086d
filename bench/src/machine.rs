//! The machine: what it is called, what runs on it, and which core does what.

use std::fs;
use std::process::Command;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::peers;
use crate::setup::Setup;

/// Which cores what serves, and what asks, run on.
pub enum Cores {
    /// A core each.
    Apart {
        /// What serves.
        server: usize,
        /// The calling thread, and what it starts to ask with.
        client: usize,
        /// All that there are.
        all: Box<CpuSet>,
    },
    /// There is one core, or this process may not choose.
    Shared,
}

/// Where a process is to run.
#[derive(Clone, Copy)]
pub enum Place {
    /// On the core of what serves.
    ServerCore,
    /// On every core.
    AllCores,
}

impl Cores {
    /// Keeps the calling thread on the client's core from now on, where there are two.
    pub fn part() -> Self {
        let Ok(all) = sched_getaffinity(None) else { return Self::Shared };
        let mut each = (0..CpuSet::MAX_CPU).filter(|&core| all.is_set(core));
        let (Some(server), Some(client)) = (each.next(), each.next()) else { return Self::Shared };
        match sched_setaffinity(None, &only(client)) {
            Ok(()) => Self::Apart { server, client, all: all.into() },
            Err(_) => Self::Shared,
        }
    }

    /// Runs `start` so that the processes it starts are at `place`: they inherit it from the calling thread.
    pub fn at<T>(&self, place: Place, start: impl FnOnce() -> T) -> T {
        let Self::Apart { server, client, all } = self else { return start() };
        // What was allowed at first still is.
        let _ = match place {
            Place::ServerCore => sched_setaffinity(None, &only(*server)),
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

/// What the numbers were measured on, as a paragraph of Markdown.
///
/// `others` is the part of the cores that other processes had meanwhile.
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

/// What the processors have done so far, in ticks of the kernel's clock.
#[derive(Clone, Copy)]
pub struct Ticks {
    /// Everything, rest included.
    all: u64,
    /// For processes of this machine, and what the hypervisor took for others.
    taken: u64,
    /// For this process, and for those that it has started and that have ended.
    own: u64,
}

impl Ticks {
    /// Until now; nothing where the kernel does not say.
    pub fn now() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read("/proc/stat"), &read("/proc/self/stat"))
    }

    /// Which part of the processors others have had since then, from 0 to 1.
    pub fn others_since(self, before: Self) -> f64 {
        let [all, taken, own] = [self.all - before.all, self.taken - before.taken, self.own - before.own];
        taken.saturating_sub(own) as f64 / all.max(1) as f64
    }

    fn parse(machine: &str, process: &str) -> Self {
        let nothing = Self { all: 0, taken: 0, own: 0 };
        // What follows steal is in `user` and `nice` already.
        let spent = machine.lines().next().unwrap_or_default();
        let [user, nice, system, idle, iowait, irq, softirq, steal] = numbers(spent, 1)[..] else { return nothing };
        // The name of a process can have spaces in it, and is in parentheses. Eleven words after it
        // come its own time and that of its children, each in user mode and in the kernel.
        let own = process.rsplit(')').next().unwrap_or_default();
        let taken = user + nice + system + steal;
        Self { all: taken + idle + iowait + irq + softirq, taken, own: numbers(own, 11).iter().take(4).sum() }
    }
}

/// Up to eight whole numbers of a line, after so many words.
fn numbers(line: &str, after: usize) -> Vec<u64> {
    line.split_ascii_whitespace().skip(after).take(8).map_while(|word| word.parse().ok()).collect()
}

/// The first line that a program prints, wherever it prints it.
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
        // Of 200 ticks 100 were taken, 60 of them by this process and its children.
        assert_eq!(after.others_since(before), 0.2);
    }

    #[test]
    fn a_kernel_that_says_nothing_has_others_that_had_nothing() {
        let nothing = Ticks::parse("", "");
        assert_eq!(nothing.others_since(nothing), 0.0);
    }
}
