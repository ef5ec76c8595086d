//! Topics with history, without sockets: which events a subscriber reads after which id.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::history::is_event;
use super::tests::{ROOMY, RouteHub, WakeCounter, hubs, taken};
use super::*;

const AGE: Duration = Duration::from_secs(300);

/// A route of the top directory that keeps this many events.
fn keeping(hub: &RouteHub, events: usize) -> RouteHub {
    let history = History { events: NonZeroUsize::new(events), age: AGE };
    let tenant = TopicUser::new(Path::new(""), None, Quotas::default()).keeping(history);
    RouteHub { tenant: Arc::new(tenant), hub: hub.hub.clone() }
}

fn append(hub: &RouteHub, topic: &str, data: &str, now: Instant) -> String {
    let event = format!("data: {data}\n\n");
    match hub.hub.append(&hub.tenant, topic, event.as_bytes(), now).expect("it is an event") {
        Answer::Now(id) => id.to_string(),
        Answer::Later(_) => panic!("there is no engine"),
    }
}

fn read(subscriber: &mut Subscriber, after: Option<&str>, now: Instant) -> bool {
    assert!(matches!(subscriber.follow("a", now).expect("the tests have few topics"), Answer::Now(())));
    subscriber.read_after(after, now)
}

fn reader(hub: &RouteHub, after: Option<&str>, now: Instant) -> (Subscriber, bool) {
    let mut subscriber = hub.subscriber(ROOMY);
    let is_whole = read(&mut subscriber, after, now);
    (subscriber, is_whole)
}

/// An event as a reader gets it.
fn event(id: &str, data: &str) -> String {
    format!("id: {id}\ndata: {data}\n\n")
}

fn chunks(subscriber: &mut Subscriber) -> Vec<String> {
    let (chunks, end) = taken(subscriber);
    assert_eq!(end, None);
    chunks
}

#[test]
fn a_reader_gets_what_follows_its_last_event_once_and_in_order() {
    let ([hub], now) = (hubs(), Instant::now());
    let hub = keeping(&hub, 10);
    let ids: Vec<String> = (0..4).map(|number| append(&hub, "a", &number.to_string(), now)).collect();
    let (mut second, is_whole) = reader(&hub, Some(&ids[1]), now);
    assert!(is_whole);
    let next = append(&hub, "a", "4", now);
    assert_eq!(chunks(&mut second), [event(&ids[2], "2"), event(&ids[3], "3"), event(&next, "4")]);
    let (mut last, is_whole) = reader(&hub, Some(&next), now);
    assert!(is_whole && chunks(&mut last).is_empty(), "nothing is missing");
}

#[test]
fn a_reader_without_an_id_is_told_where_it_begins() {
    let ([hub], now) = (hubs(), Instant::now());
    let hub = keeping(&hub, 10);
    let first = append(&hub, "a", "0", now);
    let (mut new, is_whole) = reader(&hub, None, now);
    let next = append(&hub, "a", "1", now);
    assert_eq!((chunks(&mut new), is_whole), (vec![format!("id: {first}\n\n"), event(&next, "1")], true));
}

#[test]
fn a_reader_who_comes_back_too_late_is_reset_and_goes_on_from_there() {
    let ([hub], now) = (hubs(), Instant::now());
    let hub = keeping(&hub, 2);
    let ids: Vec<String> = (0..5).map(|number| append(&hub, "a", &number.to_string(), now)).collect();
    let reset = |id: &str| format!("id: {id}\nevent: reset\ndata:\n\n");
    let stranger = "0123456789abcdef-4";
    let future = ids[4].replace("-5", "-6");
    for lost in [&ids[0], &ids[1], stranger, &future, "", "x", "0-1", "-", "0123456789abcdef-99999999999999999999999"] {
        let (mut subscriber, is_whole) = reader(&hub, Some(lost), now);
        assert_eq!((chunks(&mut subscriber), is_whole), (vec![reset(&ids[4])], false), "{lost}");
    }
    let (mut kept, is_whole) = reader(&hub, Some(&ids[2]), now);
    assert_eq!((chunks(&mut kept), is_whole), (vec![event(&ids[3], "3"), event(&ids[4], "4")], true));
}

#[test]
fn a_reader_that_is_slower_than_what_is_kept_is_reset_and_not_disconnected() {
    let ([hub], now) = (hubs(), Instant::now());
    let hub = keeping(&hub, 2);
    let (mut slow, _) = reader(&hub, None, now);
    let ids: Vec<String> = (0..3).map(|number| append(&hub, "a", &number.to_string(), now)).collect();
    let taken = chunks(&mut slow);
    assert_eq!(taken[1..], [format!("id: {}\nevent: reset\ndata:\n\n", ids[2])]);
    let next = append(&hub, "a", "3", now);
    assert_eq!(chunks(&mut slow), [event(&next, "3")]);
}

