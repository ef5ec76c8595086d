//! Which subscribers get an event around the moment at which a history begins to be followed.

use std::num::NonZeroUsize;
use std::path::Path;
use std::task::{Context, Poll, Waker};

use super::super::relay::FleetRelay;
use super::*;
use crate::push::{InboxItem, Overflow, QueueBounds, Quotas, Subscriber, Topics};

const EPOCH: u64 = 7;

/// A host with an engine, where one subscriber reads the history of the topic `a`, and another is subscribed without it.
struct Scene {
    hub: Arc<Hub>,
    route: Arc<TopicUser>,
    histories: FollowedHistories,
    follows: Vec<Follow>,
    reader: Subscriber,
    plain: Subscriber,
}

impl Scene {
    fn new() -> Self {
        let (relay, _queues) = FleetRelay::new("it".to_owned(), Duration::from_secs(1));
        relay.counts.is_up.store(true, Ordering::Relaxed);
        let topics = Topics::new(NonZeroUsize::MIN).relayed_by(relay.clone());
        let hub = Arc::new(Hub::new(Arc::new(topics), 0, Arc::default()));
        let history = History { events: NonZeroUsize::new(10), age: Duration::from_secs(300) };
        let route = Arc::new(TopicUser::new(Path::new(""), None, Quotas::default()).keeping(history));
        let bounds = QueueBounds { bytes: 1024, overflow: Overflow::Disconnect };
        let [mut reader, mut plain] = [(); 2].map(|()| hub.subscriber(&route, bounds).expect("there is no quota"));
        drop(reader.follow("a", Instant::now()).expect("it is a topic"));
        plain.subscribe("a").expect("it is a topic");
        let follows = relay.histories.take_follows();
        Self { hub, route, histories: FollowedHistories::default(), follows, reader, plain }
    }

    fn channel(&self) -> Channel {
        channel::of_topic("it", self.route.scope_name(), "a")
    }

    fn event(&self, offset: u64) -> SharedEvent<'static> {
        let id = EventId { epoch: EPOCH, offset };
        SharedEvent { id, history: self.route.history(), kept_since: Instant::now(), bytes: b"data:\n\n" }
    }

    /// The engine delivers an event.
    fn deliver(&self, offset: u64) {
        self.histories.take(&self.hub, &self.route, &self.channel(), "a", &self.event(offset));
    }

    /// The history is followed, and has been read up to this event.
    fn follow_and_read(&mut self, last: u64) {
        self.histories.add(std::mem::take(&mut self.follows), |_| true);
        let mut logs = self.histories.logs.borrow_mut();
        let followed = logs.get_mut(&self.channel()).expect("it is followed");
        followed.log.restart(EventId { epoch: EPOCH, offset: 0 });
        for offset in 1..=last {
            self.hub.apply(&followed.log, &self.route, "a", &self.event(offset), !followed.is_new);
        }
        followed.note_read();
    }
}

fn taken(subscriber: &mut Subscriber) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    std::iter::from_fn(|| match subscriber.poll_next(&mut cx) {
        Poll::Ready(InboxItem::Chunk(chunk)) => Some(chunk),
        Poll::Ready(InboxItem::End(_)) | Poll::Pending => None,
    })
    .count()
}

#[test]
fn an_event_before_its_history_is_followed_is_not_queued_for_those_who_will_read_it() {
    let mut scene = Scene::new();
    scene.deliver(1);
    assert_eq!((taken(&mut scene.reader), taken(&mut scene.plain)), (0, 1));
    scene.follow_and_read(1);
    scene.reader.read_after(Some(&EventId { epoch: EPOCH, offset: 0 }.to_string()), Instant::now());
    assert_eq!((taken(&mut scene.reader), taken(&mut scene.plain)), (1, 0));
}

#[test]
fn an_event_that_is_delivered_after_it_was_read_reaches_those_who_do_not_read_the_history_once() {
    let mut scene = Scene::new();
    scene.follow_and_read(2);
    assert_eq!(taken(&mut scene.plain), 0);
    for offset in 1..=3 {
        scene.deliver(offset);
        assert_eq!(taken(&mut scene.plain), 1, "{offset}");
    }
    scene.deliver(3);
    assert_eq!(taken(&mut scene.plain), 0, "it was delivered when it came first");
}
