//! The options of a route: built-in options, and options that the author of a handler has invented.
//!
//! Owns the order of their sources (defaults, flags, the component's declaration, the route file: the last wins), and
//! the rule that a component is untrusted: it may lower the operator's limits but not raise them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::grants::Denials;
use crate::log_quota::LogQuota;
use crate::memory_budget::MemoryOwner;
use crate::metrics::{RouteMetrics, RouteRegistry};
use crate::quarantine::Quarantine;
use crate::share::{RouteUsage, Share};

mod builtin;
mod check;
mod limit;
mod settings;
#[cfg(test)]
mod tests;
mod value;

pub use builtin::{BUILTINS, Builtin, Limit, OptionKind, Preset, find, parse, similar};
pub use check::{Fault, MAX_NAME_BYTES, MAX_OPTIONS, OptionError, is_name};
pub use limit::Clamped;
pub use settings::Settings;
pub use value::{MAX_ITEMS, MAX_TEXT_BYTES, Value, ValueError};

/// The resolved options of one route.
#[derive(Debug, Clone)]
pub struct Options {
    /// The built-in options, typed.
    pub settings: Settings,
    /// The route's remaining log quota.
    pub log: Arc<LogQuota>,
    /// When its components were last warned about what they were denied.
    pub denials: Arc<Denials>,
    /// Its failures, and whether it is in quarantine because of them.
    pub quarantine: Arc<Quarantine>,
    /// What all versions of the route take of what all routes share.
    pub usage: Arc<RouteUsage>,
    /// What is counted of its requests. `None` if nobody asks for that.
    pub(crate) metrics: Option<Arc<RouteMetrics>>,
    entries: Vec<ResolvedOption>,
    lowered: Vec<Clamped>,
}

/// An option's value and its source.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedOption {
    /// The option's name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Where the value came from.
    pub source: OptionSource,
}

/// The source of an option's value. A later one overrides an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OptionSource {
    /// The host's default.
    Default,
    /// The operator's flags.
    Flag,
    /// The component's own declaration.
    Component,
    /// The operator's `NAME.toml`.
    File,
}

/// The built-in options that a middleware has.
const MIDDLEWARE_OPTIONS: [&str; 4] = ["log_rate", "memory", "quarantine", "timeout"];

/// Options by name while they are being resolved.
type Entries = BTreeMap<String, ResolvedOption>;

impl Options {
    /// Resolves a route's options from its three sources.
    ///
    /// # Errors
    /// Every mistake of every source: names, types, ranges and bounds.
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
        let (entries, lowered) = limit::merge(&operator, component);
        if let Some(error) = check::total(&entries) {
            return Err(vec![error]);
        }
        let settings = Settings::new(&entries, limit::burst_rule(&operator));
        Ok(Self {
            log: Arc::new(LogQuota::new(settings.log_rate, Instant::now())),
            denials: Arc::default(),
            quarantine: Arc::new(Quarantine::after(settings.quarantine)),
            usage: Arc::default(),
            metrics: None,
            settings,
            entries: entries.into_values().collect(),
            lowered,
        })
    }

    /// Resolves the options of a middleware. It has four built-in options, `log_rate`, `memory`, `quarantine` and
    /// `timeout`; the others belong to its routes.
    ///
    /// # Errors
    /// As [`Self::resolve`], and for built-in options that a middleware does not have.
    pub fn resolve_middleware(flags: &[(String, Value)], file: &[(String, Value)]) -> Result<Self, Vec<OptionError>> {
        let is_route_option = |name: &str| find(name).is_some() && !MIDDLEWARE_OPTIONS.contains(&name);
        let wrong = file.iter().filter(|(name, _)| is_route_option(name));
        let fault = |(name, _): &(String, Value)| OptionError {
            set_by: OptionSource::File,
            name: name.clone(),
            fault: Fault::RouteOption,
        };
        let wrong: Vec<OptionError> = wrong.map(fault).collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut options = Self::resolve(flags, &[], file)?;
        // The memory of a middleware is for all the routes behind it.
        options.settings.share = Share::new(100);
        options.entries.retain(|entry| !is_route_option(&entry.name));
        Ok(options)
    }

    /// Sets another default of `buffer_size`, in bytes, unless a source has set it. Bursts stay as they are.
    pub(crate) fn set_default_buffer_size(&mut self, bytes: u32) {
        let unset = |it: &&mut ResolvedOption| it.name == "buffer_size" && it.source == OptionSource::Default;
        if let Some(entry) = self.entries.iter_mut().find(unset) {
            entry.value = Value::Integer(bytes.into());
            self.settings.buffer_size = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
    }

    /// The same options, of what counts its requests under this name.
    #[must_use]
    pub(crate) fn counted(self, registry: Option<&Arc<RouteRegistry>>, name: &Arc<str>) -> Self {
        Self { metrics: registry.map(|registry| registry.register(name)), ..self }
    }

    /// Whose memory it is that requests of the route take.
    #[must_use]
    pub fn memory_owner(&self) -> MemoryOwner<'_> {
        MemoryOwner { usage: &self.usage, share: self.settings.share }
    }

    /// The value of an option. `None` if it is not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let index = self.entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok()?;
        Some(&self.entries[index].value)
    }

    /// All options that are set, sorted by name.
    #[must_use]
    pub fn all(&self) -> &[ResolvedOption] {
        &self.entries
    }

    /// The values that the component declared and that were lowered to the operator's limit.
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