#[test]
fn events_are_kept_for_history_seconds() {
    let ([hub], now) = (hubs(), Instant::now());
    let hub = keeping(&hub, 10);
    let (first, second) = (append(&hub, "a", "0", now), append(&hub, "a", "1", now + AGE / 2));
    assert!(reader(&hub, Some(&first), now + AGE).1, "the second is not too old");
    assert!(!reader(&hub, Some(&first), now + AGE + AGE / 2).1);
    assert!(reader(&hub, Some(&second), now + AGE + AGE / 2).1, "nothing is missing behind it");
}

#[test]
fn a_history_that_nobody_reads_is_forgotten_after_history_seconds_and_another_begins() {
    let ([hub], now) = (hubs(), Instant::now());
    let hub = keeping(&hub, 10);
    let first = append(&hub, "a", "0", now);
    let logs = hub.hub.topics.logs();
    logs.expire(now + AGE - Duration::from_millis(1));
    assert_eq!(logs.len(), 1);
    let (subscriber, _) = reader(&hub, Some(&first), now);
    logs.expire(now + 2 * AGE);
    assert_eq!(logs.len(), 1, "it has a subscriber");
    drop(subscriber);
    logs.expire(Instant::now() + AGE);
    assert_eq!(logs.len(), 0);
    assert!(!reader(&hub, Some(&first), now).1, "it is another history");
}

#[test]
fn a_history_outlives_a_new_version_of_its_route() {
    let ([hub], now) = (hubs(), Instant::now());
    let hub = keeping(&hub, 10);
    let first = append(&hub, "a", "0", now);
    let newer = RouteHub { tenant: Arc::new(hub.tenant.succeeding(&hub.tenant)), hub: hub.hub.clone() };
    let next = append(&newer, "a", "1", now);
    assert_eq!(chunks(&mut reader(&newer, Some(&first), now).0), [event(&next, "1")]);
}

#[test]
fn what_is_published_reaches_readers_without_an_id_and_others_get_events_without_theirs() {
    let ([hub], now) = (hubs(), Instant::now());
    let hub = keeping(&hub, 10);
    let (mut reads, _) = reader(&hub, None, now);
    let mut listens = hub.subscriber(ROOMY);
    listens.subscribe("a").expect("there is room");
    // This one is subscribed both ways.
    let mut both = hub.subscriber(ROOMY);
    both.subscribe("a").expect("there is room");
    assert!(read(&mut both, None, now));
    assert_eq!(hub.publish("a", b"typing"), Ok(3));
    let id = append(&hub, "a", "0", now);
    assert_eq!(chunks(&mut listens), ["typing", "data: 0\n\n"]);
    for reader in [&mut reads, &mut both] {
        let mut taken = chunks(reader);
        taken.sort();
        assert_eq!(taken[1..], [event(&id, "0"), "typing".to_owned()]);
    }
}

#[test]
fn a_finished_reader_gets_what_was_appended_before_and_nothing_more() {
    let ([hub], now) = (hubs(), Instant::now());
    let hub = keeping(&hub, 10);
    let (mut reads, _) = reader(&hub, None, now);
    let before: Vec<String> = (0..3).map(|number| append(&hub, "a", &number.to_string(), now)).collect();
    assert_eq!(hub.finish("a"), Ok(1));
    let (taken, end) = taken(&mut reads);
    let expected: Vec<String> = before.iter().zip(0..).map(|(id, number)| event(id, &number.to_string())).collect();
    assert_eq!((&taken[1..], end), (&expected[..], Some(InboxEnd::Finished)));
}

#[test]
fn a_waiting_reader_is_woken_by_an_event() {
    let ([hub], now) = (hubs(), Instant::now());
    let hub = keeping(&hub, 10);
    let (mut reads, _) = reader(&hub, None, now);
    let counter = Arc::new(WakeCounter::default());
    let waker = std::task::Waker::from(counter.clone());
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(reads.poll_next(&mut cx).is_ready(), "its id");
    assert!(reads.poll_next(&mut cx).is_pending());
    append(&hub, "a", "0", now);
    append(&hub, "a", "1", now);
    assert_eq!(counter.0.load(Ordering::Relaxed), 1);
    assert_eq!(chunks(&mut reads).len(), 2);
}

