//! Topics by name, and the subscribers of each by worker.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use smallvec::SmallVec;

use super::inbox::Inbox;
use super::tenant::{Counted, Scope, TopicUser};
use super::{MAX_TOPIC_BYTES, PushError};

/// Enough that the threads of one machine seldom meet.
const SHARDS: usize = 64;

/// The topics of a host. One exists as long as somebody is subscribed to it.
#[derive(Debug)]
pub struct Topics {
    workers: NonZeroUsize,
    /// Chosen anew for each process: clients may choose the names.
    hasher: RandomState,
    shards: [RwLock<TopicShard>; SHARDS],
}

type TopicShard = HashMap<Arc<[u8]>, Arc<Topic>>;

/// How a topic is found: its scope, and its name.
type Key = SmallVec<[u8; MAX_TOPIC_BYTES + size_of::<Scope>()]>;

/// One topic.
#[derive(Debug)]
pub(super) struct Topic {
    key: Arc<[u8]>,
    /// Counts for the route whose connection was the first to subscribe.
    _share: Counted,
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
    pub(super) fn find(&self, scope: Scope, name: &str) -> Option<Arc<Topic>> {
        let key = key(scope, name);
        read(self.shard(&key)).get(&*key).cloned()
    }

    /// Adds a subscriber of `tenant` to a topic.
    pub(super) fn add(
        &self,
        tenant: &TopicUser,
        name: &str,
        worker: usize,
        number: u64,
        inbox: &Arc<Inbox>,
    ) -> Result<Arc<Topic>, PushError> {
        let key = key(tenant.scope(), name);
        let shard = self.shard(&key);
        // Added while the shard is locked: only under the other kind of lock is an empty topic removed.
        if let Some(topic) = read(shard).get(&*key) {
            topic.add(worker, number, inbox);
            return Ok(topic.clone());
        }
        let mut topics = write(shard);
        let topic = match topics.get(&*key) {
            Some(topic) => topic.clone(),
            None => {
                let key: Arc<[u8]> = (&*key).into();
                let topic = Arc::new(Topic::new(key.clone(), tenant.take_topic()?, self.workers));
                topics.insert(key, topic.clone());
                topic
            }
        };
        topic.add(worker, number, inbox);
        Ok(topic)
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
        let mut topics = write(self.shard(&topic.key));
        // Another may have come meanwhile, or another topic of this name.
        if topics.get(&topic.key).is_some_and(|topic| topic.is_empty()) {
            topics.remove(&topic.key);
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

    fn shard(&self, key: &[u8]) -> &RwLock<TopicShard> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

impl Topic {
    fn new(key: Arc<[u8]>, share: Counted, workers: NonZeroUsize) -> Self {
        Self { key, _share: share, lists: (0..workers.get()).map(|_| Mutex::default()).collect() }
    }

    /// Whether it is the topic of that name.
    pub(super) fn is(&self, scope: Scope, name: &str) -> bool {
        *self.key == *key(scope, name)
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

fn key(scope: Scope, name: &str) -> Key {
    let mut key = Key::from_slice(&scope.to_bytes());
    key.extend_from_slice(name.as_bytes());
    key
}

/// A panic elsewhere cannot leave a list or a shard half changed: there is nothing in them to repair.
fn locked(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(shard: &RwLock<TopicShard>) -> RwLockReadGuard<'_, TopicShard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<TopicShard>) -> RwLockWriteGuard<'_, TopicShard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}
