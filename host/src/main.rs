//! The program `host`. All of its functions are in the library.

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
