//! What a person types, what it means, and what is printed. Each command is a thin layer over the library.

mod access_log;
mod call;
mod check;
mod compile;
mod fd_limit;
mod logging;
mod man;
mod new;
mod options;
mod routes;
mod run;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub(crate) use logging::print_error;

/// An HTTP/1.x server whose route handlers are WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "host", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a directory of handlers.
    Run(Box<run::Run>),
    /// Print the routes of a directory: methods, paths, files, options and where each value came from.
    Routes(Box<routes::Routes>),
    /// Say all that is wrong with a directory or a file, and what to do about it. Exits with 1 where there is an error.
    Check(Box<check::Check>),
    /// Send one request to one handler, and print the response, the log and what it cost.
    Call(Box<call::CallCommand>),
    /// Compile one component for a host that runs.
    #[command(hide = true)]
    Compile(compile::CompileCommand),
    /// Write a small project of a handler that builds with one command.
    New(new::New),
    /// Print a shell's completions, as in `host completions bash > ~/.local/share/bash-completion/completions/host`.
    Completions(man::Completions),
    /// Print a page of the manual, as in `host man run | man -l -`.
    Man(man::Man),
}

/// Runs the command that was typed.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Run(command) => command.run(),
        Command::Routes(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Call(command) => command.run(),
        Command::Compile(command) => command.run(),
        Command::New(command) => command.run(),
        Command::Completions(command) => command.run(Cli::command()),
        Command::Man(command) => command.run(Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
