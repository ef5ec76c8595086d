//! `host check`: reports every mistake in a directory or in one component, without serving it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use host::diagnostic::{Diagnostic, Severity};
use host::server::Server;

use super::options::Loading;

/// The arguments of `host check`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// A routes directory, or one component, which is checked as if it were alone in a directory, without middleware.
    #[arg(value_name = "DIR|FILE", default_value = "routes")]
    path: PathBuf,

    #[command(flatten)]
    loading: Loading,
}

impl Check {
    /// Prints each mistake with its remedy, and how many there are. The exit code is 1 if there is an error.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (server, diagnostics) = Server::new(self.loading.config(self.path)?)?;
        let mut text = String::new();
        for diagnostic in &diagnostics {
            text += &format!("{diagnostic}\n");
        }
        let [errors, warnings] = [Severity::Error, Severity::Warning].map(|severity| count(&diagnostics, severity));
        let routes = counted(server.routes().routes().len(), "route");
        text += &format!("{routes}; {}, {}\n", counted(errors, "error"), counted(warnings, "warning"));
        std::io::stdout().write_all(text.as_bytes())?;
        Ok(if errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

fn counted(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
