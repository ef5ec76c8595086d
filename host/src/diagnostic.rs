//! Reports to the operator about one file of the routes directory.

use std::fmt;

use crate::text::{excerpt, printable};

#[cfg(test)]
mod tests;

/// Maximum bytes of a location, a reason and a remedy, because they quote untrusted text.
const MAX_PART_BYTES: usize = 4096;

/// A report about one file: what is wrong, and what the operator can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the route is mounted nevertheless.
    pub severity: Severity,
    /// The file or directory that it is about.
    pub location: String,
    /// What is wrong: a clause without a full stop.
    pub reason: String,
    /// What the operator can do about it: a clause without a full stop.
    pub remedy: String,
}

/// The severity of a [`Diagnostic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file, or a part of what it declares, is not served.
    Error,
    /// The file is served, but not exactly as it declares.
    Warning,
}

impl Diagnostic {
    /// An error. The reason and the remedy are truncated to 4096 bytes.
    pub fn error(location: impl fmt::Display, reason: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self::new(Severity::Error, location, reason, remedy)
    }

    /// A warning. The reason and the remedy are truncated to 4096 bytes.
    pub fn warning(location: impl fmt::Display, reason: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self::new(Severity::Warning, location, reason, remedy)
    }

    fn new(
        severity: Severity,
        location: impl fmt::Display,
        reason: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Self {
        let part = |text: String| excerpt(&text, MAX_PART_BYTES).into_owned();
        Self {
            severity,
            location: location.to_string(),
            reason: part(reason.to_string()),
            remedy: part(remedy.to_string()),
        }
    }

    /// Adds a clause to the first line of the reason.
    pub fn add_to_reason(&mut self, clause: &str) {
        let end = self.reason.find('\n').unwrap_or(self.reason.len());
        self.reason.insert_str(end, clause);
    }

    /// The report without its severity, for a log that has its own. Control characters, which file names may contain,
    /// are escaped. Each further line of the reason, as of a traceback, is indented.
    pub fn unlabelled(&self) -> impl fmt::Display {
        let Self { severity: _, location, reason, remedy } = self;
        let part = |text: &str| printable(&excerpt(text, MAX_PART_BYTES));
        let reason: Vec<String> = excerpt(reason, MAX_PART_BYTES).lines().map(printable).collect();
        format!("{}: {}\n  remedy: {}", part(location), reason.join("\n    "), part(remedy))
    }
}

/// The severity, then [`Diagnostic::unlabelled`].
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
