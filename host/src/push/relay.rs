//! What carries topics to other hosts.

use std::fmt::Debug;
use std::sync::Arc;

use super::history::{EventId, SharedAnswer};
use super::log::TopicLog;
use super::tenant::{ScopeName, TopicUser};

/// Carries what is published here to other hosts. [`super::Hub::deliver`] is the other direction.
///
/// No call waits; two have an answer that is waited for. A topic is locked while it is added or removed, so these calls are in order for each topic.
pub trait Relay: Debug + Send + Sync {
    /// A route has published a chunk, which the subscribers of this host have already got.
    fn publish(&self, publisher: &TopicUser, topic: &str, chunk: &[u8]);

    /// A route has finished a topic, whose responses of this host have already ended.
    fn finish(&self, publisher: &TopicUser, topic: &str);

    /// A route appends an event to the history of a topic, which all hosts share. Its own subscribers get it from the engine, too.
    fn append(&self, publisher: &TopicUser, topic: &str, event: &[u8]) -> SharedAnswer<EventId>;

    /// The subscribers of this host read the history of a topic: `log` is to be a copy of what the engine has, from when this is
    /// answered until the topic has no subscriber on this host.
    fn follow(&self, scope: &Arc<ScopeName>, topic: &str, log: Arc<TopicLog>) -> SharedAnswer<()>;

    /// A topic has its first subscriber on this host.
    fn topic_added(&self, scope: &Arc<ScopeName>, topic: &str);

    /// A topic has no subscriber on this host any more.
    fn topic_removed(&self, scope: &Arc<ScopeName>, topic: &str);
}
