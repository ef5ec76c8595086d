//! The command line: parses arguments, resolves them to a configuration, calls the library and prints results.

mod access_log;
#[cfg(feature = "acme")]
mod acme;
mod admin;
mod call;
mod check;
mod compile;
mod dev;
mod fd_limit;
mod fleet;
mod help;
mod logging;
mod man;
mod new;
mod oci;
mod options;
mod proxies;
mod publish;
mod push;
mod routes;
mod run;
mod service_manager;
mod test;
mod tls;
mod top;
mod traces;
mod upgrade;
mod usage_tips;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use logging::print_error;

/// What `host --help` ends with.
const EXAMPLES: &str = "\
Examples:
  host new greet                              create a project for a handler, in the folder greet
  host check routes                           report every mistake in a directory
  host call routes/hello.wasm --path /hello   send one request to one handler
  host run --dev                              serve the directory routes at 127.0.0.1:8000, with errors on the page
  host run DIR --listen 0.0.0.0:80            serve another directory to everybody
  host routes --json                          print the routes and their options

`host COMMAND --help` describes a command.";

/// An HTTP server whose route handlers are WebAssembly components: of its own world, or of wasi:http.
#[derive(Debug, Parser)]
#[command(name = "host", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a directory of handlers: components of `vibrato:handler` or `wasi:http`.
    Run(Box<run::Run>),
    /// Build a project, serve it in development mode, and build it again when its sources change; or serve a directory.
    Dev(Box<dev::Dev>),
    /// Print the routes of a directory: methods, paths, files, worlds, options and where each value came from.
    Routes(Box<routes::Routes>),
    /// Report every mistake in a directory or a component, with its remedy. Exits with 1 if there is an error.
    Check(Box<check::Check>),
    /// Send one request to one handler, and print the response, the log and the cost.
    Call(Box<call::CallCommand>),
    /// Send the requests of .http files to handlers in this process, and compare the responses with what the files expect.
    Test(Box<test::Test>),
    /// Publish a chunk to a topic of a running host, which was started with `--state`.
    Publish(publish::Publish),
    /// Show the figures of a running host by route, in the terminal: requests, errors, latencies, memory. It was started with
    /// `--admin`.
    Top(top::Top),
    /// Push a component to a registry, for `component` in NAME.toml.
    Push(Box<push::Push>),
    /// Compile one component for a running host.
    #[command(hide = true)]
    Compile(compile::CompileCommand),
    /// Create a small project for a handler that builds with one command.
    New(new::New),
    /// Print shell completions, as in `host completions bash > ~/.local/share/bash-completion/completions/host`.
    Completions(man::Completions),
    /// Print a manual page, as in `host man run | man -l -`.
    Man(man::Man),
}

/// Runs the command in the process's arguments.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let (arguments, shows_all) = help::arguments(std::env::args_os());
    let matches = help::command(Cli::command(), shows_all).try_get_matches_from(arguments);
    let matches = matches.unwrap_or_else(|error| usage_tips::improve(error).exit());
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match cli.command {
        Command::Run(command) => command.run(),
        Command::Dev(command) => command.run(),
        Command::Routes(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Call(command) => command.run(),
        Command::Test(command) => command.run(),
        Command::Publish(command) => command.run(),
        Command::Top(command) => command.run(),
        Command::Push(command) => command.run(),
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
