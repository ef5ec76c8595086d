//! Queues and topics without sockets: what a subscriber receives, what is dropped, and what remains after it is gone.

use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::metrics::PublishedChunks;

pub(super) const ROOMY: QueueBounds = QueueBounds { bytes: 1024 * 1024, overflow: Overflow::Disconnect };

/// A hub as one route uses it.
#[derive(Debug)]
pub(super) struct RouteHub {
    pub(super) hub: Arc<Hub>,
    pub(super) tenant: Arc<TopicUser>,
}

impl Deref for RouteHub {
    type Target = Hub;

    fn deref(&self) -> &Hub {
        &self.hub
    }
}

impl RouteHub {
    /// The same hub as another route uses it.
    pub(super) fn of(&self, directory: &str, named: Option<&str>, quotas: Quotas) -> Self {
        Self { hub: self.hub.clone(), tenant: Arc::new(TopicUser::new(Path::new(directory), named, quotas)) }
    }

    pub(super) fn publish(&self, topic: &str, chunk: &[u8]) -> Result<u32, PushError> {
        self.hub.publish(&self.tenant, topic, chunk)
    }

    fn published(&self) -> PublishedChunks {
        self.hub.counters.published()
    }

    pub(super) fn finish(&self, topic: &str) -> Result<u32, PushError> {
        self.hub.finish(&self.tenant, topic)
    }

    pub(super) fn subscriber(&self, bounds: QueueBounds) -> Subscriber {
        self.hub.subscriber(&self.tenant, bounds).expect("there is room for a subscriber")
    }
}

pub(super) fn hubs<const N: usize>() -> [RouteHub; N] {
    let topics = Arc::new(Topics::new(NonZeroUsize::new(N).expect("the tests have workers")));
    let tenant = Arc::new(TopicUser::new(Path::new(""), None, Quotas::default()));
    std::array::from_fn(|worker| RouteHub {
        hub: Arc::new(Hub::new(topics.clone(), worker, Arc::default())),
        tenant: tenant.clone(),
    })
}

fn subscribed(hub: &RouteHub, bounds: QueueBounds, topics: &[&str]) -> Subscriber {
    let mut subscriber = hub.subscriber(bounds);
    topics.iter().for_each(|topic| subscriber.subscribe(topic).expect("the tests have few topics"));
    subscriber
}

/// All queued chunks, and the end if there is one.
pub(super) fn taken(subscriber: &mut Subscriber) -> (Vec<String>, Option<InboxEnd>) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut chunks = Vec::new();
    loop {
        match subscriber.poll_next(&mut cx) {
            Poll::Ready(InboxItem::Chunk(chunk)) => chunks.push(String::from_utf8_lossy(&chunk.piece()).into_owned()),
            Poll::Ready(InboxItem::End(end)) => return (chunks, Some(end)),
            Poll::Pending => return (chunks, None),
        }
    }
}

/// Counts how often it is woken.
#[derive(Debug, Default)]
pub(super) struct WakeCounter(pub(super) AtomicUsize);

impl Wake for WakeCounter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_chunk_reaches_the_subscribers_of_its_topic_on_every_worker_in_order() {
    let [one, two] = hubs();
    let mut subscribers = [&one, &one, &two].map(|hub| subscribed(hub, ROOMY, &["a", "b"]));
    let mut other = subscribed(&two, ROOMY, &["b"]);
    assert_eq!(two.publish("a", b"first"), Ok(3));
    assert_eq!(one.publish("b", b"second"), Ok(4));
    assert_eq!(one.publish("c", b"third"), Ok(0));
    for subscriber in &mut subscribers {
        assert_eq!(taken(subscriber), (vec!["first".to_owned(), "second".to_owned()], None));
    }
    assert_eq!(taken(&mut other), (vec!["second".to_owned()], None));
    assert_eq!([one.published(), two.published()].map(|chunks| chunks.dropped), [0, 0]);
    assert_eq!(one.published().reached + two.published().reached, 7);
}

#[test]
fn a_chunk_is_encoded_once_for_all() {
    let [hub] = hubs();
    let mut subscribers = [(); 2].map(|()| subscribed(&hub, ROOMY, &["a"]));
    assert_eq!(hub.publish("a", b"shared"), Ok(2));
    let mut cx = Context::from_waker(Waker::noop());
    let places = subscribers.each_mut().map(|subscriber| match subscriber.poll_next(&mut cx) {
        Poll::Ready(InboxItem::Chunk(chunk)) => (chunk.coded().as_ptr(), chunk.piece().as_ptr()),
        other => panic!("{other:?}"),
    });
    assert_eq!(places[0], places[1]);
}

