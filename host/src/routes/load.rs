//! Loads one component: from its bytes and its route file to a [`Route`] or to middleware.
//!
//! ```text
//! Candidate                its key and its RouteFile           `candidate`
//!   -> Handler, Middleware its bytes or script, compiled       `guest_code`
//!   -> Route               with patterns, options and grants   `mount`
//!   -> LoadedMiddleware    with options, paths and grants      `middleware`
//! ```
//!
//! Each is loaded by itself, so that a bad one costs only itself. Whatever is wrong becomes a [`Diagnostic`]: `failure` if
//! it prevents that, `warnings` if not.

mod candidate;
mod failure;
mod guest_code;
mod middleware;
mod mount;
mod warnings;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use candidate::Candidate;
pub(crate) use failure::{Failure, Retry, Unfinished};

use super::Route;
use super::component::ComponentKey;
use super::declared_paths::Declare;
use super::file::{self, RouteFile};
use super::interpreters::Interpreters;
use super::middleware::LoadedMiddleware;
use super::source::Source;
use crate::diagnostic::Diagnostic;
use crate::grants::{GrantError, GrantSources, GrantTable, Grants};
use crate::guest::{Effort, Engine, LoadContext, Loadable};
use crate::metrics::RouteRegistry;
use crate::oci::RegistryComponents;
use crate::options::{Settings, Value};
use failure::{NotMounted, both};

/// How long a component may take to describe itself, unless its route's `timeout` is shorter.
const MAX_DESCRIBE: Duration = Duration::from_secs(5);

/// Loads components. Called by several threads at once.
pub(crate) trait Load: Send + Sync {
    /// Loads one component. Compiling it may take many seconds; `effort` says whether that is wanted.
    fn load(&self, candidate: &Candidate, effort: &Effort) -> Result<Loaded, Unfinished>;

    /// How many components the compile cache had, and how many had to be compiled.
    fn cache_hits_and_misses(&self) -> (usize, usize);
}

/// The result of loading one component.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// `None` if it failed: the diagnostics say why.
    pub(crate) component: Option<LoadedComponent>,
    /// What is wrong with it.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// When it is worth loading it again.
    pub(crate) retry: Retry,
}

/// A loaded component.
#[derive(Debug)]
pub(crate) enum LoadedComponent {
    /// A route, without its chain.
    Route(Box<Route>),
    /// Middleware.
    Middleware(Arc<LoadedMiddleware>),
}

/// Loads components into an engine.
#[derive(Debug)]
pub(crate) struct Loader {
    pub(crate) source: Arc<dyn Source>,
    /// The components that route files name.
    pub(crate) registries: Arc<RegistryComponents>,
    pub(crate) flags: Vec<(String, Value)>,
    /// Which paths components may declare, unless their route files say.
    pub(crate) declare: Declare,
    /// The bytes that all may take together, if that is bounded.
    pub(crate) max_memory: Option<usize>,
    pub(crate) engine: Engine,
    pub(crate) interpreters: Interpreters,
    /// Where what is granted comes from.
    pub(crate) grant_sources: Arc<GrantSources>,
    /// What every component is granted in place of what its route file says.
    pub(crate) grant: Option<GrantTable>,
    /// Where what is counted of routes goes on, if it is counted.
    pub(crate) metrics: Option<Arc<RouteRegistry>>,
}

impl Loaded {
    /// A failure that lasts until the files change.
    pub(super) fn failed(key: &ComponentKey, reason: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Failure::lasting(vec![Diagnostic::error(key, reason, remedy)]).into()
    }
}

impl From<Failure> for Loaded {
    fn from(Failure { diagnostics, retry }: Failure) -> Self {
        Self { component: None, diagnostics, retry }
    }
}

impl Load for Loader {
    fn load(&self, candidate: &Candidate, effort: &Effort) -> Result<Loaded, Unfinished> {
        let name = candidate.key.name();
        let loaded = match candidate.key.is_middleware() {
            true => self.middleware(candidate, name, effort),
            false => self.route(candidate, name, effort),
        };
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(NotMounted::Failed(failure)) => failure.into(),
            Err(NotMounted::Unfinished(unfinished)) => return Err(unfinished),
        };
        self.metrics.iter().for_each(|registry| registry.count_load(loaded.component.is_some()));
        Ok(loaded)
    }

    fn cache_hits_and_misses(&self) -> (usize, usize) {
        self.engine.cache_hits_and_misses()
    }
}

impl Loader {
    /// Loads the code of a component of which the operator says `operator`, with the settings in that. If both are wrong,
    /// both are reported at once: then it is loaded with the `defaults`.
    fn with_code<O, G: Loadable>(
        &self,
        candidate: &Candidate,
        name: &Arc<str>,
        effort: &Effort,
        operator: Result<(O, Settings), Failure>,
        defaults: impl FnOnce() -> Option<Settings>,
    ) -> Result<(O, G), NotMounted> {
        let settings = match &operator {
            Ok((_, settings)) => settings.clone(),
            // Where its code is, only the route file could say.
            Err(failure)
                if candidate.registry_component().is_none() && self.source.file_of(&candidate.key).is_none() =>
            {
                return Err(failure.clone().into());
            }
            Err(failure) => defaults().ok_or_else(|| failure.clone())?,
        };
        let timeout = settings.timeout.min(MAX_DESCRIBE);
        let context = LoadContext { name, memory: settings.memory, timeout, effort };
        both(operator.map(|(operator, _)| operator), self.code(candidate, context))
    }

    /// Checks that a component is in one place.
    fn check_place(&self, candidate: &Candidate, route_file: &RouteFile) -> Result<(), Failure> {
        let (key, component) = (&candidate.key, route_file.component.as_ref());
        let Some((component, file)) = component.zip(self.source.file_of(key)) else { return Ok(()) };
        let line = route_file.line(file::COMPONENT).unwrap_or(1);
        let reason = format!("line {line}: `component` names {}, and there is {file} too", component.reference);
        let remedy = "remove the file, or `component`";
        Err(Failure::lasting(vec![Diagnostic::error(key.route_file(), reason, remedy)]))
    }

    /// What the table of a component says that it is granted.
    fn grant_table<'t>(&'t self, route_file: &'t RouteFile) -> &'t GrantTable {
        self.grant.as_ref().unwrap_or(&route_file.grant)
    }

    /// Opens what a component is granted.
    fn grants(&self, key: &ComponentKey, route_file: &RouteFile) -> Result<Option<Arc<Grants>>, Failure> {
        let report = |error: &GrantError| Diagnostic::error(key.route_file(), error, error.reason.remedy());
        let route = key.path().with_extension("");
        let (route, site) = (route.to_string_lossy(), key.site().name());
        let grants = self.grant_sources.open(&route, site, self.grant_table(route_file));
        grants.map_err(|errors| Failure::lasting(errors.iter().map(report).collect()))
    }
}
