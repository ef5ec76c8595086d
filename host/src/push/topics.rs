//! Topics by name, and the subscribers of each by worker.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use smallvec::SmallVec;

use super::inbox::Inbox;
use super::log::SubscriberKey;
use super::logs::Logs;
use super::relay::Relay;
use super::tenant::{Counted, Scope, ScopeName, TopicUser};
use super::{MAX_TOPIC_BYTES, PushError};

/// More shards than threads, so that threads rarely contend.
const SHARDS: usize = 64;

/// The topics of a server. A topic exists while it has a subscriber.
#[derive(Debug)]
pub struct Topics {
    workers: NonZeroUsize,
    /// Seeded for each process, because clients may choose the names.
    hasher: RandomState,
    shards: [RwLock<TopicShard>; SHARDS],
    logs: Logs,
    /// The way to other hosts, if there are any.
    relay: Option<Arc<dyn Relay>>,
}

type TopicShard = HashMap<Arc<[u8]>, Arc<Topic>>;

/// The key of a topic: its scope and its name.
pub(super) type Key = SmallVec<[u8; MAX_TOPIC_BYTES + size_of::<Scope>()]>;

/// One topic.
#[derive(Debug)]
pub(super) struct Topic {
    key: Arc<[u8]>,
    scope_name: Arc<ScopeName>,
    /// Taken from the quota of the route that subscribed first.
    _quota: Counted,
    /// The subscribers of each worker by id. Each worker locks only its own list when connections come and go.
    lists: Box<[Mutex<List>]>,
}

type List = BTreeMap<u64, Arc<Inbox>>;

impl Topics {
    /// An empty set of topics for this many workers.
    #[must_use]
    pub fn new(workers: NonZeroUsize) -> Self {
        let shards = std::array::from_fn(|_| RwLock::default());
        Self { workers, hasher: RandomState::new(), shards, logs: Logs::default(), relay: None }
    }

    /// The same set, whose chunks also reach the subscribers of other hosts.
    #[must_use]
    pub fn relayed_by(self, relay: Arc<dyn Relay>) -> Self {
        Self { relay: Some(relay), ..self }
    }

    /// The way to other hosts.
    pub(super) fn relay(&self) -> Option<&dyn Relay> {
        self.relay.as_deref()
    }

    /// The histories of topics.
    pub(super) fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Forgets histories that are too old, again and again. It never ends.
    pub(crate) async fn keep_expiring(&self) {
        self.logs.keep_expiring().await;
    }

    /// Drops half of what histories keep, because memory is short.
    pub(crate) fn drop_unused(&self) {
        self.logs.drop_half();
    }

    /// Looks up a topic. `None` if it has no subscriber.
    pub(super) fn find(&self, scope: Scope, name: &str) -> Option<Arc<Topic>> {
        let key = key(scope, name);
        read(self.shard(&key)).get(&*key).cloned()
    }

    /// Adds a subscriber of `tenant` to a topic, and creates the topic if it is the first.
    pub(super) fn add(
        &self,
        tenant: &TopicUser,
        name: &str,
        worker: usize,
        id: u64,
        inbox: &Arc<Inbox>,
    ) -> Result<Arc<Topic>, PushError> {
        let key = key(tenant.scope(), name);
        let shard = self.shard(&key);
        // Add it under the read lock: an empty topic is removed only under the write lock.
        if let Some(topic) = read(shard).get(&*key) {
            topic.add(worker, id, inbox);
            return Ok(topic.clone());
        }
        let mut topics = write(shard);
        let topic = match topics.get(&*key) {
            Some(topic) => topic.clone(),
            None => {
                let key: Arc<[u8]> = (&*key).into();
                let topic = Arc::new(Topic::new(key.clone(), tenant, self.workers)?);
                topics.insert(key, topic.clone());
                self.relay.iter().for_each(|relay| relay.topic_added(tenant.scope_name(), name));
                topic
            }
        };
        topic.add(worker, id, inbox);
        Ok(topic)
    }

    /// Removes a subscriber from a topic, and the topic after its last subscriber.
    pub(super) fn remove(&self, topic: &Topic, worker: usize, id: u64) {
        let left = topic.list(worker).map(|mut list| {
            list.remove(&id);
            list.len()
        });
        if left != Some(0) || !topic.is_empty() {
            return;
        }
        let mut topics = write(self.shard(&topic.key));
        // Another subscriber may have come meanwhile, or the name may belong to a new topic.
        if topics.get(&topic.key).is_some_and(|topic| topic.is_empty()) {
            topics.remove(&topic.key);
            self.relay.iter().for_each(|relay| relay.topic_removed(&topic.scope_name, topic.name()));
            if topics.capacity() > 4 * topics.len() {
                topics.shrink_to_fit();
            }
        }
    }

    /// Calls `visit` with the queue of every subscriber, once for each of its topics.
    pub(super) fn for_each_inbox(&self, visit: impl Fn(&Inbox)) {
        for shard in &self.shards {
            let topics: Vec<Arc<Topic>> = read(shard).values().cloned().collect();
            topics.iter().for_each(|topic| topic.for_each(|_, inbox| visit(inbox)));
        }
    }

    /// The number of topics.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).len()).sum()
    }

    fn shard(&self, key: &[u8]) -> &RwLock<TopicShard> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

impl Topic {
    fn new(key: Arc<[u8]>, tenant: &TopicUser, workers: NonZeroUsize) -> Result<Self, PushError> {
        let lists = (0..workers.get()).map(|_| Mutex::default()).collect();
        Ok(Self { key, scope_name: tenant.scope_name().clone(), _quota: tenant.take_topic()?, lists })
    }

    fn name(&self) -> &str {
        str::from_utf8(&self.key[size_of::<Scope>()..]).expect("a key ends with the name, which is text")
    }

    /// Whether it is the topic of that name in that scope.
    pub(super) fn is(&self, scope: Scope, name: &str) -> bool {
        *self.key == *key(scope, name)
    }

    /// Calls `visit` with every subscriber's queue.
    pub(super) fn for_each(&self, mut visit: impl FnMut(SubscriberKey, &Inbox)) {
        for (worker, list) in self.lists.iter().enumerate() {
            locked(list).iter().for_each(|(id, inbox)| visit((worker, *id), inbox));
        }
    }

    fn add(&self, worker: usize, id: u64, inbox: &Arc<Inbox>) {
        if let Some(mut list) = self.list(worker) {
            list.insert(id, inbox.clone());
        }
    }

    fn is_empty(&self) -> bool {
        self.lists.iter().all(|list| locked(list).is_empty())
    }

    /// The list of a worker.
    fn list(&self, worker: usize) -> Option<MutexGuard<'_, List>> {
        self.lists.get(worker).map(locked)
    }
}

/// The key of a topic.
pub(super) fn key(scope: Scope, name: &str) -> Key {
    let mut key = Key::from_slice(&scope.to_bytes());
    key.extend_from_slice(name.as_bytes());
    key
}

/// A panic cannot leave a list or a shard half-changed, so a poisoned lock is used as it is.
fn locked(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(shard: &RwLock<TopicShard>) -> RwLockReadGuard<'_, TopicShard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<TopicShard>) -> RwLockWriteGuard<'_, TopicShard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}
