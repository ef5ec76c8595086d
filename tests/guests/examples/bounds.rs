//! Hands over more than the host takes. Answers a line for each call.

use std::fmt::Write;

use guest_sdk::{Error, Options, Request, Response, handler};
use guests::said;

const MIB: usize = 1_048_576;

#[handler(content_type = "text/plain; charset=utf-8")]
fn bounds(request: Request, response: Response, options: Options) -> Result<String, std::fmt::Error> {
    let long = "x".repeat(MIB);
    let mut answer = String::new();
    writeln!(answer, "a value of 1 MiB: {}", said(&response.set_field("x-long", &long)))?;
    writeln!(answer, "a name of 1 MiB: {}", said(&response.set_field(&long, "1")))?;
    writeln!(answer, "removing a name of 1 MiB: {}", said(&response.remove_field(&long)))?;
    let results: Vec<_> = (0..10_000).map(|n| response.append_field("x-many", n.to_string()).map(drop)).collect();
    writeln!(answer, "10,000 fields: {} ok, then {}", accepted(&results), last(&results))?;
    writeln!(answer, "a field named by 1 MiB: {}", found(request.field(&long)))?;
    writeln!(answer, "an option named by 1 MiB: {}", found(options.get(&long)))?;
    Ok(answer)
}

fn accepted(results: &[Result<(), Error>]) -> usize {
    results.iter().filter(|result| result.is_ok()).count()
}

fn last(results: &[Result<(), Error>]) -> &'static str {
    results.last().map_or("none", said)
}

fn found<T>(value: Option<T>) -> &'static str {
    if value.is_some() { "some" } else { "none" }
}
