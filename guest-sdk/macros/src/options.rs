//! Checks built-in options at compile time, by the table of [`guest_sdk_options`]. The host checks them again, because
//! a component may come from other tools.

use guest_sdk_options::{ValueRef, find};
use proc_macro2::Span;
use syn::{Error, Result};

use crate::args::Value;

/// Checks one option. A name that is not built-in is the handler's own option and takes any value.
pub(crate) fn check(name: &str, value: &Value, span: Span) -> Result<()> {
    match find(name) {
        Some(builtin) if !builtin.accepts(value) => {
            Err(Error::new(span, format!("`{name}` takes {}", builtin.expected())))
        }
        Some(_) | None => Ok(()),
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
