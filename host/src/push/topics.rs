//! Topics by name, and the subscribers of each by worker.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::inbox::Inbox;

/// Enough that the threads of one machine seldom meet.
const SHARDS: usize = 64;

/// The topics of a host. One exists as long as somebody is subscribed to it.
#[derive(Debug)]
pub struct Topics {
    workers: NonZeroUsize,
    /// Chosen anew for each process: clients may choose the names.
    hasher: RandomState,
    shards: [RwLock<Shard>; SHARDS],
}

type Shard = HashMap<Arc<str>, Arc<Topic>>;

/// One topic.
#[derive(Debug)]
pub(super) struct Topic {
    name: Arc<str>,
    /// The subscribers of each worker by their numbers, so that connections that come and go meet only their like.
    lists: Box<[Mutex<List>]>,
}

type List = BTreeMap<u64, Arc<Inbox>>;

impl Topics {
    /// No topics, for as many workers.
    #[must_use]
    pub fn new(workers: NonZeroUsize) -> Self {
        Self { workers, hasher: RandomState::new(), shards: std::array::from_fn(|_| RwLock::default()) }
    }

    /// The topic of that name, where somebody is subscribed to it.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Topic>> {
        read(self.shard(name)).get(name).cloned()
    }

    /// Adds a subscriber to a topic.
    pub(super) fn add(&self, name: &str, worker: usize, number: u64, inbox: &Arc<Inbox>) -> Arc<Topic> {
        let shard = self.shard(name);
        // Added while the shard is locked: only under the other kind of lock is an empty topic removed.
        if let Some(topic) = read(shard).get(name) {
            topic.add(worker, number, inbox);
            return topic.clone();
        }
        let mut topics = write(shard);
        let name: Arc<str> = name.into();
        let topic = topics.entry(name.clone()).or_insert_with(|| Arc::new(Topic::new(name, self.workers)));
        topic.add(worker, number, inbox);
        topic.clone()
    }

    /// Takes a subscriber from a topic, and the topic away where it was the last.
    pub(super) fn remove(&self, topic: &Topic, worker: usize, number: u64) {
        let left = topic.list(worker).map(|mut list| {
            list.remove(&number);
            list.len()
        });
        if left != Some(0) || !topic.is_empty() {
            return;
        }
        let mut topics = write(self.shard(&topic.name));
        // Another may have come meanwhile, or another topic of this name.
        if topics.get(&topic.name).is_some_and(|topic| topic.is_empty()) {
            topics.remove(&topic.name);
            if topics.capacity() > 4 * topics.len() {
                topics.shrink_to_fit();
            }
        }
    }

    /// How many topics there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).len()).sum()
    }

    fn shard(&self, name: &str) -> &RwLock<Shard> {
        &self.shards[self.hasher.hash_one(name) as usize % SHARDS]
    }
}

impl Topic {
    fn new(name: Arc<str>, workers: NonZeroUsize) -> Self {
        Self { name, lists: (0..workers.get()).map(|_| Mutex::default()).collect() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Gives every subscriber to `give`.
    pub(super) fn each(&self, mut give: impl FnMut(&Inbox)) {
        for list in &self.lists {
            locked(list).values().for_each(|inbox| give(inbox));
        }
    }

    fn add(&self, worker: usize, number: u64, inbox: &Arc<Inbox>) {
        if let Some(mut list) = self.list(worker) {
            list.insert(number, inbox.clone());
        }
    }

    fn is_empty(&self) -> bool {
        self.lists.iter().all(|list| locked(list).is_empty())
    }

    /// The list of a worker; there is one for each.
    fn list(&self, worker: usize) -> Option<MutexGuard<'_, List>> {
        self.lists.get(worker).map(locked)
    }
}

/// A panic elsewhere cannot leave a list or a shard half changed: there is nothing in them to repair.
fn locked(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}
