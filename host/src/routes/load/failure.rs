//! Why a component was not loaded.

use super::super::component::ComponentKey;
use super::super::file::RouteFile;
use crate::diagnostic::Diagnostic;
use crate::options::{OptionError, OptionSource};
use crate::regular_file::ReadError;

/// Why loading a component ended without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfinished {
    /// It has to be compiled, which `effort` excludes.
    Uncached,
    /// The attempt was stopped.
    Stopped,
}

/// Why a component was not loaded.
pub(super) enum NotMounted {
    Failed(Failure),
    Unfinished(Unfinished),
}

/// Why a component could not be loaded.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) retry: Retry,
}

/// When it is worth loading a component again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// When its files change.
    OnChange,
    /// At the next listing: the failure may be transient, such as too many open files.
    AtNextScan,
}

impl From<Failure> for NotMounted {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Failure {
    /// Mistakes in the files.
    pub(super) fn lasting(diagnostics: Vec<Diagnostic>) -> Self {
        Self { diagnostics, retry: Retry::OnChange }
    }

    /// A file cannot be read.
    pub(super) fn unread(location: &str, reason: &ReadError, remedy: &str) -> Self {
        let retry = match reason {
            ReadError::System(_) => Retry::AtNextScan,
            ReadError::NotRegular | ReadError::TooLarge(_) => Retry::OnChange,
        };
        Self { diagnostics: vec![Diagnostic::error(location, reason, remedy)], retry }
    }

    /// A file is written while it is read.
    pub(super) fn changed(location: &str) -> Self {
        let (reason, remedy) = ("it changed while it was read", "wait: it is read again as soon as it rests");
        Self { diagnostics: vec![Diagnostic::error(location, reason, remedy)], retry: Retry::AtNextScan }
    }

    /// Both failures together. Worth a retry if one of them is.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.diagnostics.extend(other.diagnostics);
        let retry = if self.retry == Retry::AtNextScan { self.retry } else { other.retry };
        Self { retry, ..self }
    }
}

/// What the operator says of a component, and its code. If something is wrong with both, both are reported at once.
pub(super) fn both<O, G>(operator: Result<O, Failure>, code: Result<G, NotMounted>) -> Result<(O, G), NotMounted> {
    match (operator, code) {
        (Ok(operator), Ok(code)) => Ok((operator, code)),
        (_, Err(unfinished @ NotMounted::Unfinished(_))) => Err(unfinished),
        (Err(one), Err(NotMounted::Failed(other))) => Err(one.and(other).into()),
        (Err(failure), Ok(_)) | (Ok(_), Err(NotMounted::Failed(failure))) => Err(failure.into()),
    }
}

/// Reports mistakes in options, each at the file that has it.
pub(super) fn option_errors(key: &ComponentKey, route_file: &RouteFile, errors: &[OptionError]) -> Vec<Diagnostic> {
    let report = |mistake: &OptionError| match mistake.set_by {
        OptionSource::File => {
            let line = route_file.line(&mistake.name).map_or_else(String::new, |line| format!("line {line}: "));
            let remedy = "write what is expected in its place";
            Diagnostic::error(key.route_file(), format!("{line}{mistake}"), remedy)
        }
        OptionSource::Component => {
            Diagnostic::error(key, mistake, "declare what is expected in its place, and build it again")
        }
        OptionSource::Default | OptionSource::Flag => {
            Diagnostic::error(key, mistake, "correct the flag on the command line")
        }
    };
    errors.iter().map(report).collect()
}
