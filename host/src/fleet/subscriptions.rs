//! Which topics the engine delivers to this host.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::channel::Channel;
use super::relay::TopicInterest;
use crate::push::ScopeName;

/// How long a topic stays subscribed after its last subscriber of this host. Its clients may come back.
const LINGER: Duration = Duration::from_secs(5);

/// The topics that the engine is to deliver. They outlive a connection.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    topics: HashMap<Channel, SubscribedTopic>,
    /// Topics without subscribers, each with the time at which it is left, in that order.
    leaving: VecDeque<(Instant, Channel)>,
}

/// A topic that the engine delivers.
#[derive(Debug)]
pub(super) struct SubscribedTopic {
    pub(super) scope: Arc<ScopeName>,
    pub(super) topic: Box<str>,
    /// When it is left. `None` while it has subscribers.
    leaves_at: Option<Instant>,
}

impl Subscriptions {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// The topic of a channel. `None` if it is not subscribed.
    pub(super) fn get(&self, channel: &[u8]) -> Option<&SubscribedTopic> {
        self.topics.get(channel)
    }

    /// All channels.
    pub(super) fn channels(&self) -> Vec<Channel> {
        self.topics.keys().cloned().collect()
    }

    /// Follows what has changed until `now`. Returns the channels to subscribe to.
    pub(super) fn update(&mut self, changed: HashMap<Channel, TopicInterest>, now: Instant) -> Vec<Channel> {
        let mut new = Vec::new();
        for (channel, TopicInterest { scope, topic, is_wanted }) in changed {
            match self.topics.get_mut(&channel) {
                Some(known) if is_wanted => known.leaves_at = None,
                Some(known) => {
                    known.leaves_at = Some(now + LINGER);
                    self.leaving.push_back((now + LINGER, channel));
                }
                None if is_wanted => {
                    self.topics.insert(channel.clone(), SubscribedTopic { scope, topic, leaves_at: None });
                    new.push(channel);
                }
                // It has come and gone since the last call.
                None => {}
            }
        }
        new
    }

    /// Forgets the topics that have had no subscriber for long enough. Returns the channels to leave.
    pub(super) fn leave(&mut self, now: Instant) -> Vec<Channel> {
        let mut left = Vec::new();
        while let Some((_, channel)) = self.leaving.pop_front_if(|(at, _)| *at <= now) {
            // It may have had subscribers since, and may have lost them again.
            let leaves = self.topics.get(&channel).is_some_and(|topic| topic.leaves_at.is_some_and(|at| at <= now));
            if leaves && self.topics.remove(&channel).is_some() {
                left.push(channel);
            }
        }
        left
    }
}
