//! The options of a route: the host's own, and any that a person invented for a handler.
//!
//! Owns the order of their sources (defaults, flags, the component's declaration, the route file: later wins), and the
//! rule that a component, being a stranger, lowers the operator's limits and never raises them. It must not know how
//! a source is read, nor what the options are used for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::log_quota::LogQuota;

mod builtin;
mod check;
mod limit;
mod settings;
#[cfg(test)]
mod tests;
mod value;

pub use builtin::{BUILTINS, Builtin, Limit, OptionKind, Preset, find, parse};
pub use check::{Fault, MAX_NAME_BYTES, MAX_OPTIONS, OptionError, is_name};
pub use limit::Clamped;
pub use settings::Settings;
pub use value::{MAX_ITEMS, MAX_TEXT_BYTES, Value, ValueError};

/// The resolved options of one route.
#[derive(Debug, Clone)]
pub struct Options {
    /// The host's own options, typed.
    pub settings: Settings,
    /// What the route may still log.
    pub log: Arc<LogQuota>,
    entries: Vec<ResolvedOption>,
    lowered: Vec<Clamped>,
}

/// An option that is set, and who set it.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedOption {
    /// The option's name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Where the value came from.
    pub source: OptionSource,
}

/// Where the value of an option came from; a later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OptionSource {
    /// The host's default.
    Default,
    /// The operator's command line.
    Flag,
    /// The component's own declaration.
    Component,
    /// The operator's `NAME.toml`.
    File,
}

/// What a middleware has of the host's own options.
const MIDDLEWARE_OPTIONS: [&str; 3] = ["log_rate", "memory", "timeout"];

/// Options by name while they are being resolved.
type Entries = BTreeMap<String, ResolvedOption>;

impl Options {
    /// Resolves a route's options from what its three sources say.
    ///
    /// # Errors
    /// Every mistake of every source at once: names, types, ranges and bounds.
    pub fn resolve(
        flags: &[(String, Value)],
        component: &[(String, Value)],
        file: &[(String, Value)],
    ) -> Result<Self, Vec<OptionError>> {
        let sources = [(OptionSource::Flag, flags), (OptionSource::Component, component), (OptionSource::File, file)];
        let errors: Vec<OptionError> =
            sources.iter().flat_map(|(source, given)| check::source(*source, given)).collect();
        if !errors.is_empty() {
            return Err(errors);
        }

        let mut operator = defaults();
        set(&mut operator, flags, OptionSource::Flag);
        set(&mut operator, file, OptionSource::File);
        let (entries, lowered) = limit::admit(&operator, component);
        if let Some(error) = check::total(&entries) {
            return Err(vec![error]);
        }
        let settings = Settings::new(&entries, limit::burst_rule(&operator));
        Ok(Self {
            log: Arc::new(LogQuota::new(settings.log_rate, Instant::now())),
            settings,
            entries: entries.into_values().collect(),
            lowered,
        })
    }

    /// Resolves the options of a middleware: of the host's own it has `log_rate`, `memory` and `timeout`; all else
    /// of these is its routes' matter.
    ///
    /// # Errors
    /// As [`Self::resolve`], and for the host's options that a middleware does not have.
    pub fn resolve_middleware(flags: &[(String, Value)], file: &[(String, Value)]) -> Result<Self, Vec<OptionError>> {
        let of_route = |name: &str| find(name).is_some() && !MIDDLEWARE_OPTIONS.contains(&name);
        let wrong = file.iter().filter(|(name, _)| of_route(name));
        let fault = |(name, _): &(String, Value)| OptionError {
            set_by: OptionSource::File,
            name: name.clone(),
            fault: Fault::OfRoute,
        };
        let wrong: Vec<OptionError> = wrong.map(fault).collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut options = Self::resolve(flags, &[], file)?;
        options.entries.retain(|entry| !of_route(&entry.name));
        Ok(options)
    }

    /// The value of an option, where it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let place = self.entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok()?;
        Some(&self.entries[place].value)
    }

    /// All options that are set, sorted by name.
    #[must_use]
    pub fn all(&self) -> &[ResolvedOption] {
        &self.entries
    }

    /// What the component asked for and was not given.
    #[must_use]
    pub fn lowered(&self) -> &[Clamped] {
        &self.lowered
    }
}

fn defaults() -> Entries {
    let mut entries = Entries::new();
    for builtin in &BUILTINS {
        if let Some(preset) = builtin.default {
            insert(&mut entries, builtin.name, preset.into(), OptionSource::Default);
        }
    }
    entries
}

fn set(entries: &mut Entries, given: &[(String, Value)], source: OptionSource) {
    for (name, value) in given {
        insert(entries, name, value.clone(), source);
    }
}

fn insert(entries: &mut Entries, name: &str, value: Value, source: OptionSource) {
    let name = name.to_owned();
    entries.insert(name.clone(), ResolvedOption { name, value, source });
}

impl fmt::Display for OptionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Flag => "flag",
            Self::Component => "component",
            Self::File => "file",
        })
    }
}
