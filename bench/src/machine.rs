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
pub fn describe(setup: &Setup) -> String {
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
        "{date}, {model}, {cores} cores, Linux {}; {apart}, load {} before; medians of {} alternating runs of {} s; \
        {}.\n",
        kernel.trim(),
        setup.load_before,
        setup.runs,
        setup.run.as_secs(),
        peers::versions(setup).join(", "),
    )
}

/// How many processes wanted a core, over the last minute.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}

/// The first line that a program prints, wherever it prints it.
pub fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().map(|line| line.trim().to_owned())
}
