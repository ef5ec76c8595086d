//! The parts without an engine; `tests/it/fleet` has an engine.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::channel;
use super::incoming::{self, Incoming};
use super::message::{Content, FleetMessage, HostId, event_tail};
use super::relay::{FleetRelay, TopicInterest};
use super::subscriptions::Subscriptions;
use crate::push::{EventId, History, Quotas, Relay as _, ScopeName, TopicUser};

fn directory(name: &str) -> Arc<ScopeName> {
    Arc::new(ScopeName::Directory(name.into()))
}

fn channel_of(scope: &ScopeName, topic: &str) -> String {
    String::from_utf8(channel::of_topic("vibrato", scope, topic).to_vec()).expect("it is text")
}

#[test]
fn a_channel_names_the_scope_and_the_topic() {
    assert_eq!(channel_of(&ScopeName::Directory("shop/chat".into()), "room 1"), "vibrato:t:d9:shop/chat:room 1");
    assert_eq!(channel_of(&ScopeName::Named("news".to_owned()), "all"), "vibrato:t:n4:news:all");
    assert_eq!(channel_of(&ScopeName::Directory("".into()), "all"), "vibrato:t:d0::all");
}

proptest! {
    #[test]
    fn no_two_topics_have_one_channel(one in "[a:0-9]{0,6}", first in "[a:0-9]{1,6}", other in "[a:0-9]{0,6}", second in "[a:0-9]{1,6}") {
        let (one_scope, other_scope) = (ScopeName::Named(one.clone()), ScopeName::Named(other.clone()));
        let is_same = channel_of(&one_scope, &first) == channel_of(&other_scope, &second);
        prop_assert_eq!(is_same, (one, first) == (other, second));
    }

    #[test]
    fn a_message_is_read_as_it_was_written(directory in "[a-z/]{0,40}", chunk: Vec<u8>, number: u64, kind in 0..4) {
        let host = HostId::random();
        let directory = Path::new(&directory);
        let content = match kind {
            0 => Content::Chunk { directory, chunk: &chunk },
            1 => Content::Finish { directory },
            2 => {
                let history = History { events: NonZeroUsize::new(7), age: Duration::from_millis(number >> 32) };
                Content::Event { directory, id: EventId { epoch: number, offset: 9 }, history, event: &chunk }
            }
            _ => Content::Canary { number },
        };
        let message = FleetMessage { host, content };
        let bytes = message.to_bytes().expect("the directory is short");
        prop_assert_eq!(FleetMessage::parse(&bytes), Some(message));
    }

    #[test]
    fn any_bytes_are_a_message_or_none(bytes: Vec<u8>) {
        let message = FleetMessage::parse(&bytes);
        // Numbers can be written in several ways.
        if let Some(message) = message.filter(|message| !matches!(message.content, Content::Event { .. })) {
            prop_assert_eq!(message.to_bytes(), Some(bytes));
        }
    }
}

#[test]
fn an_event_is_its_head_the_id_of_the_engine_and_its_tail() {
    let host = HostId::random();
    let history = History { events: NonZeroUsize::new(100), age: Duration::from_secs(300) };
    let (head, tail) = (host.event_head(Path::new("a/b")).expect("it is short"), event_tail(history, b"data: x\n\n"));
    let bytes = [&head[..], b"77-9", &tail].concat();
    let id = EventId { epoch: 77, offset: 9 };
    let content = Content::Event { directory: Path::new("a/b"), id, history, event: b"data: x\n\n" };
    assert_eq!(FleetMessage::parse(&bytes), Some(FleetMessage { host, content }));
}

#[test]
fn both_keys_of_a_history_are_in_one_part_of_a_cluster() {
    let channel = channel::of_topic("v", &directory("a"), "room {1}");
    let keys = channel::history_keys(&channel, "v");
    assert_eq!(keys.stream, b"v:l:{d1:a:room {1}}:events");
    assert_eq!(keys.run, b"v:l:{d1:a:room {1}}:run");
}

#[test]
fn hosts_have_different_ids() {
    assert_ne!(HostId::random(), HostId::random());
}

