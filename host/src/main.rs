//! The command line of Vibrato. All it can do is in the library `host`.

#![cfg_attr(not(test), warn(clippy::disallowed_types))]

use std::process::ExitCode;

mod cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run().unwrap_or_else(|error| {
        cli::print_error(&error);
        ExitCode::from(2)
    })
}
