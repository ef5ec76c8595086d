//! A route as a user of topics: the scope that it shares with other routes, and its quotas.

use std::hash::{BuildHasher, RandomState};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use super::history::History;
use super::{MAX_CHUNK_BYTES, MIN_CHUNK_COST, PushError};
use crate::memory_budget::MemoryOwner;
use crate::rate::Budget;
use crate::share::{RouteUsage, Share};

/// A set of routes that share topics: the routes of one directory, or those with the same operator-given name. Topics
/// of the same name in two scopes are different topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope(u128);

impl Scope {
    /// The scope of the routes in `directory`, which is relative to the routes directory.
    #[must_use]
    pub fn of_directory(directory: &Path) -> Self {
        Self::hashed((0_u8, directory))
    }

    /// The scope that the operator has given this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::hashed((1_u8, name))
    }

    /// Two keyed 64-bit hashes, so that nobody can choose colliding names.
    fn hashed(what: impl std::hash::Hash) -> Self {
        static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
        let [high, low] = &*KEYS;
        Self(u128::from(high.hash_one(&what)) << 64 | u128::from(low.hash_one(&what)))
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0.to_ne_bytes()
    }
}

/// What a scope is called. It means the same on every host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ScopeName {
    /// The routes in this directory, which is relative to the routes directory.
    Directory(PathBuf),
    /// The routes to which the operator has given this name.
    Named(String),
}

impl ScopeName {
    fn scope(&self) -> Scope {
        match self {
            Self::Directory(directory) => Scope::of_directory(directory),
            Self::Named(name) => Scope::named(name),
        }
    }
}

/// Quotas of a route. `None` is unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Maximum number of topics that exist because connections of the route subscribed to them.
    pub topics: Option<NonZeroUsize>,
    /// Maximum number of the route's connections that are subscribed to something.
    pub subscribers: Option<NonZeroUsize>,
    /// Bytes per second that the route may publish; each chunk counts at least [`MIN_CHUNK_COST`]. The burst is one
    /// second's worth, or one chunk if that is larger.
    pub publish_rate: Option<NonZeroU64>,
}

/// A route as a user of topics.
#[derive(Debug)]
pub struct TopicUser {
    scope: Scope,
    scope_name: Arc<ScopeName>,
    /// The route's own directory, also if it uses a named scope.
    directory: Arc<Path>,
    directory_scope: Scope,
    quotas: Quotas,
    usage: Taken,
    /// The memory usage that its published chunks count for.
    memory: Arc<RouteUsage>,
    share: Share,
    history: History,
    ends_on_gap: bool,
}

/// How much of its quotas a route uses. All versions of the route share this.
#[derive(Debug, Clone)]
struct Taken {
    topics: Arc<AtomicUsize>,
    subscribers: Arc<AtomicUsize>,
    /// The budget of `publish_rate`. `None` if it is unlimited.
    published: Option<Budget>,
}

/// One unit of a quota, released on drop.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl TopicUser {
    /// A route in `directory`, which is relative to the routes directory. It uses the scope called `named` if there is
    /// one, and the scope of its directory otherwise.
    #[must_use]
    pub fn new(directory: &Path, named: Option<&str>, quotas: Quotas) -> Self {
        let directory_scope = Scope::of_directory(directory);
        let budget = |rate: NonZeroU64| {
            let burst = rate.get().max(MAX_CHUNK_BYTES as u64);
            Budget::new(rate, burst, Instant::now())
        };
        let usage =
            Taken { topics: Arc::default(), subscribers: Arc::default(), published: quotas.publish_rate.map(budget) };
        let (memory, share, history) = (Arc::default(), Share::DEFAULT, History::default());
        let scope_name = match named {
            Some(name) => ScopeName::Named(name.to_owned()),
            None => ScopeName::Directory(directory.to_owned()),
        };
        let (scope, scope_name) = (scope_name.scope(), Arc::new(scope_name));
        Self {
            scope,
            scope_name,
            directory: directory.into(),
            directory_scope,
            quotas,
            usage,
            memory,
            share,
            history,
            ends_on_gap: false,
        }
    }

    /// The same route, whose subscribers are ended or not once chunks of other hosts may have been lost.
    #[must_use]
    pub fn ending_on_gap(self, ends_on_gap: bool) -> Self {
        Self { ends_on_gap, ..self }
    }

    /// The same route, whose published chunks count as the memory of `owner`.
    #[must_use]
    pub fn owned(self, owner: MemoryOwner<'_>) -> Self {
        Self { memory: owner.usage.clone(), share: owner.share, ..self }
    }

    /// The same route, which keeps this much of what it appends.
    #[must_use]
    pub fn keeping(self, history: History) -> Self {
        Self { history, ..self }
    }

    /// How much it keeps of what it appends.
    pub(crate) fn history(&self) -> History {
        self.history
    }

    /// The owner of the memory of the chunks that it publishes.
    pub(super) fn memory_owner(&self) -> MemoryOwner<'_> {
        MemoryOwner { usage: &self.memory, share: self.share }
    }

    /// The same route as a new version of `before`, whose usage it continues.
    #[must_use]
    pub fn succeeding(&self, before: &Self) -> Self {
        let mut usage = before.usage.clone();
        if self.quotas.publish_rate != before.quotas.publish_rate {
            usage.published = self.usage.published.clone();
        }
        let (scope_name, directory) = (self.scope_name.clone(), self.directory.clone());
        Self { usage, memory: before.memory.clone(), scope_name, directory, ..*self }
    }

    pub(super) fn scope(&self) -> Scope {
        self.scope
    }

    /// What its scope is called.
    #[must_use]
    pub fn scope_name(&self) -> &Arc<ScopeName> {
        &self.scope_name
    }

    /// Its own directory, relative to the routes directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn ends_on_gap(&self) -> bool {
        self.ends_on_gap
    }

    /// Whether both routes are in the same directory. Only such a publisher may cause a slow client to be disconnected.
    pub(super) fn has_same_directory(&self, other: &Self) -> bool {
        self.directory_scope == other.directory_scope
    }

    /// Takes one topic of the quota.
    pub(super) fn take_topic(&self) -> Result<Counted, PushError> {
        Counted::take(&self.usage.topics, self.quotas.topics).ok_or(PushError::TopicQuota)
    }

    /// Takes one subscriber of the quota.
    pub(super) fn take_subscriber(&self) -> Result<Counted, PushError> {
        Counted::take(&self.usage.subscribers, self.quotas.subscribers).ok_or(PushError::SubscriberQuota)
    }

    /// Charges a chunk of `length` bytes to `publish_rate`.
    pub(super) fn charge(&self, length: usize, now: impl FnOnce() -> Instant) -> Result<(), PushError> {
        let Some(budget) = &self.usage.published else { return Ok(()) };
        let is_allowed = budget.try_take(length.max(MIN_CHUNK_COST) as u64, now());
        if is_allowed { Ok(()) } else { Err(PushError::PublishRate) }
    }
}

impl Counted {
    fn take(taken: &Arc<AtomicUsize>, max: Option<NonZeroUsize>) -> Option<Self> {
        let one_more = |taken: usize| max.is_none_or(|max| taken < max.get()).then(|| taken + 1);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self(taken.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
