//! The code of a component: from its file, or from a script and the interpreter of its language, to a handler or middleware.

use std::sync::Arc;

use super::super::component::ComponentKey;
use super::super::interpreters::NoInterpreter;
use super::super::script::Language;
use super::failure::{Failure, NotMounted, Retry, Unfinished};
use super::{Candidate, Loader};
use crate::diagnostic::Diagnostic;
use crate::guest::{Effort, Interpreter, LoadContext, LoadError, Loadable, NotLoaded, SourceFile};
use crate::oci::RegistryComponent;

/// The largest files that are read, in bytes.
const MAX_COMPONENT_BYTES: u64 = 512 * 1024 * 1024;
const MAX_SCRIPT_BYTES: u64 = 1024 * 1024;
const MAX_LIBRARY_BYTES: u64 = 8 * 1024 * 1024;

impl Loader {
    /// Reads and loads the code of a component, or of a script.
    pub(super) fn code<G: Loadable>(&self, candidate: &Candidate, context: LoadContext<'_>) -> Result<G, NotMounted> {
        match Language::of(candidate.key.path()) {
            None => self.component(candidate, context),
            Some(language) => self.script(&candidate.key, language, context),
        }
    }

    /// Reads and loads a component.
    fn component<G: Loadable>(&self, candidate: &Candidate, context: LoadContext<'_>) -> Result<G, NotMounted> {
        let (key, fetched) = (&candidate.key, candidate.registry_component());
        let bytes = match fetched {
            None => self
                .source
                .read(key, MAX_COMPONENT_BYTES)
                .map_err(|reason| Failure::unread(key.location(), &reason, "make it a readable file of a component"))?,
            // If it cannot be fetched, that is tried again by itself, and then it is another version.
            Some(RegistryComponent { reference, .. }) => self.registries.read(reference).map_err(|error| {
                let reason = format!("the component {reference}: {error}");
                Failure::lasting(vec![Diagnostic::error(key, reason, error.remedy())])
            })?,
        };
        G::load(&self.engine, &bytes.into(), context).map_err(|reason| match reason {
            NotLoaded::Refused(errors) => {
                let passes = errors.iter().any(LoadError::is_transient);
                let report = |error: &LoadError| match fetched {
                    None => Diagnostic::error(key, error, error.remedy()),
                    Some(RegistryComponent { reference, .. }) => {
                        Diagnostic::error(key, format!("the component {reference}: {error}"), error.remedy())
                    }
                };
                let diagnostics = errors.iter().map(report).collect();
                let retry = if passes { Retry::AtNextScan } else { Retry::OnChange };
                NotMounted::Failed(Failure { diagnostics, retry })
            }
            NotLoaded::Uncached => NotMounted::Unfinished(Unfinished::Uncached),
            NotLoaded::Stopped => NotMounted::Unfinished(Unfinished::Stopped),
        })
    }

    /// Reads a script and what it can import, and loads it.
    fn script<G: Loadable>(
        &self,
        key: &ComponentKey,
        language: Language,
        context: LoadContext<'_>,
    ) -> Result<G, NotMounted> {
        let interpreter = self.interpreter(key, language, context.effort)?;
        let files = self.script_files(key)?;
        context.effort.note_compiled();
        let script = interpreter.prepare(files, context);
        let loaded = script.and_then(|script| G::of_script(&self.engine, &interpreter, script));
        loaded.map_err(|error| {
            let diagnostic = Diagnostic::error(key, &error, error.remedy()).explained(error.explanation());
            Failure::lasting(vec![diagnostic]).into()
        })
    }

    /// A script, and then what it can import.
    fn script_files(&self, key: &ComponentKey) -> Result<Vec<SourceFile>, Failure> {
        let remedy = "make it a readable file, and the script smaller";
        let unread = |reason| Failure::unread(key.location(), &reason, remedy);
        let content = self.source.read(key, MAX_SCRIPT_BYTES).map_err(unread)?;
        let library = self.source.read_library(key, MAX_LIBRARY_BYTES).map_err(unread)?;
        let script = SourceFile { path: key.path().to_string_lossy().into_owned(), content: content.into() };
        let library = library.into_iter().map(|file| SourceFile { path: file.path, content: file.content.into() });
        Ok(std::iter::once(script).chain(library).collect())
    }

    /// The interpreter of a script.
    fn interpreter(
        &self,
        key: &ComponentKey,
        language: Language,
        effort: &Effort,
    ) -> Result<Arc<Interpreter>, NotMounted> {
        let error = match self.interpreters.get(&self.engine, language, effort) {
            Ok(interpreter) => return Ok(interpreter),
            Err(NoInterpreter::Uncached) => return Err(NotMounted::Unfinished(Unfinished::Uncached)),
            Err(NoInterpreter::Stopped) => return Err(NotMounted::Unfinished(Unfinished::Stopped)),
            Err(error) => error,
        };
        let (language, file) = (language.name(), language.interpreter());
        let diagnostics = match error {
            NoInterpreter::Missing(places) => {
                let reason = format!("there is no interpreter of {language}: no `{file}` in {places}");
                let remedy = "`make interpreters` in the source tree of this host builds it; `--interpreters` names its \
                              directory";
                vec![Diagnostic::error(key, reason, remedy)]
            }
            NoInterpreter::Unread(file, reason) => {
                let reason = format!("the interpreter of {language}, {}: {reason}", file.display());
                vec![Diagnostic::error(key, reason, "make it readable, or build it again: `make interpreters`")]
            }
            NoInterpreter::Refused(file, errors) => {
                let report = |error: &LoadError| {
                    let reason = format!("the interpreter of {language}, {}: {error}", file.display());
                    Diagnostic::error(key, reason, error.remedy())
                };
                errors.iter().map(report).collect()
            }
            NoInterpreter::Uncached | NoInterpreter::Stopped => Vec::new(),
        };
        // It may be there at the next listing.
        Err(Failure { diagnostics, retry: Retry::AtNextScan }.into())
    }
}
