//! Applies a component's declared options: it may lower the operator's limits but not raise them.

use std::fmt;

use super::builtin::{Limit, find, seconds};
use super::settings::{BurstRule, integer, whole};
use super::{Entries, OptionSource, ResolvedOption, Value};
use crate::share::Share;

/// The largest `buffer_size` that a component may declare if the operator sets none: a response has as much of a buffer
/// whatever its pieces are.
const UNASKED_BUFFER: Value = Value::Integer(65_536);

/// An option whose declared value was lowered to the operator's limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Clamped {
    /// The option's name.
    pub name: String,
    /// The value that the component declared.
    pub declared: Value,
    /// The value that applies instead.
    pub granted: Value,
}

/// Merges the options of `component` into the operator's. Also returns the options that were lowered.
pub(super) fn merge(operator: &Entries, component: &[(String, Value)]) -> (Entries, Vec<Clamped>) {
    let mut entries = operator.clone();
    let mut lowered = Vec::new();
    for (name, declared) in component {
        match ceiling(operator, name, declared) {
            Ceiling::Ignored => {}
            Ceiling::Allowed => {
                let entry =
                    ResolvedOption { name: name.clone(), value: declared.clone(), source: OptionSource::Component };
                entries.insert(name.clone(), entry);
            }
            Ceiling::Lowered(granted) => {
                // It may be more than the operator's own value.
                if let Some(entry) = entries.get_mut(name).filter(|entry| entry.value != granted) {
                    (entry.value, entry.source) = (granted.clone(), OptionSource::Component);
                }
                lowered.push(Clamped { name: name.clone(), declared: declared.clone(), granted });
            }
        }
    }
    (entries, lowered)
}

/// How bursts follow from the options, depending on whether the operator has set a rate.
pub(super) fn burst_rule(operator: &Entries) -> BurstRule {
    match has_rate(operator) {
        true => BurstRule::Operator { buffer_size: integer(operator, "buffer_size"), burst: whole(operator, "burst") },
        false => BurstRule::Component,
    }
}

/// How a component's value relates to the operator's.
enum Ceiling {
    /// The route file sets the option, so the component's value is ignored without a warning.
    Ignored,
    /// The operator allows it.
    Allowed,
    /// The operator allows only this value.
    Lowered(Value),
}

fn ceiling(operator: &Entries, name: &str, declared: &Value) -> Ceiling {
    let limit = operator.get(name);
    if limit.is_some_and(|entry| entry.source == OptionSource::File) {
        return Ceiling::Ignored;
    }
    let Some(builtin) = find(name) else { return Ceiling::Allowed };
    let granted = match (builtin.limit, limit, name) {
        // A scope of one connection, or a larger burst, would bypass the rate that the operator has set.
        (Limit::No, Some(limit), "rate_scope") if has_rate(operator) => {
            (*declared == Value::Text("connection".to_owned())).then(|| limit.value.clone())
        }
        (Limit::No, limit, "burst") if has_rate(operator) => {
            let max = limit.map_or_else(|| default_burst(operator), |limit| limit.value.clone());
            exceeds(declared, &max).then_some(max)
        }
        // If the operator sets no share, the default share is the limit.
        (Limit::Yes, None, "share") => {
            let default = Value::Integer(Share::DEFAULT.percent().into());
            exceeds(declared, &default).then_some(default)
        }
        (Limit::Yes, Some(held), "buffer_size") if held.source == OptionSource::Default => {
            exceeds(declared, &UNASKED_BUFFER).then_some(UNASKED_BUFFER)
        }
        (Limit::No, ..) | (_, None, _) => None,
        (Limit::Yes, Some(limit), _) => exceeds(declared, &limit.value).then(|| limit.value.clone()),
        (Limit::ZeroIsUnlimited, Some(limit), _) => match (declared, &limit.value) {
            (_, Value::Integer(0)) => None,
            (Value::Integer(0), max) => Some(max.clone()),
            (declared, max) => exceeds(declared, max).then(|| max.clone()),
        },
    };
    match granted {
        Some(granted) if granted != *declared => Ceiling::Lowered(granted),
        Some(_) | None => Ceiling::Allowed,
    }
}

/// Whether the operator has set a rate in either direction.
fn has_rate(operator: &Entries) -> bool {
    integer(operator, "rate") > 0 || integer(operator, "upload_rate") > 0
}

/// The larger of the default bursts of the operator's rates.
fn default_burst(operator: &Entries) -> Value {
    let rate = integer(operator, "rate").max(integer(operator, "upload_rate"));
    let burst = burst_rule(operator).default_burst(rate, integer(operator, "buffer_size"));
    Value::Integer(i64::try_from(burst).unwrap_or(i64::MAX))
}

/// Whether `declared` is the larger number. Both are valid values of one option.
fn exceeds(declared: &Value, max: &Value) -> bool {
    match (declared, max) {
        (Value::Integer(declared), Value::Integer(max)) => declared > max,
        (declared, max) => seconds(declared) > seconds(max),
    }
}

impl fmt::Display for Clamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, declared, granted } = self;
        write!(f, "option `{name}` is {declared} in the component and is held to the operator's {granted}")
    }
}
