//! What is reported to the operator about one file of the routes directory.
//!
//! Owns the form of a report. It must not know who makes one or where it is printed.

use std::fmt;
use std::path::PathBuf;

use crate::options::printable;

#[cfg(test)]
mod tests;

/// A finding about one file: what is wrong with it, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the route is mounted in spite of it.
    pub severity: Severity,
    /// The file it is about.
    pub file: PathBuf,
    /// What is wrong, in a clause without a full stop.
    pub reason: String,
    /// What the operator can do about it, in a clause without a full stop.
    pub remedy: String,
}

/// How much a [`Diagnostic`] weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file, or a part of what it asks for, is not served.
    Error,
    /// The file is served, though not quite as it says.
    Warning,
}

impl Diagnostic {
    /// The report without its severity, for a log that shows its own. Control characters, which the names of files
    /// may have, are escaped.
    pub fn unlabelled(&self) -> impl fmt::Display {
        let Self { severity: _, file, reason, remedy } = self;
        format!("{}: {}\n  remedy: {}", printable(&file.display().to_string()), printable(reason), printable(remedy))
    }
}

/// With its severity, and otherwise [`Diagnostic::unlabelled`].
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.unlabelled())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}