#[test]
fn publishers_on_many_threads_have_one_order_for_all_readers() {
    const EVENTS: usize = 200;
    let (hubs, now) = (hubs::<4>(), Instant::now());
    let hubs = hubs.each_ref().map(|hub| keeping(hub, 10_000));
    let mut readers = hubs.each_ref().map(|hub| reader(hub, None, now).0);
    std::thread::scope(|scope| {
        for (number, hub) in hubs.iter().enumerate() {
            scope
                .spawn(move || (0..EVENTS).for_each(|event| drop(append(hub, "a", &format!("{number}-{event}"), now))));
        }
    });
    let [first, others @ ..] = readers.each_mut().map(chunks);
    assert_eq!(first.len(), 1 + hubs.len() * EVENTS);
    assert!(others.iter().all(|other| *other == first));
    let offset = |chunk: &String| chunk.split(['-', '\n']).nth(1).and_then(|offset| offset.parse().ok());
    assert!(first.iter().map(offset).eq((0..=hubs.len() * EVENTS).map(Some)));
}

#[test]
fn what_is_no_event_and_who_keeps_nothing_is_refused() {
    let ([hub], now) = (hubs(), Instant::now());
    let keeps = keeping(&hub, 10);
    let append = |hub: &RouteHub, topic: &str, event: &[u8]| hub.hub.append(&hub.tenant, topic, event, now).map(drop);
    assert_eq!(append(&hub, "a", b"data: x\n\n"), Err(PushError::NoHistory));
    assert_eq!(append(&keeps, "\n", b"data: x\n\n"), Err(PushError::Topic));
    assert_eq!(append(&keeps, "a", b""), Err(PushError::Empty));
    assert_eq!(append(&keeps, "a", &[b'\n'; MAX_CHUNK_BYTES + 1]), Err(PushError::LargeChunk));
    assert_eq!(append(&keeps, "a", b"data: x"), Err(PushError::Event));
    assert_eq!(hub.hub.topics.logs().len(), 0);
    let (mut subscriber, _) = reader(&hub, None, now);
    assert_eq!(subscriber.follow("b", now).map(drop), Err(PushError::SecondHistory));
    assert_eq!(subscriber.subscribe("b"), Ok(()));
}

#[test]
fn histories_count_as_topics_and_those_that_nobody_needs_make_room() {
    let ([hub], now) = (hubs(), Instant::now());
    let hub = keeping(&hub, 10);
    let quotas = Quotas { topics: NonZeroUsize::new(2), ..Quotas::default() };
    let tenant = TopicUser::new(Path::new(""), None, quotas).keeping(hub.tenant.history());
    let hub = RouteHub { tenant: Arc::new(tenant), ..hub };
    append(&hub, "a", "0", now);
    append(&hub, "b", "0", now);
    let refused = |now| hub.hub.append(&hub.tenant, "c", b"data: x\n\n", now).map(drop);
    assert_eq!(refused(now + AGE / 2), Err(PushError::TopicQuota));
    assert_eq!(refused(now + AGE), Ok(()));
    assert_eq!(hub.hub.topics.logs().len(), 1);
}

#[test]
fn while_memory_is_short_the_older_half_is_dropped() {
    let ([hub], now) = (hubs(), Instant::now());
    let hub = keeping(&hub, 10);
    let ids: Vec<String> = (0..4).map(|number| append(&hub, "a", &number.to_string(), now)).collect();
    hub.hub.topics.drop_unused();
    assert!(reader(&hub, Some(&ids[1]), now).1);
    assert!(!reader(&hub, Some(&ids[0]), now).1);
}

/// An event of the engine.
fn shared(epoch: u64, offset: u64, bytes: &[u8]) -> SharedEvent<'_> {
    let history = History { events: NonZeroUsize::new(10), age: AGE };
    SharedEvent { id: EventId { epoch, offset }, history, kept_since: Instant::now(), bytes }
}

/// The copy of a history that has got to this event, and a reader of it.
fn copy_at(hub: &RouteHub, epoch: u64, offset: u64) -> (Arc<TopicLog>, Subscriber) {
    let now = Instant::now();
    let log = hub.hub.topics.logs().with(&hub.tenant, "a", now, |log| Ok(log.clone())).expect("there is room");
    log.continue_behind(EventId { epoch, offset });
    (log, reader(hub, None, now).0)
}

#[test]
fn a_copy_takes_the_next_event_alone_and_each_once() {
    let [hub] = hubs();
    let (log, mut reads) = copy_at(&hub, 7, 4);
    let apply = |offset, data: &[u8]| hub.hub.apply(&log, &hub.tenant, "a", &shared(7, offset, data), true);
    assert_eq!(apply(6, b"data: 6\n\n"), Applied::Gap);
    assert_eq!(apply(5, b"data: 5\n\n"), Applied::Kept);
    assert_eq!(apply(6, b"data: 6\n\n"), Applied::Kept);
    assert_eq!(apply(5, b"data: 5\n\n"), Applied::Known);
    assert_eq!(apply(u64::MAX, b"data: x\n\n"), Applied::Gap);
    assert_eq!(hub.hub.apply(&log, &hub.tenant, "a", &shared(8, 7, b"data: 7\n\n"), true), Applied::Gap);
    let id = |offset| EventId { epoch: 7, offset }.to_string();
    let expected = [format!("id: {}\n\n", id(4)), event(&id(5), "5"), event(&id(6), "6")];
    assert_eq!(chunks(&mut reads), expected);
}