fn interest(topic: &str, is_wanted: bool) -> HashMap<channel::Channel, TopicInterest> {
    let scope = directory("a");
    HashMap::from([(channel::of_topic("v", &scope, topic), TopicInterest { scope, topic: topic.into(), is_wanted })])
}

#[test]
fn a_topic_is_left_some_seconds_after_its_last_subscriber() {
    let (mut subscriptions, start) = (Subscriptions::default(), Instant::now());
    let channel = channel::of_topic("v", &directory("a"), "news");
    assert_eq!(subscriptions.update(interest("news", true), start), std::slice::from_ref(&channel));
    assert!(subscriptions.update(interest("news", false), start).is_empty());
    assert!(subscriptions.leave(start + Duration::from_secs(4)).is_empty());
    assert!(subscriptions.get(&channel).is_some());
    assert_eq!(subscriptions.leave(start + Duration::from_secs(5)), [channel]);
    assert!(subscriptions.is_empty());
}

#[test]
fn a_topic_whose_subscribers_come_back_stays() {
    let (mut subscriptions, start) = (Subscriptions::default(), Instant::now());
    let after = |seconds| start + Duration::from_secs(seconds);
    subscriptions.update(interest("news", true), start);
    subscriptions.update(interest("news", false), start);
    assert!(subscriptions.update(interest("news", true), after(3)).is_empty(), "it is subscribed already");
    assert!(subscriptions.leave(after(60)).is_empty());
    // The time begins anew.
    subscriptions.update(interest("news", false), after(60));
    assert!(subscriptions.leave(after(64)).is_empty());
    assert_eq!(subscriptions.leave(after(65)).len(), 1);
}

#[test]
fn a_topic_that_comes_and_goes_at_once_is_never_subscribed() {
    let mut subscriptions = Subscriptions::default();
    assert!(subscriptions.update(interest("news", false), Instant::now()).is_empty());
    assert!(subscriptions.is_empty());
}

#[test]
fn what_is_published_while_the_engine_is_away_is_dropped_and_counted() {
    let (relay, queues) = FleetRelay::new("v".to_owned(), Duration::from_secs(1));
    let mut frames = queues.messages;
    relay.publish(&TopicUser::new(Path::new("a"), None, Quotas::default()), "news", b"chunk");
    assert!(frames.try_recv().is_err());
    assert_eq!((relay.stats().dropped, relay.stats().published), (1, 0));
}

#[test]
fn a_host_that_delivers_too_slowly_still_hears_itself() {
    let own = channel::of_host("v", HostId::random());
    let (sender, receiver) = incoming::queue(own.clone());
    let push = |channel: &[u8], bytes: usize, times: usize| {
        let message = || Incoming::Message { channel: channel.to_vec(), bytes: vec![0; bytes] };
        (0..times).for_each(|_| sender.push(message()));
        receiver.take_dropped()
    };
    let dropped = push(b"v:t:d0::a", 64 * 1024, 1000);
    assert!((700..800).contains(&dropped), "{dropped} of 1000 chunks of 64 KiB were dropped");
    assert!(push(b"v:t:d0::a", 64, 1000) > 0, "it is full");
    assert_eq!(push(&own, 28, 5), 0);
    // Strangers may publish there, too.
    assert!(push(&own, 28, 1000) > 900);
}

#[test]
fn what_waits_for_the_engine_is_bounded() {
    let (relay, queues) = FleetRelay::new("v".to_owned(), Duration::from_secs(1));
    let mut frames = queues.messages;
    relay.counts.is_up.store(true, std::sync::atomic::Ordering::Relaxed);
    let publisher = TopicUser::new(Path::new("a"), None, Quotas::default());
    let chunk = vec![0; 64 * 1024];
    (0..1000).for_each(|_| relay.publish(&publisher, "news", &chunk));
    let mut waiting = 0;
    while let Ok(frame) = frames.try_recv() {
        relay.forget(&frame);
        waiting += 1;
    }
    assert!((100..=128).contains(&waiting), "{waiting} chunks of 64 KiB waited");
    assert_eq!(relay.stats().dropped, 1000 - waiting);
    relay.publish(&publisher, "news", &chunk);
    assert!(frames.try_recv().is_ok(), "there is room again");
}
