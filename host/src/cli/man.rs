//! `host completions` and `host man`: generates shell completions and manual pages from the command line's definition.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

/// The arguments of `host completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell to complete for.
    shell: Shell,
}

/// The arguments of `host man`.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// The command that the page describes, as in `host man run` [default: host itself].
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

impl Completions {
    /// Prints the completion script on stdout.
    pub(super) fn run(self, mut host: Command) -> anyhow::Result<ExitCode> {
        let name = host.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut host, name, &mut script);
        io::stdout().write_all(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Man {
    /// Prints the manual page on stdout, as roff.
    pub(super) fn run(self, mut host: Command) -> anyhow::Result<ExitCode> {
        // Fills in the full names of the subcommands.
        host.build();
        let page = match &self.command {
            Some(name) => host.find_subcommand(name).with_context(|| {
                let names: Vec<&str> =
                    host.get_subcommands().filter(|it| !it.is_hide_set()).map(Command::get_name).collect();
                format!("unknown command `{name}`; expected one of {}", names.join(", "))
            })?,
            None => &host,
        };
        let page = page.clone();
        let title = page.get_display_name().unwrap_or(page.get_name()).to_owned();
        let mut text = Vec::new();
        clap_mangen::Man::new(page).title(title).render(&mut text)?;
        io::stdout().write_all(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
