//! `make bench`: compares Vibrato's host with its peers, in one run on one machine.
//!
//! Server and client have a core each. Each number is a median of runs that alternate between the contenders, so that
//! other load affects all of them. The ratios are the result, because machines differ. Linux only: memory and cores are
//! read from `/proc`, and sends from tracefs, which requires root.

mod certificate;
mod chart;
mod client;
mod compare;
mod h2load;
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

/// Results are kept only if other processes used less than this fraction of the cores.
const QUIET: f64 = 0.1;

/// Compares Vibrato's host with its peers.
#[derive(Parser)]
pub struct Arguments {
    /// What to measure, separated by commas [default: everything]; a part is printed and not written
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Section>,
    /// Only run a typical load, to record a profile for `make dist`
    #[arg(long)]
    train: bool,
    /// Alternating runs of each contender; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Seconds of each run under load
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Seconds at a steady rate during which the host's memory must not grow
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    steady_seconds: u64,
    /// The host to measure
    #[arg(long, default_value = "target/dist/host")]
    host: PathBuf,
    /// The directory of the built components: the examples, and the guests `spin`, `script`, `stamps`, `stores`
    /// and `ws_echo`
    #[arg(long, default_value = "target/handlers/wasm32-wasip2/handler")]
    handlers: PathBuf,
    /// The target directory of the peers in Rust
    #[arg(long, default_value = "target/bench")]
    built: PathBuf,
    /// The directory of this crate: peers' settings are read from it, and results are written to it
    #[arg(long, default_value = "bench")]
    bench: PathBuf,
    /// The file that contains the table
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

/// Writes the results of a complete run: the table with its machine, the chart, and the summary and the chart in the
/// README.
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
