//! The value of an option: conversion from TOML, bounds, and formatting.

use std::fmt;

use crate::text::printable;

/// Maximum bytes of text in a value; the texts of a list count together.
pub const MAX_TEXT_BYTES: usize = 8 * 1024;

/// The most items in a list.
pub const MAX_ITEMS: usize = 1024;

/// The value of an option, as `value` in the handler's world.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `true` or `false`
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(String),
    /// A list of booleans.
    Booleans(Vec<bool>),
    /// A list of whole numbers.
    Integers(Vec<i64>),
    /// A list of numbers, at least one with a fraction.
    Floats(Vec<f64>),
    /// A list of texts. An empty list has this type.
    Texts(Vec<String>),
}

/// Why a TOML value cannot be the value of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// A table, inline or with a header.
    #[error("is a table; {ACCEPTED}")]
    Table,
    /// A date or time.
    #[error("is a date; {ACCEPTED} (a date can be written as text, in quotes)")]
    Date,
    /// A nested list.
    #[error("is a list of lists; {ACCEPTED}")]
    Nested,
    /// A list with items of different types.
    #[error("is a list of several kinds; {ACCEPTED}")]
    Mixed,
    /// The text, or the texts of a list together, exceed [`MAX_TEXT_BYTES`].
    #[error("is too long: a value holds at most {MAX_TEXT_BYTES} bytes of text")]
    TooLong,
    /// The list exceeds [`MAX_ITEMS`].
    #[error("is too long: a list holds at most {MAX_ITEMS} items")]
    TooManyItems,
}

const ACCEPTED: &str = "expected true or false, a number, text, or a list of one of these";

impl Value {
    /// The value as plain text: a text as it is, anything else as JSON.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            other => serde_json::Value::from(other).to_string(),
        }
    }

    /// Checks the bounds of text and lists, for a value that does not come from [`Value::try_from`].
    ///
    /// # Errors
    /// [`ValueError::TooLong`] and [`ValueError::TooManyItems`].
    pub fn check_bounds(&self) -> Result<(), ValueError> {
        let (items, text) = match self {
            Self::Boolean(_) | Self::Integer(_) | Self::Float(_) => (1, 0),
            Self::Text(text) => (1, text.len()),
            Self::Booleans(list) => (list.len(), 0),
            Self::Integers(list) => (list.len(), 0),
            Self::Floats(list) => (list.len(), 0),
            Self::Texts(list) => (list.len(), list.iter().map(String::len).sum()),
        };
        if items > MAX_ITEMS {
            return Err(ValueError::TooManyItems);
        }
        if text > MAX_TEXT_BYTES {
            return Err(ValueError::TooLong);
        }
        Ok(())
    }
}

impl TryFrom<&toml::Value> for Value {
    type Error = ValueError;

    fn try_from(value: &toml::Value) -> Result<Self, ValueError> {
        let value = match value {
            toml::Value::Boolean(boolean) => Self::Boolean(*boolean),
            toml::Value::Integer(integer) => Self::Integer(*integer),
            toml::Value::Float(float) => Self::Float(*float),
            toml::Value::String(text) => Self::Text(text.clone()),
            toml::Value::Array(items) => list(items)?,
            toml::Value::Table(_) => return Err(ValueError::Table),
            toml::Value::Datetime(_) => return Err(ValueError::Date),
        };
        value.check_bounds()?;
        Ok(value)
    }
}

/// The list type that fits all `items`, if there is one.
fn list(items: &[toml::Value]) -> Result<Value, ValueError> {
    for item in items {
        match item {
            toml::Value::Array(_) => return Err(ValueError::Nested),
            toml::Value::Table(_) => return Err(ValueError::Table),
            toml::Value::Datetime(_) => return Err(ValueError::Date),
            toml::Value::Boolean(_) | toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::String(_) => {}
        }
    }
    let text = |item: &toml::Value| item.as_str().map(str::to_owned);
    // Try texts first: an empty list is a list of texts.
    collect(items, text)
        .map(Value::Texts)
        .or_else(|| collect(items, toml::Value::as_bool).map(Value::Booleans))
        .or_else(|| collect(items, toml::Value::as_integer).map(Value::Integers))
        .or_else(|| collect(items, number).map(Value::Floats))
        .ok_or(ValueError::Mixed)
}

fn collect<T>(items: &[toml::Value], item: impl Fn(&toml::Value) -> Option<T>) -> Option<Vec<T>> {
    items.iter().map(item).collect()
}

fn number(value: &toml::Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|integer| integer as f64))
}

/// Without quotation marks, and with control characters escaped, because a component's text may be printed on a
/// terminal.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(boolean) => write!(f, "{boolean}"),
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Float(float) => write!(f, "{float:?}"),
            Self::Text(text) => f.write_str(&printable(text)),
            Self::Booleans(list) => write_list(f, list, bool::to_string),
            Self::Integers(list) => write_list(f, list, i64::to_string),
            Self::Floats(list) => write_list(f, list, |float| format!("{float:?}")),
            Self::Texts(list) => write_list(f, list, |text| printable(text)),
        }
    }
}

fn write_list<T>(f: &mut fmt::Formatter<'_>, list: &[T], item: impl Fn(&T) -> String) -> fmt::Result {
    let items: Vec<String> = list.iter().map(item).collect();
    write!(f, "[{}]", items.join(", "))
}

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Boolean(boolean) => (*boolean).into(),
            Value::Integer(integer) => (*integer).into(),
            Value::Float(float) => (*float).into(),
            Value::Text(text) => text.as_str().into(),
            Value::Booleans(list) => list.as_slice().into(),
            Value::Integers(list) => list.as_slice().into(),
            Value::Floats(list) => list.as_slice().into(),
            Value::Texts(list) => list.as_slice().into(),
        }
    }
}
