//! What one source of options may say: names, types, ranges and bounds.
//!
//! It must not know how the sources are merged.

use std::collections::HashSet;

use super::value::{Value, ValueError};
use super::{Entries, OptionSource, find};
use crate::text::printable;

/// The longest name of an option, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// The most options that a route has, the host's own included.
pub const MAX_OPTIONS: usize = 128;

/// An option that cannot be as its source has it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("option `{}` {fault}", shown(.name))]
pub struct OptionError {
    /// Who set it, and so which file to correct.
    pub set_by: OptionSource,
    /// The option's name, as it was given.
    pub name: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with an option.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A value of another type than the option's, or out of its range.
    #[error("is {}; expected {expected}", quoted(.found))]
    Unexpected {
        /// The value it has.
        found: Value,
        /// What the option accepts, in words.
        expected: String,
    },
    /// A value that is past a bound.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A name that is not one.
    #[error(
        "has no proper name: expected a letter or `_`, then letters, digits, `_` and `-`, {MAX_NAME_BYTES} at most"
    )]
    Name,
    /// A name that its source sets twice.
    #[error("is set twice; expected once")]
    Twice,
    /// One of the host's own that only a route has.
    #[error("is a route's; expected one of a middleware: `memory`, `timeout`, or one of its own")]
    OfRoute,
    /// The first option past the bound on their number.
    #[error("is one too many: a route has at most {MAX_OPTIONS} options, the host's own included")]
    TooMany,
}

/// Whether `name` can be the name of an option or of a captured path segment.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= MAX_NAME_BYTES
        && bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Every mistake of one source. What lies past [`MAX_OPTIONS`] is one mistake, and is not looked at.
pub(super) fn source(set_by: OptionSource, given: &[(String, Value)]) -> Vec<OptionError> {
    let mut seen = HashSet::new();
    let mut errors: Vec<OptionError> = given
        .iter()
        .take(MAX_OPTIONS)
        .filter_map(|(name, value)| {
            let fault = match seen.insert(name) {
                true => option(name, value).err()?,
                false => Fault::Twice,
            };
            Some(OptionError { set_by, name: name.clone(), fault })
        })
        .collect();
    if let Some((name, _)) = given.get(MAX_OPTIONS) {
        errors.push(OptionError { set_by, name: name.clone(), fault: Fault::TooMany });
    }
    errors
}

/// The mistake of having too many options altogether; the last source to add one is named.
pub(super) fn total(entries: &Entries) -> Option<OptionError> {
    let last = entries.values().filter(|_| entries.len() > MAX_OPTIONS).max_by_key(|entry| entry.source)?;
    Some(OptionError { set_by: last.source, name: last.name.clone(), fault: Fault::TooMany })
}

fn option(name: &str, value: &Value) -> Result<(), Fault> {
    if !is_name(name) {
        return Err(Fault::Name);
    }
    value.check_bounds()?;
    match find(name) {
        Some(builtin) if !builtin.accepts(value) => {
            Err(Fault::Unexpected { found: value.clone(), expected: builtin.expected() })
        }
        Some(_) | None => Ok(()),
    }
}

/// A value for a message: a text in quotation marks, as its file has it.
fn quoted(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("\"{}\"", shown(text)),
        Value::Boolean(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Booleans(_)
        | Value::Integers(_)
        | Value::Floats(_)
        | Value::Texts(_) => shown(&value.to_string()),
    }
}

/// The beginning of a text that may be long and may be anything, for a message.
fn shown(text: &str) -> String {
    const SHOWN_CHARS: usize = 64;
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    printable(&shown)
}
