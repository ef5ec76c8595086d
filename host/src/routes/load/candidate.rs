//! A component to be loaded: which it is, and what its route file says.

use super::super::component::ComponentKey;
use super::super::file::{MAX_ROUTE_FILE_BYTES, RouteFile, RouteFileError};
use super::super::fingerprint::Fingerprint;
use super::super::pattern;
use super::super::pending::PendingRoute;
use super::super::source::Source;
use super::failure::Failure;
use crate::diagnostic::Diagnostic;
use crate::oci::RegistryComponent;

#[cfg(test)]
mod tests;

/// A component to be loaded.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Which component it is.
    pub(crate) key: ComponentKey,
    /// Its route file, or what is wrong with that.
    pub(crate) route_file: Result<RouteFile, Failure>,
    fingerprint: Fingerprint,
}

impl Candidate {
    /// Reads the route file of a component that has this fingerprint.
    pub(in crate::routes) fn read(source: &dyn Source, key: ComponentKey, fingerprint: Fingerprint) -> Self {
        // A file that is emptied to be written anew would else be read as one without middleware.
        let route_file = read_route_file(source, &key).and_then(|route_file| match source.fingerprint(&key) {
            Ok(now) if now == fingerprint => Ok(route_file),
            Ok(_) | Err(_) => Err(Failure::changed(key.route_file())),
        });
        Self { key, route_file, fingerprint }
    }

    /// Its fingerprint when it was found.
    pub(in crate::routes) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The component in a registry that its route file names, which has to be fetched before it is loaded.
    pub(in crate::routes) fn registry_component(&self) -> Option<&RegistryComponent> {
        self.route_file.as_ref().ok()?.component.as_ref()
    }

    /// What it may answer, before its component is loaded.
    pub(in crate::routes) fn pending_route(&self) -> PendingRoute {
        match &self.route_file {
            // No request is answered by it alone.
            Ok(_) if self.key.is_middleware() => PendingRoute::At(Vec::new()),
            Ok(route_file) if route_file.paths.is_empty() => {
                PendingRoute::Anywhere(pattern::from_tree_path(self.key.path_in_site()).ok())
            }
            Ok(route_file) => PendingRoute::At(route_file.paths.clone()),
            // It is loaded only to report what is wrong with it too, and not mounted.
            Err(_) => PendingRoute::At(Vec::new()),
        }
    }
}

/// The route file, or an empty one if there is none.
fn read_route_file(source: &dyn Source, key: &ComponentKey) -> Result<RouteFile, Failure> {
    let (location, remedy) = (key.route_file(), "make it a readable text file of TOML");
    let bytes = source.read_route_file(key, MAX_ROUTE_FILE_BYTES);
    let Some(bytes) = bytes.map_err(|reason| Failure::unread(location, &reason, remedy))? else {
        return Ok(RouteFile::default());
    };
    let not_text = |_| Failure::lasting(vec![Diagnostic::error(location, "it is not UTF-8", remedy)]);
    let text = String::from_utf8(bytes).map_err(not_text)?;
    let report = |error: &RouteFileError| Diagnostic::error(location, error, error.remedy());
    RouteFile::parse(&text).map_err(|errors| Failure::lasting(errors.iter().map(report).collect()))
}
