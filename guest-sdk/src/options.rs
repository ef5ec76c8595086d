//! The route's options, with typed access.

use std::fmt;

use crate::Value;
use crate::host::options;

/// The options of the route: built-in ones, and any that were invented in the attribute or in the route's file.
///
/// ```standalone_crate
/// use guest_sdk::{Options, handler};
///
/// // The operator's file may set another greeting.
/// #[handler(greeting = "Hello", times = 3)]
/// fn greet(options: Options) -> String {
///     let times = options.integer("times").and_then(|times| usize::try_from(times).ok()).unwrap_or(1);
///     options.text("greeting").unwrap_or_default().repeat(times)
/// }
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Options(());

impl Options {
    /// An invocation has one route, so its options need no identifier.
    pub(crate) const fn of_invocation() -> Self {
        Self(())
    }

    /// The option called `name`. `None` if it is not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        options::get(name)
    }

    /// A boolean option. `None` if it is not set or has another type.
    #[must_use]
    pub fn boolean(&self, name: &str) -> Option<bool> {
        if let Value::Boolean(value) = self.get(name)? { Some(value) } else { None }
    }

    /// An integer option. `None` if it is not set or has another type.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        if let Value::Integer(value) = self.get(name)? { Some(value) } else { None }
    }

    /// A float option. `None` if it is not set or has another type. An integer is converted; beyond 53 bits to the
    /// nearest float.
    #[must_use]
    pub fn float(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Value::Float(value) => Some(value),
            Value::Integer(value) => Some(value as f64),
            Value::Boolean(_)
            | Value::Text(_)
            | Value::Booleans(_)
            | Value::Integers(_)
            | Value::Floats(_)
            | Value::Texts(_) => None,
        }
    }

    /// A text option. `None` if it is not set or has another type.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        if let Value::Text(value) = self.get(name)? { Some(value) } else { None }
    }

    /// All options that are set, sorted by name.
    #[must_use]
    pub fn all(&self) -> Vec<(String, Value)> {
        options::all()
    }
}

/// Formats a value as in the attribute: `true`, `1`, `0.5`, or a list `[1, 2]`. Text has no quotation marks, in a list
/// too.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            // `{:?}` prints a whole float with its fraction: `2.0`.
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => f.write_str(value),
            Self::Booleans(values) => write!(f, "{values:?}"),
            Self::Integers(values) => write!(f, "{values:?}"),
            Self::Floats(values) => write!(f, "{values:?}"),
            Self::Texts(values) => write!(f, "[{}]", values.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests;