#[test]
fn the_readers_of_a_copy_that_begins_anew_are_reset() {
    let [hub] = hubs();
    let (log, mut reads) = copy_at(&hub, 7, 4);
    assert_eq!(chunks(&mut reads).len(), 1);
    log.continue_behind(EventId { epoch: 7, offset: 3 });
    assert_eq!(chunks(&mut reads).len(), 0, "it has more than that");
    // Events are missing, the history is another one, or it has fewer events than before.
    let anew = [(7, 9), (8, 9), (8, 2)].map(|(epoch, offset)| EventId { epoch, offset });
    for (at, id) in anew.into_iter().enumerate() {
        if at == 2 {
            log.restart(id)
        } else {
            log.continue_behind(id)
        }
        assert_eq!(chunks(&mut reads), [format!("id: {id}\nevent: reset\ndata:\n\n")]);
    }
}

#[test]
fn what_strangers_put_into_a_history_is_an_event_that_is_lost() {
    let [hub] = hubs();
    let (log, mut reads) = copy_at(&hub, 7, 4);
    assert_eq!(chunks(&mut reads).len(), 1);
    let many = History { events: NonZeroUsize::new(10_001), age: AGE };
    let bad = [shared(7, 5, b"no event"), SharedEvent { history: many, ..shared(7, 6, b"data: x\n\n") }];
    for bad in bad {
        assert_eq!(hub.hub.apply(&log, &hub.tenant, "a", &bad, true), Applied::Kept);
        assert_eq!(chunks(&mut reads), [format!("id: {}\nevent: reset\ndata:\n\n", bad.id)]);
    }
}

#[test]
fn an_event_is_whole_single_and_without_an_id() {
    for good in [
        "data: x\n\n",
        "\n",
        ": comment\n\n",
        "data\r\n\r\n",
        "data: a\rdata: b\r\r",
        "idle: 1\n\n",
        "event: reset\n\n",
    ] {
        assert!(is_event(good.as_bytes()), "{good:?}");
    }
    for bad in [
        "",
        "data: x",
        "data: x\n",
        "data: x\n\ndata: y\n\n",
        "id: 1\n\n",
        "data: x\nid\n\n",
        "\n\n",
        "data: x\n\nx",
        "data: x\rid: 1\r\r",
    ] {
        assert!(!is_event(bad.as_bytes()), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn an_id_is_read_as_it_was_written(epoch: u64, offset: u64, text in "[0-9a-f-]{0,40}") {
        let id = EventId { epoch, offset };
        prop_assert_eq!(EventId::parse(&id.to_string()), Some(id));
        let _ = EventId::parse(&text);
    }

    /// Whoever reads, is cut off and comes back sees each offset once, in order, or a reset.
    #[test]
    fn a_reader_that_comes_and_goes_never_misses_an_event_silently(
        kept in 1_usize..6,
        steps in prop::collection::vec(0_u8..4, 0..80),
    ) {
        let ([hub], now) = (hubs(), Instant::now());
        let hub = keeping(&hub, kept);
        let (mut subscriber, _) = reader(&hub, None, now);
        let (mut last, mut id) = (0, String::new());
        let read = |subscriber: &mut Subscriber, last: &mut u64, id: &mut String| {
            for chunk in chunks(subscriber) {
                let line = chunk.lines().next().and_then(|line| line.strip_prefix("id: ")).expect("it has an id");
                let offset = EventId::parse(line).expect("it is an id").offset;
                let is_reset = chunk.contains("event: reset");
                let is_alone = chunk == format!("id: {line}\n\n");
                prop_assert!(is_reset || offset == *last + u64::from(!is_alone));
                prop_assert!(!is_reset || offset > *last);
                (*last, *id) = (offset, line.to_owned());
            }
            Ok(())
        };
        let mut appended = 0;
        for step in steps {
            match step {
                0 => {
                    read(&mut subscriber, &mut last, &mut id)?;
                    drop(subscriber);
                    subscriber = reader(&hub, Some(&id), now).0;
                }
                1 => read(&mut subscriber, &mut last, &mut id)?,
                _ => {
                    appended += 1;
                    append(&hub, "a", "x", now);
                }
            }
        }
        read(&mut subscriber, &mut last, &mut id)?;
        prop_assert_eq!(last, appended);
    }
}