#[test]
fn topics_and_chunks_past_their_bounds_are_refused() {
    let [hub] = hubs();
    let mut subscriber = hub.subscriber(ROOMY);
    let longest = "x".repeat(MAX_TOPIC_BYTES);
    for good in ["a", " ", "räume/7 ☃", &longest] {
        assert_eq!((subscriber.subscribe(good), hub.finish(good)), (Ok(()), Ok(u32::from(good == "a"))), "{good:?}");
    }
    let too_long = format!("{longest}x");
    for bad in ["", "a\n", "\0", "\u{7f}", "\u{85}", &too_long] {
        let refused = (subscriber.subscribe(bad), hub.publish(bad, b"x"), hub.finish(bad));
        assert_eq!(refused, (Err(PushError::Topic), Err(PushError::Topic), Err(PushError::Topic)), "{bad:?}");
    }
    assert_eq!(hub.publish("a", b""), Err(PushError::Empty));
    assert_eq!(hub.publish("a", &[0; MAX_CHUNK_BYTES]), Ok(0));
    assert_eq!(hub.publish("a", &[0; MAX_CHUNK_BYTES + 1]), Err(PushError::LargeChunk));
}

#[test]
fn the_topics_of_a_subscriber_are_bounded_and_each_counts_once() {
    let [hub] = hubs();
    let mut subscriber = hub.subscriber(ROOMY);
    for number in 0..MAX_TOPICS {
        assert_eq!(subscriber.subscribe(&number.to_string()), Ok(()));
    }
    assert_eq!(subscriber.subscribe("one more"), Err(PushError::TooManyTopics));
    assert_eq!(subscriber.subscribe("0"), Ok(()), "it has that one");
    assert_eq!(hub.publish("0", b"x"), Ok(1));
    assert_eq!(taken(&mut subscriber).0.len(), 1);
}

#[test]
fn a_topic_is_gone_with_its_last_subscriber() {
    let [one, two] = hubs();
    let first = subscribed(&one, ROOMY, &["a", "b"]);
    let second = subscribed(&two, ROOMY, &["b"]);
    assert_eq!(one.topics.len(), 2);
    drop(first);
    assert_eq!((one.topics.len(), one.publish("a", b"x"), one.publish("b", b"x")), (1, Ok(0), Ok(1)));
    drop(second);
    assert_eq!((one.topics.len(), one.publish("b", b"x")), (0, Ok(0)));
}

#[test]
fn a_finished_subscriber_gets_what_has_queued_and_nothing_more() {
    let [hub] = hubs();
    let mut subscriber = subscribed(&hub, ROOMY, &["a", "b"]);
    assert_eq!(hub.publish("a", b"last"), Ok(1));
    assert_eq!((hub.finish("b"), hub.finish("b"), hub.publish("a", b"late")), (Ok(1), Ok(0), Ok(0)));
    assert_eq!(taken(&mut subscriber), (vec!["last".to_owned()], Some(InboxEnd::Finished)));
}

#[test]
fn a_subscriber_that_lags_is_disconnected_and_its_queue_dropped() {
    let [hub] = hubs();
    let bounds = QueueBounds { bytes: 2 * MIN_CHUNK_COST, overflow: Overflow::Disconnect };
    let mut subscriber = subscribed(&hub, bounds, &["a"]);
    let published = [(); 4].map(|()| hub.publish("a", b"x"));
    assert_eq!(published, [Ok(1), Ok(1), Ok(0), Ok(0)]);
    assert_eq!(taken(&mut subscriber), (vec![], Some(InboxEnd::Lagging)));
    assert_eq!(hub.published(), PublishedChunks { reached: 2, dropped: 0 });
}

#[test]
fn a_subscriber_that_lags_loses_the_oldest_chunks_whole() {
    let [hub] = hubs();
    let bounds = QueueBounds { bytes: 300, overflow: Overflow::DropOldest };
    let mut subscriber = subscribed(&hub, bounds, &["a"]);
    assert_eq!(hub.publish("a", b"one"), Ok(1));
    assert_eq!(hub.publish("a", b"two"), Ok(1));
    assert_eq!(hub.publish("a", b"three"), Ok(1));
    assert_eq!(hub.publish("a", &[b'x'; 301]), Ok(0), "it would not fit alone");
    assert_eq!(taken(&mut subscriber), (vec!["two".to_owned(), "three".to_owned()], None));
    assert_eq!(hub.published(), PublishedChunks { reached: 3, dropped: 2 });
}

