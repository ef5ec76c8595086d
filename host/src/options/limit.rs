//! What a component's declaration can change of the operator's options: it lowers a limit and never raises it.
//!
//! It must not know which values are valid: those it is given are.

use std::fmt;

use super::builtin::{Limit, find, seconds};
use super::settings::{BurstRule, integer, whole};
use super::{Entries, OptionSource, ResolvedOption, Value};
use crate::share::Share;

/// A value that a component declared, and what it was held to.
#[derive(Debug, Clone, PartialEq)]
pub struct Clamped {
    /// The option's name.
    pub name: String,
    /// What the component declared.
    pub asked: Value,
    /// What holds instead.
    pub granted: Value,
}

/// The operator's options with what `component` can change of them, and what it could not.
pub(super) fn admit(operator: &Entries, component: &[(String, Value)]) -> (Entries, Vec<Clamped>) {
    let mut entries = operator.clone();
    let mut lowered = Vec::new();
    for (name, asked) in component {
        match ceiling(operator, name, asked) {
            Ceiling::File => {}
            Ceiling::Above => {
                let entry =
                    ResolvedOption { name: name.clone(), value: asked.clone(), source: OptionSource::Component };
                entries.insert(name.clone(), entry);
            }
            Ceiling::Below(granted) => lowered.push(Clamped { name: name.clone(), asked: asked.clone(), granted }),
        }
    }
    (entries, lowered)
}

/// How the bursts of a route follow from its options, where the operator may have set a rate.
pub(super) fn burst_rule(operator: &Entries) -> BurstRule {
    match has_rate(operator) {
        true => BurstRule::Operator { buffer_size: integer(operator, "buffer_size"), burst: whole(operator, "burst") },
        false => BurstRule::Component,
    }
}

/// Where a component's value stands to what the operator allows.
enum Ceiling {
    /// The route file sets the option: what a component says has no effect, and nothing was refused.
    File,
    /// The operator allows at least as much.
    Above,
    /// The operator allows less, this much.
    Below(Value),
}

fn ceiling(operator: &Entries, name: &str, asked: &Value) -> Ceiling {
    let held = operator.get(name);
    if held.is_some_and(|entry| entry.source == OptionSource::File) {
        return Ceiling::File;
    }
    let Some(builtin) = find(name) else { return Ceiling::Above };
    let granted = match (builtin.limit, held, name) {
        // A scope of a single connection, or a larger burst, would undo the rate that the operator set.
        (Limit::No, Some(held), "rate_scope") if has_rate(operator) => {
            (*asked == Value::Text("connection".to_owned())).then(|| held.value.clone())
        }
        (Limit::No, held, "burst") if has_rate(operator) => {
            let most = held.map_or_else(|| usual_burst(operator), |held| held.value.clone());
            exceeds(asked, &most).then_some(most)
        }
        // Without a word of the operator's it is the usual one, which is none that a component is free to raise.
        (Limit::Yes, None, "share") => {
            let usual = Value::Integer(Share::USUAL.percent().into());
            exceeds(asked, &usual).then_some(usual)
        }
        (Limit::No, ..) | (_, None, _) => None,
        (Limit::Yes, Some(held), _) => exceeds(asked, &held.value).then(|| held.value.clone()),
        (Limit::ZeroIsUnlimited, Some(held), _) => match (asked, &held.value) {
            (_, Value::Integer(0)) => None,
            (Value::Integer(0), most) => Some(most.clone()),
            (asked, most) => exceeds(asked, most).then(|| most.clone()),
        },
    };
    match granted {
        Some(granted) if granted != *asked => Ceiling::Below(granted),
        Some(_) | None => Ceiling::Above,
    }
}

/// Whether the operator set a rate, in either direction.
fn has_rate(operator: &Entries) -> bool {
    integer(operator, "rate") > 0 || integer(operator, "upload_rate") > 0
}

/// The larger of the bursts that the operator's rates have by themselves.
fn usual_burst(operator: &Entries) -> Value {
    let rate = integer(operator, "rate").max(integer(operator, "upload_rate"));
    let burst = burst_rule(operator).usual(rate, integer(operator, "buffer_size"));
    Value::Integer(i64::try_from(burst).unwrap_or(i64::MAX))
}

/// Whether one valid value of an option is the larger number.
fn exceeds(asked: &Value, most: &Value) -> bool {
    match (asked, most) {
        (Value::Integer(asked), Value::Integer(most)) => asked > most,
        (asked, most) => seconds(asked) > seconds(most),
    }
}

impl fmt::Display for Clamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, asked, granted } = self;
        write!(f, "option `{name}` is {asked} in the component and is held to the operator's {granted}")
    }
}
