//! Middleware, from its component and its route file. That has options, paths and grants only.

use std::sync::Arc;

use super::super::file::RouteFile;
use super::super::middleware::{LoadedMiddleware, covers};
use super::failure::{Failure, NotMounted, Retry, option_errors};
use super::warnings::similar_options;
use super::{Candidate, Loaded, LoadedComponent, Loader};
use crate::diagnostic::Diagnostic;
use crate::grants::Grants;
use crate::guest::{Effort, Middleware};
use crate::options::{Options, Settings};

/// What the operator says of a middleware.
struct MiddlewareTerms<'c> {
    route_file: &'c RouteFile,
    options: Options,
    grants: Option<Arc<Grants>>,
}

impl Loader {
    /// Loads a component as middleware.
    pub(super) fn middleware(
        &self,
        candidate: &Candidate,
        name: Arc<str>,
        effort: &Effort,
    ) -> Result<Loaded, NotMounted> {
        let key = &candidate.key;
        let defaults = || Options::resolve_middleware(&self.flags, &[]).ok().map(|options| options.settings);
        let operator = self.middleware_terms(candidate);
        let (terms, component) = self.with_code::<_, Middleware>(candidate, &name, effort, operator, defaults)?;
        let MiddlewareTerms { route_file, options, grants } = terms;
        if let Some(wrong) = self.too_small(key, component.start_memory(), options.settings.memory) {
            return Err(Failure::lasting(vec![wrong]).into());
        }
        let paths = route_file.paths.clone();
        let covers = covers(key, &paths).into();
        let mut diagnostics = self.needless_grants(key, route_file, component.imports());
        diagnostics.extend(similar_options(key, route_file, &[]));
        let options = options.counted(self.metrics.as_ref(), &name);
        let middleware = Arc::new(LoadedMiddleware {
            name,
            key: key.clone(),
            options: Arc::new(options),
            grants,
            paths,
            covers,
            component,
        });
        Ok(Loaded { component: Some(LoadedComponent::Middleware(middleware)), diagnostics, retry: Retry::OnChange })
    }

    fn middleware_terms<'c>(&self, candidate: &'c Candidate) -> Result<(MiddlewareTerms<'c>, Settings), Failure> {
        let key = &candidate.key;
        let route_file = candidate.route_file.as_ref().map_err(Clone::clone)?;
        self.check_place(candidate, route_file)?;
        if let Some((name, line)) = route_file.of_handler() {
            let remedy = "remove it: a middleware is for the routes below its directory, for its `paths`, and for those that name it";
            let reason = format!("line {line}: a middleware has no `{name}`");
            return Err(Failure::lasting(vec![Diagnostic::error(key.route_file(), reason, remedy)]));
        }
        let options = Options::resolve_middleware(&self.flags, &route_file.options);
        let options = options.map_err(|errors| Failure::lasting(option_errors(key, route_file, &errors)))?;
        let grants = self.grants(key, route_file)?;
        let settings = options.settings.clone();
        Ok((MiddlewareTerms { route_file, options, grants }, settings))
    }
}
