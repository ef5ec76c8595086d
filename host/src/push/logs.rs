//! The histories of all topics.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::PushError;
use super::log::{Forgotten, TopicLog};
use super::tenant::{Scope, TopicUser};
use super::topics;

/// How often histories are looked through for what is too old.
const EXPIRY: Duration = Duration::from_secs(5);

/// The histories of a server. Topics without one do not touch this.
#[derive(Debug, Default)]
pub(super) struct Logs {
    logs: RwLock<LogMap>,
    created: Notify,
}

type LogMap = HashMap<Arc<[u8]>, Arc<TopicLog>>;

impl Logs {
    /// The history of a topic, if there is one.
    pub(super) fn find(&self, scope: Scope, topic: &str) -> Option<Arc<TopicLog>> {
        self.read().get(&*topics::key(scope, topic)).cloned()
    }

    /// Calls the history of a topic. It is made if there is none.
    pub(super) fn with<R>(
        &self,
        user: &TopicUser,
        topic: &str,
        now: Instant,
        mut call: impl FnMut(&Arc<TopicLog>) -> Result<R, Forgotten>,
    ) -> Result<R, PushError> {
        loop {
            let log = self.get(user, topic, now)?;
            if let Ok(result) = call(&log) {
                return Ok(result);
            }
        }
    }

    fn get(&self, user: &TopicUser, topic: &str, now: Instant) -> Result<Arc<TopicLog>, PushError> {
        let key = topics::key(user.scope(), topic);
        if let Some(log) = self.read().get(&*key) {
            return Ok(log.clone());
        }
        let mut logs = self.write();
        if let Some(log) = logs.get(&*key) {
            return Ok(log.clone());
        }
        let log = TopicLog::new(user, now).or_else(|_| {
            // Some may be left that nobody needs.
            expire(&mut logs, now);
            TopicLog::new(user, now)
        });
        let log = Arc::new(log?);
        logs.insert((&*key).into(), log.clone());
        self.created.notify_one();
        Ok(log)
    }

    /// Forgets what is too old, again and again. It never ends.
    pub(super) async fn keep_expiring(&self) {
        loop {
            self.created.notified().await;
            while !self.read().is_empty() {
                tokio::time::sleep(EXPIRY).await;
                self.expire(Instant::now());
            }
        }
    }

    /// Forgets what is too old.
    pub(super) fn expire(&self, now: Instant) {
        expire(&mut self.write(), now);
    }

    /// Drops half of the events, because memory is short.
    pub(super) fn drop_half(&self) {
        self.read().values().for_each(|log| log.drop_half());
    }

    /// The number of histories.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.read().len()
    }

    // A panic leaves no map half-changed.
    fn read(&self) -> RwLockReadGuard<'_, LogMap> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, LogMap> {
        self.logs.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn expire(logs: &mut LogMap, now: Instant) {
    logs.retain(|_, log| !log.expire(now));
    if logs.capacity() > 4 * logs.len() {
        logs.shrink_to_fit();
    }
}
