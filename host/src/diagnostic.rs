//! What is reported to the operator about one file of the routes directory.
//!
//! Owns the form of a report. It must not know who makes one or where it is printed.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use crate::options::printable;

#[cfg(test)]
mod tests;

/// The most bytes of a file's name, of a reason and of a remedy: they quote what strangers have written.
const MAX_PART_BYTES: usize = 4096;

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
        let part = |text: &str| printable(&excerpt(text, MAX_PART_BYTES));
        format!("{}: {}\n  remedy: {}", part(&file.display().to_string()), part(reason), part(remedy))
    }
}

/// The beginning of a text that a stranger has made: at most so many bytes, and `...` where there were more.
#[must_use]
pub fn excerpt(text: &str, most: usize) -> Cow<'_, str> {
    match text.len() <= most {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("{}...", &text[..text.floor_char_boundary(most)])),
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
