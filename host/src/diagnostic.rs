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
    /// Lines that explain the reason. Most have none.
    pub explanation: String,
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
            explanation: String::new(),
            remedy: part(remedy.to_string()),
        }
    }

    /// Adds lines that explain the reason, such as those of a traceback. They are truncated to 4096 bytes.
    #[must_use]
    pub fn explained(mut self, lines: &str) -> Self {
        self.explanation = excerpt(lines, MAX_PART_BYTES).into_owned();
        self
    }

    /// The report without its severity, for a log that has its own. Control characters, which file names may contain,
    /// are escaped. Each line of the explanation is indented.
    pub fn unlabelled(&self) -> impl fmt::Display {
        let Self { severity: _, location, reason, explanation, remedy } = self;
        let part = |text: &str| printable(&excerpt(text, MAX_PART_BYTES));
        let explanation: String = explanation.lines().map(|line| format!("\n    {}", printable(line))).collect();
        format!("{}: {}{explanation}\n  remedy: {}", part(location), part(reason), part(remedy))
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
