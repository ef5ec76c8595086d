//! Queues and topics, without sockets: what a subscriber gets, what it is spared, and what is left when it goes.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;

use super::*;

const ROOMY: Bounds = Bounds { bytes: 1024 * 1024, overflow: Overflow::Disconnect };

fn hubs<const N: usize>() -> [Arc<Hub>; N] {
    let topics = Arc::new(Topics::new(NonZeroUsize::new(N).expect("the tests have workers")));
    std::array::from_fn(|worker| Arc::new(Hub::new(topics.clone(), worker)))
}

fn subscribed(hub: &Arc<Hub>, bounds: Bounds, topics: &[&str]) -> Subscriber {
    let mut subscriber = hub.subscriber(bounds);
    topics.iter().for_each(|topic| subscriber.subscribe(topic).expect("the tests have few topics"));
    subscriber
}

/// All that has queued, and the end where it has come.
fn taken(subscriber: &mut Subscriber) -> (Vec<String>, Option<End>) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut chunks = Vec::new();
    loop {
        match subscriber.poll_next(&mut cx) {
            Poll::Ready(Next::Chunk(chunk)) => chunks.push(String::from_utf8_lossy(&chunk.piece()).into_owned()),
            Poll::Ready(Next::End(end)) => return (chunks, Some(end)),
            Poll::Pending => return (chunks, None),
        }
    }
}

/// Counts how often it is woken.
#[derive(Debug, Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
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
    assert_eq!(one.counts() + two.counts(), Counts { reached: 7, dropped: 0 });
}

#[test]
fn a_chunk_is_encoded_once_for_all() {
    let [hub] = hubs();
    let mut subscribers = [(); 2].map(|()| subscribed(&hub, ROOMY, &["a"]));
    assert_eq!(hub.publish("a", b"shared"), Ok(2));
    let mut cx = Context::from_waker(Waker::noop());
    let places = subscribers.each_mut().map(|subscriber| match subscriber.poll_next(&mut cx) {
        Poll::Ready(Next::Chunk(chunk)) => (chunk.coded().as_ptr(), chunk.piece().as_ptr()),
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
fn a_subscriber_has_so_many_topics_and_each_of_them_once() {
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
    assert_eq!(taken(&mut subscriber), (vec!["last".to_owned()], Some(End::Finished)));
}

#[test]
fn a_subscriber_that_lags_is_disconnected_and_what_waits_for_it_dropped() {
    let [hub] = hubs();
    let bounds = Bounds { bytes: 2 * LEAST_CHUNK_COST, overflow: Overflow::Disconnect };
    let mut subscriber = subscribed(&hub, bounds, &["a"]);
    let published = [(); 4].map(|()| hub.publish("a", b"x"));
    assert_eq!(published, [Ok(1), Ok(1), Ok(0), Ok(0)]);
    assert_eq!(taken(&mut subscriber), (vec![], Some(End::Lagging)));
    assert_eq!(hub.counts(), Counts { reached: 2, dropped: 0 });
}

#[test]
fn a_subscriber_that_lags_loses_the_oldest_chunks_whole() {
    let [hub] = hubs();
    let bounds = Bounds { bytes: 300, overflow: Overflow::DropOldest };
    let mut subscriber = subscribed(&hub, bounds, &["a"]);
    assert_eq!(hub.publish("a", b"one"), Ok(1));
    assert_eq!(hub.publish("a", b"two"), Ok(1));
    assert_eq!(hub.publish("a", b"three"), Ok(1));
    assert_eq!(hub.publish("a", &[b'x'; 301]), Ok(0), "it would not fit alone");
    assert_eq!(taken(&mut subscriber), (vec!["two".to_owned(), "three".to_owned()], None));
    assert_eq!(hub.counts(), Counts { reached: 3, dropped: 2 });
}

#[test]
fn whoever_waits_is_woken_once_and_whoever_is_busy_only_for_lagging() {
    let [hub] = hubs();
    let bounds = Bounds { bytes: 3 * LEAST_CHUNK_COST, overflow: Overflow::Disconnect };
    let mut subscriber = subscribed(&hub, bounds, &["a"]);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let mut cx = Context::from_waker(&waker);
    let rung = || bell.0.load(Ordering::Relaxed);

    assert!(subscriber.poll_next(&mut cx).is_pending());
    assert_eq!((hub.publish("a", b"x"), hub.publish("a", b"y"), rung()), (Ok(1), Ok(1), 1));
    assert!(matches!(subscriber.poll_next(&mut cx), Poll::Ready(Next::Chunk(_))));
    assert!(subscriber.poll_lagging(&mut cx).is_pending());
    assert_eq!((hub.publish("a", b"x"), hub.publish("a", b"y"), rung()), (Ok(1), Ok(1), 1));
    assert_eq!((hub.publish("a", b"z"), rung()), (Ok(0), 2));
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

/// A step of somebody who publishes, or of the subscriber.
#[derive(Debug, Clone)]
enum Step {
    Publish(usize),
    Take,
}

proptest! {
    /// Whatever is published and taken: no queue is above its bound, chunks come in order and whole, and each is either
    /// taken, dropped or still there.
    #[test]
    fn a_queue_is_within_its_bounds_and_loses_only_from_its_front(
        most in 1_usize..2000,
        steps in prop::collection::vec(prop_oneof![(1_usize..700).prop_map(Step::Publish), Just(Step::Take)], 0..60),
    ) {
        let [hub] = hubs();
        let mut subscriber = subscribed(&hub, Bounds { bytes: most, overflow: Overflow::DropOldest }, &["a"]);
        let mut cx = Context::from_waker(Waker::noop());
        let mut model: Vec<(u8, usize)> = Vec::new();
        let mut dropped = 0;
        let cost = |length: usize| length.max(LEAST_CHUNK_COST);
        for (number, step) in (0_u8..).zip(steps) {
            match step {
                Step::Publish(length) => {
                    let fits = cost(length) <= most;
                    prop_assert_eq!(hub.publish("a", &vec![number; length]), Ok(u32::from(fits)));
                    if fits {
                        model.push((number, length));
                    } else {
                        dropped += 1;
                    }
                    while model.iter().map(|(_, length)| cost(*length)).sum::<usize>() > most {
                        model.remove(0);
                        dropped += 1;
                    }
                }
                Step::Take => {
                    let next = match subscriber.poll_next(&mut cx) {
                        Poll::Ready(Next::Chunk(chunk)) => Some((chunk.piece()[0], chunk.len())),
                        Poll::Ready(Next::End(end)) => panic!("{end:?}"),
                        Poll::Pending => None,
                    };
                    prop_assert_eq!(next, (!model.is_empty()).then(|| model.remove(0)));
                }
            }
            prop_assert_eq!(hub.counts().dropped, dropped);
        }
    }
}
