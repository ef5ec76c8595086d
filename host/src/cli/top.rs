//! `host top`: the figures of a running host in the terminal, over its admin listener.
//!
//! ```text
//! client -> stats -> figures        what the host says, and the difference of two moments
//! table, summary, details           what is shown of it, as text
//! state <- keys; view -> screen     an interactive program, or `once`
//! ```

mod client;
mod details;
mod figures;
mod format;
mod once;
mod screen;
mod state;
mod stats;
mod summary;
mod table;
mod view;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use host::net::{ListenSpec, ListenTarget};

use super::logging::has_colour;
use client::AdminClient;
use figures::{Sample, Window};
use state::State;
use table::{Column, Sort};
use view::Theme;

/// The time between the two moments of `--once`.
const ONCE: Duration = Duration::from_secs(1);

/// The arguments of `host top`.
#[derive(Debug, Args)]
pub(super) struct Top {
    /// The admin listener of the host, as it was given to `host run --admin`: HOST:PORT or unix:PATH.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000", value_parser = admin_listener)]
    admin: ListenSpec,

    /// The column by which routes are sorted.
    #[arg(long, value_name = "COLUMN", default_value = "requests")]
    sort: Column,

    /// Turn the order around: the lowest figures first, and names from Z to A.
    #[arg(long)]
    reverse: bool,

    /// Print the table once, with the figures of one second, and exit. So it is if stdout is no terminal.
    #[arg(long)]
    once: bool,
}

fn admin_listener(text: &str) -> Result<ListenSpec, String> {
    let listener = text.parse::<ListenSpec>().and_then(ListenSpec::for_admin).map_err(|error| error.to_string())?;
    match listener.target() {
        ListenTarget::Inherited(_) => {
            Err("only the host knows the socket of that name; write its address, as in 127.0.0.1:9000 or unix:/path"
                .to_owned())
        }
        _ => Ok(listener),
    }
}

impl Top {
    /// Shows figures until the user quits.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let sort = Sort::by(self.sort);
        let sort = Sort { descending: sort.descending != self.reverse, ..sort };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut client = AdminClient::new(self.admin);
        let stats = runtime.block_on(screen::stats(&mut client))?;
        if !self.once && std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb") {
            let theme = Theme { has_colour: has_colour() };
            return screen::run(runtime, client, State::new(stats, sort), theme);
        }
        let mut window = Window::default();
        window.take(Sample::of(&stats));
        let stats = runtime.block_on(async {
            tokio::time::sleep(ONCE).await;
            screen::stats(&mut client).await
        })?;
        let figures = window.take(Sample::of(&stats));
        let text = once::text(&stats, figures.as_ref(), sort);
        std::io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")?;
        Ok(ExitCode::SUCCESS)
    }
}