#[test]
fn a_waiting_subscriber_is_woken_once_and_a_busy_one_only_for_lagging() {
    let [hub] = hubs();
    let bounds = QueueBounds { bytes: 3 * MIN_CHUNK_COST, overflow: Overflow::Disconnect };
    let mut subscriber = subscribed(&hub, bounds, &["a"]);
    let counter = Arc::new(WakeCounter::default());
    let waker = Waker::from(counter.clone());
    let mut cx = Context::from_waker(&waker);
    let wakes = || counter.0.load(Ordering::Relaxed);

    assert!(subscriber.poll_next(&mut cx).is_pending());
    assert_eq!((hub.publish("a", b"x"), hub.publish("a", b"y"), wakes()), (Ok(1), Ok(1), 1));
    assert!(matches!(subscriber.poll_next(&mut cx), Poll::Ready(InboxItem::Chunk(_))));
    assert!(subscriber.poll_lagging(&mut cx).is_pending());
    assert_eq!((hub.publish("a", b"x"), hub.publish("a", b"y"), wakes()), (Ok(1), Ok(1), 1));
    assert_eq!((hub.publish("a", b"z"), wakes()), (Ok(0), 2));
    assert!(subscriber.poll_lagging(&mut cx).is_ready());
}

#[test]
fn subscribers_that_come_and_go_on_many_threads_leave_nothing_and_miss_nothing() {
    const ROUNDS: usize = 500;
    let hubs = hubs::<4>();
    std::thread::scope(|scope| {
        for hub in &hubs {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let topic = (round % 3).to_string();
                    let mut subscriber = subscribed(hub, ROOMY, &[&topic]);
                    assert!(hub.publish(&topic, topic.as_bytes()).is_ok_and(|reached| reached >= 1), "itself at least");
                    let (chunks, end) = taken(&mut subscriber);
                    assert!(!chunks.is_empty() && chunks.iter().all(|chunk| *chunk == topic), "{chunks:?}");
                    assert_eq!(end, None);
                }
            });
        }
    });
    assert_eq!(hubs[0].topics.len(), 0);
}

#[test]
fn routes_share_the_topics_of_their_directory_or_of_the_scope_that_is_named() {
    let [root] = hubs();
    let other = |directory: &str, named: Option<&str>| root.of(directory, named, Quotas::default());
    // The same directory, other directories, a name that equals a directory, and a name that two directories share.
    let routes = [("", None), ("a", None), ("a/b", None), ("", Some("a")), ("c", Some("chat")), ("d", Some("chat"))];
    let routes = routes.map(|(directory, named)| other(directory, named));
    let mut subscribers = routes.each_ref().map(|route| subscribed(route, ROOMY, &["topic"]));
    let reached = routes.each_ref().map(|route| route.publish("topic", b"x"));
    assert_eq!(reached, [Ok(1), Ok(1), Ok(1), Ok(1), Ok(2), Ok(2)]);
    assert_eq!(root.publish("topic", b"x"), Ok(1), "a sibling in the same directory");
    let taken = subscribers.each_mut().map(|subscriber| taken(subscriber).0.len());
    assert_eq!(taken, [2, 1, 1, 1, 2, 2]);
    assert_eq!(routes.each_ref().map(|route| route.finish("topic")), [Ok(1), Ok(1), Ok(1), Ok(1), Ok(2), Ok(0)]);
    drop(subscribers);
    assert_eq!(root.topics.len(), 0);
}

#[test]
fn chunks_of_another_directory_disconnect_nobody_and_are_dropped_first() {
    let [root] = hubs();
    let [home, flood] = ["home", "flood"].map(|directory| root.of(directory, Some("chat"), Quotas::default()));
    for overflow in [Overflow::Disconnect, Overflow::DropOldest] {
        let bounds = QueueBounds { bytes: 4 * MIN_CHUNK_COST, overflow };
        let mut subscriber = subscribed(&home, bounds, &["a"]);
        let flooded = [(); 100].map(|()| flood.publish("a", b"flood").expect("it may"));
        assert_eq!(flooded.iter().sum::<u32>(), 2, "half of the queue");
        // Chunks from the same directory can use the whole queue, in spite of the flood.
        let published = ["1", "2", "3", "4"].map(|text| home.publish("a", text.as_bytes()));
        assert_eq!(published, [Ok(1); 4]);
        assert_eq!(flood.publish("a", b"flood"), Ok(0));
        assert_eq!(taken(&mut subscriber), (["1", "2", "3", "4"].map(str::to_owned).to_vec(), None));
        assert_eq!(flood.publish("a", b"once more"), Ok(1));
        assert_eq!(taken(&mut subscriber), (vec!["once more".to_owned()], None));
    }
}

