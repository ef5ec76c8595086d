//! A route, from the key, the declaration and the route file of its component.

use std::sync::Arc;

use super::super::component::ComponentKey;
use super::super::declared_paths::Declare;
use super::super::file::{OPERATOR_KEYS, RouteFile, TIMER};
use super::super::holders::Authority;
use super::super::pattern::{self, PatternError};
use super::super::target::RouteTarget;
use super::super::timer::RouteTimer;
use super::super::{Mount, Route, method};
use super::failure::{Failure, NotMounted, Retry, option_errors};
use super::warnings::{frozen_random, reserved_key, similar_options};
use super::{Candidate, Loaded, LoadedComponent, Loader};
use crate::diagnostic::Diagnostic;
use crate::guest::{Declaration, Effort, Handler, RequestFields, World};
use crate::options::{Options, Settings};
use crate::text::printable;

/// The default of `buffer_size` for components of `wasi:http` 0.3, in bytes: the library that runs them moves its own pieces
/// in this size, and each one costs several turns.
const WASI_HTTP_03_BUFFER: u32 = 64 * 1024;

impl Loader {
    /// Loads a component as a handler, and makes a route of it.
    pub(super) fn route(&self, candidate: &Candidate, name: Arc<str>, effort: &Effort) -> Result<Loaded, NotMounted> {
        let defaults = || Options::resolve(&self.flags, &[], &[]).ok().map(|options| options.settings);
        let operator = self.route_options(candidate);
        let (route_file, handler) = self.with_code(candidate, &name, effort, operator, defaults)?;
        Ok(self.mount(&candidate.key, route_file, name, handler))
    }

