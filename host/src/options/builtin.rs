//! The table of built-in options, with the [`Value`]s of this module.

use std::time::Duration;

use guest_sdk_options::ValueRef;
pub use guest_sdk_options::{BUILTINS, Builtin, Limit, OptionKind, Preset, find, similar};

use super::value::Value;

/// Parses the text of a flag. Text that is not a number remains text, and [`Builtin::accepts`] rejects it.
#[must_use]
pub fn parse(builtin: &Builtin, text: &str) -> Value {
    let parsed = match builtin.kind {
        OptionKind::Boolean | OptionKind::BooleanOr(_) => text.parse().ok().map(Value::Boolean),
        OptionKind::Integer { .. } => text.parse().ok().map(Value::Integer),
        OptionKind::Seconds { .. } => {
            text.parse().ok().map(Value::Integer).or_else(|| text.parse().ok().map(Value::Float))
        }
        OptionKind::FieldValue | OptionKind::Either(..) => None,
    };
    parsed.unwrap_or_else(|| Value::Text(text.to_owned()))
}

/// Converts a number of seconds. `None` if it is not a number, is negative or does not fit.
pub(super) fn seconds(value: &Value) -> Option<Duration> {
    ValueRef::from(value).seconds()
}

impl From<Preset> for Value {
    fn from(preset: Preset) -> Self {
        match preset {
            Preset::Boolean(boolean) => Self::Boolean(boolean),
            Preset::Integer(integer) => Self::Integer(integer),
            Preset::Text(text) => Self::Text(text.to_owned()),
        }
    }
}

impl<'v> From<&'v Value> for ValueRef<'v> {
    fn from(value: &'v Value) -> Self {
        match value {
            Value::Boolean(boolean) => Self::Boolean(*boolean),
            Value::Integer(integer) => Self::Integer(*integer),
            Value::Float(float) => Self::Float(*float),
            Value::Text(text) => Self::Text(text),
            Value::Booleans(_) | Value::Integers(_) | Value::Floats(_) | Value::Texts(_) => Self::List,
        }
    }
}