#[test]
fn the_quotas_of_a_route_are_bounded_and_released_units_can_be_taken_again() {
    let [root] = hubs();
    let two = NonZeroUsize::new(2);
    let route = root.of("", None, Quotas { topics: two, subscribers: two, publish_rate: None });
    let mut first = subscribed(&route, ROOMY, &["a", "b"]);
    assert_eq!(first.subscribe("c"), Err(PushError::TopicQuota));
    let mut other = subscribed(&root, ROOMY, &["c"]);
    assert_eq!((first.subscribe("c"), first.subscribe("a")), (Ok(()), Ok(())), "they are there already");
    let second = subscribed(&route, ROOMY, &["b"]);
    let third = route.hub.subscriber(&route.tenant, ROOMY).map(drop);
    assert_eq!((third, other.subscribe("d")), (Err(PushError::SubscriberQuota), Ok(())));
    drop(first);
    let mut third = subscribed(&route, ROOMY, &["e"]);
    assert_eq!(third.subscribe("f"), Err(PushError::TopicQuota), "`b` is still there");
    drop(second);
    assert_eq!(third.subscribe("f"), Ok(()));
}

#[test]
fn a_new_version_of_a_route_continues_its_publish_rate() {
    let quotas = |rate| Quotas { publish_rate: NonZeroU64::new(rate), ..Quotas::default() };
    let tenant = |rate| TopicUser::new(Path::new(""), None, quotas(rate));
    let before = tenant(100_000);
    let now = Instant::now() + Duration::from_secs(1);
    let charge = |tenant: &TopicUser, length, after| tenant.charge(length, || now + Duration::from_millis(after));
    assert_eq!((charge(&before, 50_000, 0), charge(&before, 50_000, 0)), (Ok(()), Ok(())));
    assert_eq!(charge(&before, 1, 0), Err(PushError::PublishRate));
    // A small chunk counts as 128 bytes, and a refused one as none.
    assert_eq!(charge(&before, 1, 1), Err(PushError::PublishRate));
    assert_eq!(charge(&before, 1, 2), Ok(()));
    let same = tenant(100_000).succeeding(&before);
    assert_eq!(charge(&same, 1_000, 2), Err(PushError::PublishRate));
    assert_eq!(charge(&tenant(200_000).succeeding(&before), 1_000, 2), Ok(()));
    // The largest chunk can be published at any rate, even if only rarely.
    let slow = tenant(1);
    assert_eq!(charge(&slow, MAX_CHUNK_BYTES, 0), Ok(()));
    assert_eq!(charge(&slow, 1, 0), Err(PushError::PublishRate));
}

/// An action of a publisher or of the subscriber.
#[derive(Debug, Clone)]
enum Step {
    Publish(usize),
    Take,
}

proptest! {
    /// No queue exceeds its bound, chunks stay in order and whole, and each is taken, dropped or still queued.
    #[test]
    fn a_queue_is_within_its_bounds_and_loses_only_from_its_front(
        max in 1_usize..2000,
        steps in prop::collection::vec(prop_oneof![(1_usize..700).prop_map(Step::Publish), Just(Step::Take)], 0..60),
    ) {
        let [hub] = hubs();
        let mut subscriber = subscribed(&hub, QueueBounds { bytes: max, overflow: Overflow::DropOldest }, &["a"]);
        let mut cx = Context::from_waker(Waker::noop());
        let mut model: Vec<(u8, usize)> = Vec::new();
        let mut dropped = 0;
        let cost = |length: usize| length.max(MIN_CHUNK_COST);
        for (number, step) in (0_u8..).zip(steps) {
            match step {
                Step::Publish(length) => {
                    let fits = cost(length) <= max;
                    prop_assert_eq!(hub.publish("a", &vec![number; length]), Ok(u32::from(fits)));
                    if fits {
                        model.push((number, length));
                    } else {
                        dropped += 1;
                    }
                    while model.iter().map(|(_, length)| cost(*length)).sum::<usize>() > max {
                        model.remove(0);
                        dropped += 1;
                    }
                }
                Step::Take => {
                    let next = match subscriber.poll_next(&mut cx) {
                        Poll::Ready(InboxItem::Chunk(chunk)) => Some((chunk.piece()[0], chunk.len())),
                        Poll::Ready(InboxItem::End(end)) => panic!("{end:?}"),
                        Poll::Pending => None,
                    };
                    prop_assert_eq!(next, (!model.is_empty()).then(|| model.remove(0)));
                }
            }
            prop_assert_eq!(hub.published().dropped, dropped);
        }
    }
}