    /// The route file and the operator's settings, before the component is known. They hold for its `describe` too.
    fn route_options<'c>(&self, candidate: &'c Candidate) -> Result<(&'c RouteFile, Settings), Failure> {
        let route_file = candidate.route_file.as_ref().map_err(Clone::clone)?;
        self.check_place(candidate, route_file)?;
        let options = Options::resolve(&self.flags, &[], &route_file.options);
        let options = options.map_err(|errors| Failure::lasting(option_errors(&candidate.key, route_file, &errors)))?;
        Ok((route_file, options.settings))
    }

    /// Makes the route from the component's key, its declaration and its route file.
    fn mount(&self, key: &ComponentKey, route_file: &RouteFile, name: Arc<str>, handler: Handler) -> Loaded {
        let none = Declaration::default();
        let declared = handler.declaration().unwrap_or(&none);
        let mut wrong = Vec::new();
        if let Err(fault) = pattern::check_all(&declared.paths) {
            wrong.push(Diagnostic::error(key, format!("its declaration: {fault}"), fault.remedy()));
        }
        if let Err(fault) = method::check(&declared.methods) {
            let remedy = "declare methods that clients send";
            wrong.push(Diagnostic::error(key, format!("its declaration: {fault}"), remedy));
        }
        let (reserved, declared_options): (Vec<_>, Vec<_>) =
            declared.options.iter().cloned().partition(|(name, _)| OPERATOR_KEYS.contains(&name.as_str()));
        let options = Options::resolve(&self.flags, &declared_options, &route_file.options);
        let options = options.map_err(|errors| wrong.extend(option_errors(key, route_file, &errors)));
        let options = options.map(|mut options| {
            if handler.world() == World::WasiHttp03 {
                options.set_default_buffer_size(WASI_HTTP_03_BUFFER);
            }
            options
        });
        if options.as_ref().is_ok_and(|options| options.settings.websocket) && !handler.takes_messages() {
            let reason = "it has the option `websocket`, and does not export `on-message` of the world `websocket`";
            let remedy = if handler.world() == World::Vibrato {
                "export it (in Rust, put `#[on_message]` of guest-sdk on a function), or leave the option out"
            } else {
                "leave the option out: wasi:http has no WebSockets"
            };
            wrong.push(Diagnostic::error(key, reason, remedy));
        }
        if let Ok(options) = &options {
            wrong.extend(self.too_small(key, handler.start_memory(), options.settings.memory));
        }
        let (admitted, outside) = self.admit(key, route_file, &declared.paths);
        let (patterns, authority) = patterns(key, route_file, admitted);
        let patterns = patterns.map_err(|fault| wrong.push(Diagnostic::error(key, fault, fault.remedy())));
        if let Ok(patterns) = &patterns {
            wrong.extend(route_file.check_request_fields(key, handler.world(), patterns));
        }
        let timer = patterns.as_ref().map_or(Ok(None), |patterns| timer(key, route_file, patterns));
        let timer = timer.unwrap_or_else(|error| {
            wrong.push(error);
            None
        });
        let grants = self.grants(key, route_file).map_err(|failure| wrong.extend(failure.diagnostics));
        let (Ok(options), Ok(patterns), Ok(grants), true) = (options, patterns, grants, wrong.is_empty()) else {
            return Failure::lasting(wrong).into();
        };
        let methods = route_file.methods.clone().unwrap_or_else(|| declared.methods.clone());
        let reserved = reserved.iter().map(|(name, _)| reserved_key(name));
        let remedy = format!("to allow it, set it in {}", key.route_file());
        let diagnostics = options.lowered().iter().map(ToString::to_string).chain(reserved);
        let diagnostics = diagnostics.map(|reason| Diagnostic::warning(key, reason, &remedy));
        let mut diagnostics: Vec<Diagnostic> = diagnostics.chain(outside).collect();
        diagnostics.extend(self.needless_grants(key, route_file, handler.imports()));
        diagnostics.extend(similar_options(key, route_file, &declared_options));
        diagnostics.extend(handler.has_frozen_random().then(|| frozen_random(key)));
        // A component that is served alone has no middleware beside it.
        let middleware = if key.is_alone() { Vec::new() } else { route_file.middleware.clone() };
        let topics = route_file.topics.clone();
        let fetched = route_file.component.as_ref().map(|component| component.reference.clone());
        let fetched = fetched.and_then(|reference| self.registries.fetched(&reference));
        let mount = Mount { name, patterns, methods, key: key.clone(), fetched, middleware, topics, authority };
        let request_fields = route_file.request_fields.iter().map(|entry| entry.field.clone()).collect();
        let options = options.counted(self.metrics.as_ref(), &mount.name);
        let route = Route::new(mount, options, Arc::new(RouteTarget::Component(handler)));
        let route = Box::new(route.granted(grants).setting(RequestFields::new(request_fields)).timed(timer));
        Loaded { component: Some(LoadedComponent::Route(route)), diagnostics, retry: Retry::OnChange }
    }

    /// The declared paths that the component may declare, and a warning if there are others.
    fn admit(&self, key: &ComponentKey, route_file: &RouteFile, paths: &[String]) -> (Vec<String>, Option<Diagnostic>) {
        let declare = route_file.declare.unwrap_or(self.declare);
        let is_allowed = |path: &String| declare.allows(key.directory_in_site(), path);
        let (admitted, refused): (Vec<_>, Vec<_>) = paths.iter().cloned().partition(is_allowed);
        if refused.is_empty() || !route_file.paths.is_empty() {
            return (admitted, None);
        }
        let more = if refused.len() > 1 { format!(" and {} more", refused.len() - 1) } else { String::new() };
        let rule = match declare {
            Declare::Nothing => "and components declare no paths here",
            Declare::Below | Declare::Any => "and a component declares paths of its directory and below",
        };
        let result = if admitted.is_empty() { "it answers at its place" } else { "it is not there" };
        let reason = format!("it declares the path `{}`{more}, {rule}; {result}", printable(&refused[0]));
        let remedy = format!("to allow it, write its path or `declare = \"any\"` into {}", key.route_file());
        (admitted, Some(Diagnostic::warning(key, reason, remedy)))
    }
}

/// The patterns of a route whose component may declare those of `admitted`, and who says that it has them.
fn patterns(
    key: &ComponentKey,
    route_file: &RouteFile,
    admitted: Vec<String>,
) -> (Result<Vec<String>, PatternError>, Authority) {
    match (route_file.paths.is_empty(), admitted.is_empty()) {
        (false, _) => (Ok(route_file.paths.clone()), Authority::RouteFile),
        (true, false) => (Ok(admitted), Authority::Declared),
        (true, true) => (pattern::from_tree_path(key.path_in_site()).map(|pattern| vec![pattern]), Authority::FilePath),
    }
}

/// The timer of a route with these patterns.
fn timer(key: &ComponentKey, route_file: &RouteFile, patterns: &[String]) -> Result<Option<RouteTimer>, Diagnostic> {
    let Some(every) = route_file.timer else { return Ok(None) };
    RouteTimer::new(every, patterns).map(Some).ok_or_else(|| {
        let line = route_file.line(TIMER).unwrap_or(1);
        let reason = format!("line {line}: the timer has no path: each path of the route captures something");
        let remedy = "add a path without captures to `paths`, as in paths = [\"/clock\", \"/clock/{city}\"]";
        Diagnostic::error(key.route_file(), reason, remedy)
    })
}
