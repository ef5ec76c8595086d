//! What is reported to the operator about one file of the routes directory.
//!
//! Owns the form of a report. It must not know who makes one or where it is printed.

use std::fmt;

use crate::text::{excerpt, printable};

#[cfg(test)]
mod tests;

/// The most bytes of a location, of a reason and of a remedy: they quote what strangers have written.
const MAX_PART_BYTES: usize = 4096;

/// A finding about one file: what is wrong with it, and what the operator can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the route is mounted in spite of it.
    pub severity: Severity,
    /// What it is about: the path of a file or directory.
    pub location: String,
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
    /// An error. The reason and the remedy are cut to 4096 bytes.
    pub fn error(location: impl fmt::Display, reason: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self::new(Severity::Error, location, reason, remedy)
    }

    /// A warning. The reason and the remedy are cut to 4096 bytes.
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

    /// The report without its severity, for a log that shows its own. Control characters, which the names of files
    /// may have, are escaped.
    pub fn unlabelled(&self) -> impl fmt::Display {
        let Self { severity: _, location, reason, remedy } = self;
        let part = |text: &str| printable(&excerpt(text, MAX_PART_BYTES));
        format!("{}: {}\n  remedy: {}", part(location), part(reason), part(remedy))
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
