//! Checks one source of options: names, types, ranges and bounds.

use std::collections::HashSet;

use super::value::{Value, ValueError};
use super::{Entries, OptionSource, find};
use crate::text::printable;

/// Maximum bytes of an option's name.
pub const MAX_NAME_BYTES: usize = 64;

/// Maximum number of options of a route, including built-in ones.
pub const MAX_OPTIONS: usize = 128;

/// An option that its source has set wrongly.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("option `{}` {fault}", abbreviated(.name))]
pub struct OptionError {
    /// The source that set it, which tells what to correct.
    pub set_by: OptionSource,
    /// The option's name, as it was given.
    pub name: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with an option.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The value has the wrong type or is out of range.
    #[error("is {}; expected {expected}", quoted(.found))]
    Unexpected {
        /// The value that was set.
        found: Value,
        /// What the option accepts, as text.
        expected: String,
    },
    /// The value exceeds a bound.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The name is invalid.
    #[error(
        "has no proper name: expected a letter or `_`, then letters, digits, `_` and `-`, {MAX_NAME_BYTES} at most"
    )]
    Name,
    /// The source sets the option twice.
    #[error("is set twice; expected once")]
    Twice,
    /// The option is built-in and belongs to routes, not to middleware.
    #[error("is a route's; expected one of a middleware: `memory`, `timeout`, or one of its own")]
    RouteOption,
    /// The source sets more than [`MAX_OPTIONS`]. Reported for the first option past the bound.
    #[error("is one too many: a route has at most {MAX_OPTIONS} options, the host's own included")]
    TooMany,
}

/// Whether `name` is a valid name of an option or of a path parameter.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= MAX_NAME_BYTES
        && bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Every mistake of one source. Options past [`MAX_OPTIONS`] are reported as one mistake and not checked.
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

/// The mistake of having too many options in total. Blames the last source that added one.
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

/// Formats a value for a message. Text is put in quotation marks, as in its file.
fn quoted(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("\"{}\"", abbreviated(text)),
        Value::Boolean(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Booleans(_)
        | Value::Integers(_)
        | Value::Floats(_)
        | Value::Texts(_) => abbreviated(&value.to_string()),
    }
}

/// The beginning of a text of any length and content, for a message.
fn abbreviated(text: &str) -> String {
    const MAX_CHARS: usize = 64;
    let mut abbreviated: String = text.chars().take(MAX_CHARS).collect();
    if abbreviated.len() < text.len() {
        abbreviated.push_str("...");
    }
    printable(&abbreviated)
}
