//! `host routes`: prints the routes of a directory.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use host::config::Config;
use host::diagnostic::Severity;
use host::guest::{RequestField, World};
use host::oci::FetchedComponent;
use host::options::{BUILTINS, OptionSource, Value, is_name};
use host::redaction::shown;
use host::routes::{ChainLink, MountedRoute, Route, RouteTable};
use host::server::Server;
use host::text::printable;
use serde_json::json;

use super::options::RoutesFlags;

/// The arguments of `host routes`.
#[derive(Debug, Args)]
pub(super) struct Routes {
    #[command(flatten)]
    source: RoutesFlags,

    /// Print JSON: every option with its value and its source. What may be a secret is `…`, as in the text.
    #[arg(long)]
    json: bool,
}

impl Routes {
    /// Prints the routes on stdout and the diagnostics on stderr. The exit code is 1 if there is an error.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        self.source.check()?;
        let config = self.source.loading.config(self.source.directory().to_owned())?;
        // The host that serves them may have it.
        let config = Config { open_state: false, ..config };
        let (server, diagnostics) = Server::new(config)?;
        for diagnostic in &diagnostics {
            eprintln!("{diagnostic}");
        }
        let table = server.routes();
        let text = if self.json { json(&table) } else { text(&table) };
        std::io::stdout().write_all(text.as_bytes())?;
        let failed = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn methods(route: &Route) -> String {
    if route.mount.methods.is_empty() { "*".to_owned() } else { route.mount.methods.join(",") }
}

/// A pattern behind the name of its site. That of the default site has none.
fn at_site(route: &Route, pattern: &str) -> String {
    format!("{}{pattern}", route.mount.key.site().name().unwrap_or_default())
}

/// The scope of a route's topics. `None` if it is the routes directory.
fn topics(route: &Route) -> Option<String> {
    match &route.mount.topics {
        Some(name) => Some(format!("topics = {} (file)", Value::Text(name.clone()))),
        None if route.mount.key.directory().as_os_str().is_empty() => None,
        None => Some(format!("topics of {}/", printable(&route.mount.key.directory().display().to_string()))),
    }
}

/// A name as the key of a route file.
fn key(name: &str) -> String {
    if is_name(name) { name.to_owned() } else { format!("\"{}\"", printable(name)) }
}

/// What a route is granted, by kind: an object by name, or a list if what is granted has no names.
fn grants(route: &Route) -> serde_json::Value {
    let mut kinds = json!({});
    for (kind, name, grant) in route.grants.iter().flat_map(|grants| grants.iter()) {
        let of_kind = &mut kinds[kind.key()];
        match (name, of_kind) {
            (Some(name), of_kind) => of_kind[name] = grant.into(),
            (None, serde_json::Value::Array(list)) => list.push(grant.into()),
            (None, of_kind) => *of_kind = json!([grant]),
        }
    }
    kinds
}

/// The fields that the host sets in requests of a route, sorted by name.
fn request_fields(route: &Route) -> impl Iterator<Item = &RequestField> {
    route.request_fields.iter().flat_map(|fields| fields.iter())
}

/// One line per path, followed by the world if it is not the host's own, and the options that differ from their defaults.
/// The defaults are printed at the end.
fn text(table: &RouteTable) -> String {
    let width = |lengths: &mut dyn Iterator<Item = usize>, header: &str| lengths.fold(header.len(), usize::max);
    let methods_width = width(&mut table.routes().iter().map(|it| methods(&it.route).len()), "METHODS");
    let patterns =
        table.routes().iter().flat_map(|mounted| mounted.patterns.iter().map(|it| at_site(&mounted.route, it)));
    let pattern_width = width(&mut patterns.map(|pattern| pattern.len()), "PATH");
    let mut text = format!("{:methods_width$}  {:pattern_width$}  FILE\n", "METHODS", "PATH");
    for MountedRoute { route, patterns } in table.routes() {
        let file = printable(route.mount.key.location());
        for pattern in patterns.iter().map(|pattern| at_site(route, pattern)) {
            text += &format!("{:methods_width$}  {pattern:pattern_width$}  {file}\n", methods(route));
        }
        if route.target.world() != World::Vibrato {
            text += &format!("{:methods_width$}    world {}\n", "", route.target.world().name());
        }
        if let Some(FetchedComponent { reference, digest }) = &route.mount.fetched {
            let digest = if reference.is_tag() { format!(", now {digest}") } else { String::new() };
            text += &format!("{:methods_width$}    component {reference}{digest}\n", "");
        }
        if !route.chain.is_empty() {
            let chain: Vec<String> = route.chain.iter().map(name).collect();
            text += &format!("{:methods_width$}    behind {}\n", "", chain.join(", "));
        }
        if let Some(topics) = topics(route) {
            text += &format!("{:methods_width$}    {topics}\n", "");
        }
        if let Some(timer) = &route.timer {
            let (every, target) = (timer.every.as_secs_f64(), &timer.target);
            text += &format!("{:methods_width$}    timer every {every} s at {target} (file)\n", "");
        }
        for (kind, name, grant) in route.grants.iter().flat_map(|grants| grants.iter()) {
            let name = name.map_or_else(String::new, |name| format!(" {}", key(name)));
            text += &format!("{:methods_width$}    grant {}{name} = {grant}\n", "", kind.key());
        }
        for field in request_fields(route) {
            text += &format!("{:methods_width$}    request field {} = {} (file)\n", "", field.name, field.source);
        }
        for entry in route.options.all().iter().filter(|entry| entry.source != OptionSource::Default) {
            text += &format!("{:methods_width$}    {} = {} ({})\n", "", entry.name, shown(entry), entry.source);
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

/// The name of a middleware, and whether it applies only to some paths of the route.
fn name(link: &ChainLink) -> String {
    format!("{}{}", link.middleware.name, if link.is_partial() { " at some of them" } else { "" })
}

fn json(table: &RouteTable) -> String {
    let route = |MountedRoute { route, patterns }: &MountedRoute| {
        let options = route.options.all().iter().map(|entry| {
            let value = serde_json::Value::from(&*shown(entry));
            (entry.name.clone(), json!({ "value": value, "source": entry.source.to_string() }))
        });
        json!({
            "name": &*route.mount.name,
            "methods": route.mount.methods,
            "site": route.mount.key.site().name(),
            "paths": patterns,
            "file": route.mount.key.location(),
            "component": route.mount.fetched.as_ref().map(|fetched| {
                json!({ "reference": fetched.reference.to_string(), "digest": fetched.digest.to_string() })
            }),
            "world": route.target.world().name(),
            "middleware": route.chain.iter().map(|link| link.middleware.key.location()).collect::<Vec<_>>(),
            "topics": match &route.mount.topics {
                Some(name) => json!({ "name": name }),
                None => json!({ "directory": route.mount.key.directory().display().to_string() }),
            },
            "request-fields": request_fields(route)
                .map(|field| (field.name.clone(), json!(field.source.to_string())))
                .collect::<serde_json::Map<_, _>>(),
            "timer": route.timer.as_ref().map(|timer| json!({ "every": timer.every.as_secs_f64(), "target": timer.target })),
            "grant": grants(route),
            "options": options.collect::<serde_json::Map<_, _>>(),
        })
    };
    let routes: Vec<_> = table.routes().iter().map(route).collect();
    format!("{:#}\n", json!({ "routes": routes }))
}
