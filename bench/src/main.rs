//! `make bench`: Vibrato's host beside its peers, in one run on one machine.
//!
//! What serves has a core of its own, and so has what asks. Every number that is compared is a median of runs that
//! alternate between the contenders, so that what else the machine does meets all of them. The ratios are the result:
//! machines differ, and so do the numbers. Linux only: memory and cores are read from `/proc`, and what is sent from
//! tracefs, which takes root.

mod chart;
mod client;
mod compare;
mod machine;
mod peers;
mod readme;
mod report;
mod sections;
mod sends;
mod server;
mod setup;
mod training;
mod vibrato;
mod wrk;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Parser;

use crate::machine::Ticks;
use crate::report::Report;
use crate::sections::Section;
use crate::setup::Setup;

/// Which part of the cores other processes may have had in a run whose results are worth keeping.
const QUIET: f64 = 0.1;

/// Measures Vibrato's host beside its peers.
#[derive(Parser)]
pub struct Arguments {
    /// What to measure, by commas [default: everything]; a part is printed, and nothing is written
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Section>,
    /// Only run the host through what hosts do most, as `make dist` has it for a build that notes what it runs
    #[arg(long)]
    train: bool,
    /// Alternating runs of each contender; their median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Seconds that each run under load takes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Seconds at a steady rate that the memory of the host must not grow over
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    steady_seconds: u64,
    /// The host to measure
    #[arg(long, default_value = "target/dist/host")]
    host: PathBuf,
    /// Where the components of the examples and of the guests `spin`, `script`, `stamps` and `ws_echo` were built
    #[arg(long, default_value = "target/handlers/wasm32-wasip2/handler")]
    handlers: PathBuf,
    /// The target directory that the peers in Rust were built in
    #[arg(long, default_value = "target/bench")]
    built: PathBuf,
    /// The folder of this crate: settings of peers are read from it, results are written to it
    #[arg(long, default_value = "bench")]
    bench: PathBuf,
    /// The file that shows the table
    #[arg(long, default_value = "README.md")]
    readme: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let setup = Setup::new(arguments)?;
    if arguments.train {
        return training::run(&setup);
    }
    let wanted = if arguments.only.is_empty() { Section::ALL } else { &arguments.only };
    let mut report = Report::default();
    for section in wanted {
        eprintln!("measuring: {section:?}");
        if let Err(reason) = section.measure(&setup, &mut report) {
            report.failed(&format!("{section:?}"), &reason);
        }
    }
    let others = Ticks::now().others_since(setup.began);
    let machine = machine::describe(&setup, others);
    println!("{}\n{machine}", report.table());
    if !arguments.only.is_empty() {
        return Ok(());
    }
    ensure!(others <= QUIET, "nothing is written: other processes had {:.0} % of the cores meanwhile", 100.0 * others);
    write(arguments, &report, &machine)
}

/// Writes the results of a whole run: the table with its machine, the chart, and into the README the summary and the chart.
fn write(arguments: &Arguments, report: &Report, machine: &str) -> anyhow::Result<()> {
    let results = arguments.bench.join("results");
    fs::create_dir_all(&results).with_context(|| format!("cannot make {}", results.display()))?;
    put(&results.join("table.md"), &format!("{}\n{machine}", report.table()))?;
    let chart = results.join("chart.svg");
    put(&chart, &chart::draw(report.charts()))?;
    let text =
        fs::read_to_string(&arguments.readme).with_context(|| format!("cannot read {}", arguments.readme.display()))?;
    let shown = format!("![Vibrato beside its peers]({})\n\n{}\n{machine}", chart.display(), report.summary());
    let text = readme::with_results(&text, &shown)?;
    put(&arguments.readme, &text)
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
