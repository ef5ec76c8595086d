//! `host check`: reports every mistake in a directory or in one component, without serving it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use host::config::Config;
use host::diagnostic::{Diagnostic, Severity};
use host::grants::{GrantKind, Grants};
use host::guest::GrantableImports;
use host::routes::{ChainLink, ComponentKey, MountedRoute, RouteTable};
use host::server::Server;
use host::text::printable;

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
        let (server, diagnostics) = Server::new(Config { open_state: false, ..self.loading.config(self.path)? })?;
        let mut text = String::new();
        for diagnostic in &diagnostics {
            text += &format!("{diagnostic}\n");
        }
        for note in ungranted(&server.routes()) {
            text += &format!("note: {note}\n");
        }
        let [errors, warnings] = [Severity::Error, Severity::Warning].map(|severity| count(&diagnostics, severity));
        let routes = counted(server.routes().routes().len(), "route");
        text += &format!("{routes}; {}, {}\n", counted(errors, "error"), counted(warnings, "warning"));
        std::io::stdout().write_all(text.as_bytes())?;
        Ok(if errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// The interfaces that components import to no use, because nothing is granted for them. Those that the standard library of
/// a language imports by itself are told in one line.
fn ungranted(table: &RouteTable) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |key: &ComponentKey, imports: &GrantableImports, grants: Option<&Grants>| {
        let granted = |kind| grants.is_some_and(|grants| grants.iter().any(|(known, ..)| known == kind));
        for (kind, import) in imports.iter().filter(|(kind, _)| !kind.is_of_language() && !granted(*kind)) {
            let (file, route_file) = (printable(key.location()), printable(key.route_file()));
            notes.push(format!("{file}: it imports `{import}`, and `{}` is not granted in {route_file}", kind.key()));
        }
        // Environment variables alone are told of no component: the code of each panic in Rust imports them.
        let is_alone = !imports.has_sockets() && (granted(GrantKind::Files) || !imports.has(GrantKind::Files));
        let of_language = [GrantKind::Files, GrantKind::Environment].into_iter();
        let unreached: Vec<&str> = of_language
            .filter(|kind| imports.has(*kind) && !granted(*kind))
            .map(|kind| if kind == GrantKind::Files { "files" } else { "environment variables" })
            .chain(imports.has_sockets().then_some("sockets"))
            .collect();
        if !unreached.is_empty() && !is_alone {
            let (file, unreached) = (printable(key.location()), unreached.join(", "));
            notes.push(format!(
                "{file}: it imports {unreached} without a grant, and finds none; its language may do that by itself"
            ));
        }
    };
    let mut links: Vec<&ChainLink> = Vec::new();
    for MountedRoute { route, .. } in table.routes() {
        if let Some(imports) = route.target.imports().filter(|imports| !imports.are_the_whole_world()) {
            note(&route.mount.key, imports, route.grants.as_deref());
        }
        links.extend(&route.chain);
    }
    links.sort_by(|one, other| one.middleware.key.cmp(&other.middleware.key));
    links.dedup_by(|one, other| one.middleware.key == other.middleware.key);
    for ChainLink { middleware, .. } in links.into_iter().filter(|link| !link.middleware.component.is_script()) {
        note(&middleware.key, middleware.component.imports(), middleware.grants.as_deref());
    }
    notes
}

fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

fn counted(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
