//! What a route is among the topics: whose it shares, and what it may take of them.
//!
//! Owns the scopes, and the quotas of a route. It must not know who is subscribed.

use std::hash::{BuildHasher, RandomState};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use super::{MAX_CHUNK_BYTES, MIN_CHUNK_COST, PushError};
use crate::rate::Budget;

/// Those who share topics: the routes of one directory, or those that the operator gives the same name. Topics of the
/// same name in two scopes have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope(u128);

impl Scope {
    /// The routes whose components lie in `directory`, as it is named from the routes directory on.
    #[must_use]
    pub fn of_directory(directory: &Path) -> Self {
        Self::hashed((0_u8, directory))
    }

    /// The routes that the operator gives this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::hashed((1_u8, name))
    }

    /// Twice the 64 bits of a keyed hash: nobody can choose names that meet.
    fn hashed(what: impl std::hash::Hash) -> Self {
        static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
        let [high, low] = &*KEYS;
        Self(u128::from(high.hash_one(&what)) << 64 | u128::from(low.hash_one(&what)))
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0.to_ne_bytes()
    }
}

/// What a route may take of the topics; nothing bounds what is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quotas {
    /// The most topics that exist because connections of the route have subscribed to them.
    pub topics: Option<NonZeroUsize>,
    /// The most connections of the route that are subscribed to something.
    pub subscribers: Option<NonZeroUsize>,
    /// The bytes a second that the route may publish, each chunk counting for at least [`MIN_CHUNK_COST`]; as many
    /// may be published at once, or one chunk where that is more.
    pub publish_rate: Option<NonZeroU64>,
}

/// A route among the topics.
#[derive(Debug)]
pub struct TopicUser {
    scope: Scope,
    /// The directory that it is of, whoever it shares topics with.
    home: Scope,
    quotas: Quotas,
    usage: Taken,
}

/// What a route has taken, in all its versions.
#[derive(Debug, Clone)]
struct Taken {
    topics: Arc<AtomicUsize>,
    subscribers: Arc<AtomicUsize>,
    /// What it may publish, where it has a rate.
    published: Option<Budget>,
}

/// One of what a quota counts, given back when dropped.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl TopicUser {
    /// A route of `directory`, as that is named from the routes directory on, which shares the topics of that, or those of
    /// the scope that the operator has named.
    #[must_use]
    pub fn new(directory: &Path, named: Option<&str>, quotas: Quotas) -> Self {
        let home = Scope::of_directory(directory);
        let budget = |rate: NonZeroU64| {
            let burst = rate.get().max(MAX_CHUNK_BYTES as u64);
            Budget::new(rate, burst, Instant::now())
        };
        let usage =
            Taken { topics: Arc::default(), subscribers: Arc::default(), published: quotas.publish_rate.map(budget) };
        Self { scope: named.map_or(home, Scope::named), home, quotas, usage }
    }

    /// The same route, as another version of `before`: what that has taken counts on.
    #[must_use]
    pub fn succeeding(&self, before: &Self) -> Self {
        let mut usage = before.usage.clone();
        if self.quotas.publish_rate != before.quotas.publish_rate {
            usage.published = self.usage.published.clone();
        }
        Self { usage, ..*self }
    }

    pub(super) fn scope(&self) -> Scope {
        self.scope
    }

    /// Whether both are of the same directory: what the one publishes may cost a slow client of the other's its
    /// connection.
    pub(super) fn is_at_home_with(&self, other: &Self) -> bool {
        self.home == other.home
    }

    /// Counts one topic more.
    pub(super) fn take_topic(&self) -> Result<Counted, PushError> {
        Counted::take(&self.usage.topics, self.quotas.topics).ok_or(PushError::TopicQuota)
    }

    /// Counts one subscriber more.
    pub(super) fn take_subscriber(&self) -> Result<Counted, PushError> {
        Counted::take(&self.usage.subscribers, self.quotas.subscribers).ok_or(PushError::SubscriberQuota)
    }

    /// Charges a chunk of `length` bytes to what it may publish.
    pub(super) fn charge(&self, length: usize, now: impl FnOnce() -> Instant) -> Result<(), PushError> {
        let Some(budget) = &self.usage.published else { return Ok(()) };
        let is_allowed = budget.try_take(length.max(MIN_CHUNK_COST) as u64, now());
        if is_allowed { Ok(()) } else { Err(PushError::PublishRate) }
    }
}

impl Counted {
    fn take(taken: &Arc<AtomicUsize>, most: Option<NonZeroUsize>) -> Option<Self> {
        let one_more = |taken: usize| most.is_none_or(|most| taken < most.get()).then(|| taken + 1);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self(taken.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
