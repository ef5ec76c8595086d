//! `host routes`: the table that a directory makes.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use host::config::Config;
use host::options::{BUILTINS, Source as ValueSource, Value};
use host::routes::{Route, RouteTable};
use host::server::Server;
use serde_json::json;

use super::options::Source;

/// The arguments of `host routes`.
#[derive(Debug, Args)]
pub(super) struct Routes {
    #[command(flatten)]
    source: Source,

    /// Print JSON: every option with its value and source.
    #[arg(long)]
    json: bool,
}

impl Routes {
    /// Prints the table on stdout and what is wrong on stderr.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        self.source.check()?;
        let config = Config {
            routes: self.source.routes.clone(),
            options: self.source.options.0.clone(),
            cache_directory: self.source.cache_directory()?,
            ..Config::default()
        };
        let (server, diagnostics) = Server::new(config)?;
        for diagnostic in diagnostics {
            eprintln!("{diagnostic}");
        }
        let table = server.routes();
        let text = if self.json { json(&table) } else { text(&table) };
        std::io::stdout().write_all(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn methods(route: &Route) -> String {
    if route.mount.methods.is_empty() { "*".to_owned() } else { route.mount.methods.join(",") }
}

/// A line for each path, with the options that differ from the defaults below it; the defaults once at the end.
fn text(table: &RouteTable) -> String {
    let lines: Vec<[String; 3]> = table
        .routes()
        .iter()
        .flat_map(|route| {
            let line = |pattern: &String| [methods(route), pattern.clone(), route.mount.file.display().to_string()];
            route.mount.patterns.iter().map(line).collect::<Vec<_>>()
        })
        .collect();
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let (methods_width, pattern_width) = (width(0).max(7), width(1).max(4));
    let mut text = format!("{:methods_width$}  {:pattern_width$}  FILE\n", "METHODS", "PATH");
    for route in table.routes() {
        for pattern in &route.mount.patterns {
            let file = route.mount.file.display();
            text += &format!("{:methods_width$}  {pattern:pattern_width$}  {file}\n", methods(route));
        }
        for entry in route.options.all().iter().filter(|entry| entry.source != ValueSource::Default) {
            text += &format!("{:methods_width$}    {} = {} ({})\n", "", entry.name, entry.value, entry.source);
        }
    }
    text += "Every other option has its default:\n";
    for builtin in &BUILTINS {
        if let Some(preset) = builtin.default {
            text += &format!("  {} = {}\n", builtin.name, Value::from(preset));
        }
    }
    text
}

fn json(table: &RouteTable) -> String {
    let route = |route: &Route| {
        let options = route.options.all().iter().map(|entry| {
            let value = serde_json::Value::from(&entry.value);
            (entry.name.clone(), json!({ "value": value, "source": entry.source.to_string() }))
        });
        json!({
            "name": &*route.mount.name,
            "methods": route.mount.methods,
            "paths": route.mount.patterns,
            "file": route.mount.file.display().to_string(),
            "options": options.collect::<serde_json::Map<_, _>>(),
        })
    };
    let routes: Vec<_> = table.routes().iter().map(|entry| route(entry)).collect();
    format!("{:#}\n", json!({ "routes": routes }))
}
