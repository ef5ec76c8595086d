//! Counts the instructions of one request, with and without Wasm, under callgrind: `make counts`.
//!
//! Counts do not depend on what else the machine does, so a regression shows on a busy machine too. They are compared
//! with `counts.md`; `make counts RECORD=1` updates that file.

mod callgrind;
mod client;
mod record;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use callgrind::{Count, Host, Instances};
use record::{Record, Row};

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/counts.md");

/// The targets to request, and what each of them measures.
const REQUESTS: [(&str, &str); 5] = [
    ("/hello", "two chunks of a fresh instance"),
    ("/text", "one body of a fresh instance"),
    ("/text-behind", "the same behind a middleware that sets a field"),
    ("/hello-reuse", "two chunks, with the option `reuse`"),
    ("/absent", "404, without Wasm"),
];

/// The parts of a request, each with the function whose inclusive cost it is.
const PARTS: [(&str, &str); 5] = [
    ("parse the head", "protocol::http1::head::HeadParser::parse"),
    ("find the route", "host::routes::table::RouteTable<H>::lookup"),
    ("make the instance", "wasmtime::runtime::component::instance::InstancePre<T>::instantiate_async"),
    ("call it", "wasmtime::runtime::component::func::typed::TypedFunc<Params,Return>::call_impl"),
    ("drop it", "core::ptr::drop_in_place<wasmtime::runtime::store::StoreOpaque>"),
];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if !callgrind::is_installed() {
        println!(
            "nothing was counted: valgrind is not installed; install it (`apt install valgrind`) and run this again"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let host = Host::start()?;
    let counts: Vec<Count> = REQUESTS.iter().map(|(target, _)| host.count(target)).collect::<Result<_, _>>()?;
    let rows = REQUESTS.iter().zip(&counts).map(|((target, what), count)| Row::new(target, what, count.instructions));
    let counted = Record { instances: host.instances()?, rows: rows.collect() };
    if std::env::args().any(|argument| argument == "--record") {
        counted.write(Path::new(RECORDED))?;
    }
    let ok = report(&counted, &Record::read(Path::new(RECORDED))?);
    println!("\nof these, each with what it calls:\n");
    for ((target, _), count) in REQUESTS.iter().zip(&counts) {
        println!("{target}: {}", parts(count)?);
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints the counts beside the recorded ones. Returns whether they agree within the allowed difference.
fn report(counted: &Record, recorded: &Record) -> bool {
    match counted.instances {
        Instances::Pooled => println!("instructions of one request; instances come from the pool\n"),
        Instances::OnDemand => println!(
            "instructions of one request; instances are made on demand: valgrind has too few addresses for the pool\n"
        ),
    }
    let mut ok = true;
    for row in &counted.rows {
        let Some(difference) = counted.percent_more(row, recorded) else {
            println!("{row}  (not recorded)");
            continue;
        };
        let same = difference.abs() <= record::ALLOWED_PERCENT;
        ok &= same;
        println!("{row}  {difference:+6.2} %{}", if same { "" } else { "  <== DIFFERS" });
    }
    if !ok {
        println!(
            "\nMore than {} % from {RECORDED}: find out why, or record it with `make counts RECORD=1`.",
            record::ALLOWED_PERCENT
        );
    }
    ok
}

fn parts(count: &Count) -> Result<String, Box<dyn Error>> {
    let functions = count.functions()?;
    let parts = PARTS.iter().filter_map(|(part, function)| Some(format!("{part} {}", functions.inclusive(function)?)));
    Ok(parts.collect::<Vec<_>>().join(", "))
}
