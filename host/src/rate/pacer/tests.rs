//! A pacer gets the time as an argument, so its moments are exact.

use std::num::NonZeroU64;

use proptest::prelude::*;

use super::*;
use crate::rate::RateLimit;

fn budget(per_second: u64, burst: u64, now: Instant) -> Budget {
    Budget::new(NonZeroU64::new(per_second).expect("the rates of these tests are above 0"), burst, now)
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The number of bytes, of `waiting` ones, that pass at one moment. All of them are spent.
fn pass(pacer: &mut Pacer, waiting: usize, now: Instant) -> usize {
    let mut passed = 0;
    while passed < waiting
        && let Poll::Ready(allowed) = pacer.poll(waiting - passed, now)
    {
        pacer.spend(allowed);
        passed += allowed;
    }
    passed
}

#[test]
fn the_burst_passes_at_once_and_then_a_piece_at_its_time() {
    let start = Instant::now();
    let mut pacer = Pacer::new(budget(1000, 20, start), 10);
    assert_eq!(pass(&mut pacer, 100, start), 20);
    assert_eq!(pacer.waiting_until(), Some(start + millis(10)));
    assert_eq!(pass(&mut pacer, 80, start + millis(9)), 0);
    assert_eq!(pass(&mut pacer, 80, start + millis(10)), 10);
    assert_eq!(pacer.waiting_until(), Some(start + millis(20)));
}

#[test]
fn no_more_passes_than_waits_nor_than_a_piece() {
    let start = Instant::now();
    let mut pacer = Pacer::new(budget(1000, 100, start), 10);
    assert_eq!(pacer.piece(), 10);
    assert_eq!(pacer.poll(3, start), Poll::Ready(3));
    pacer.spend(2);
    // What was allowed and not spent is still allowed, and no more than it.
    assert_eq!(pacer.poll(30, start), Poll::Ready(1));
    pacer.spend(1);
    assert_eq!(pacer.poll(30, start), Poll::Ready(10));
    assert_eq!(pacer.poll(4, start), Poll::Ready(4));
}

#[test]
fn waking_late_costs_nothing_while_bytes_wait() {
    let start = Instant::now();
    let mut pacer = Pacer::new(budget(1000, 10, start), 10);
    assert_eq!(pass(&mut pacer, 1000, start), 10);
    // Pieces are due at 10, 20, 30 and 40 ms. All that is due by now passes.
    assert_eq!(pass(&mut pacer, 1000, start + millis(45)), 40);
    assert_eq!(pacer.waiting_until(), Some(start + millis(50)));
}

#[test]
fn time_in_which_nothing_waited_is_not_made_up_for() {
    let start = Instant::now();
    let mut pacer = Pacer::new(budget(1000, 10, start), 10);
    assert_eq!(pass(&mut pacer, 10, start), 10);
    pacer.rest();
    assert_eq!(pass(&mut pacer, 1000, start + millis(45)), 10);
    assert_eq!(pacer.waiting_until(), Some(start + millis(55)));
}

#[test]
fn being_later_than_the_bound_loses_the_time_beyond_it() {
    let start = Instant::now();
    let mut pacer = Pacer::new(budget(1000, 10, start), 10);
    assert_eq!(pass(&mut pacer, 10, start), 10);
    assert!(pacer.poll(1000, start).is_pending());
    let late = start + millis(1000);
    // The piece due at 10 ms, and those of the last 100 ms.
    assert_eq!(pass(&mut pacer, 1000, late), 10 + 10 + 100);
    assert_eq!(pacer.waiting_until(), Some(late + millis(10)));
}

#[test]
fn those_who_share_a_bucket_share_its_rate() {
    let start = Instant::now();
    let bucket = budget(1000, 20, start);
    let [mut one, mut other] = [0, 1].map(|_| Pacer::new(bucket.clone(), 10));
    assert_eq!((pass(&mut one, 10, start), pass(&mut other, 10, start)), (10, 10));
    let mut passed = [0, 0];
    for moment in 0..=1000 {
        let now = start + millis(moment);
        passed[0] += pass(&mut one, 1000, now);
        passed[1] += pass(&mut other, 1000, now);
    }
    assert_eq!(passed, [500, 500]);
}

#[test]
fn a_pacer_that_is_dropped_gives_back_what_it_has_not_spent() {
    let start = Instant::now();
    let bucket = budget(1000, 20, start);
    let mut pacer = Pacer::new(bucket.clone(), 10);
    assert_eq!(pacer.poll(10, start), Poll::Ready(10));
    pacer.spend(4);
    drop(pacer);
    let mut next = Pacer::new(bucket, 10);
    // 16 bytes are left: one piece at once, and the next when 4 more have come.
    assert_eq!(pass(&mut next, 100, start), 10);
    assert_eq!(next.waiting_until(), Some(start + millis(4)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_long_transfer_takes_exactly_its_time_however_late_each_wake_is(
        per_second in 1_000_000..20_000_000_u64,
        burst in 1460..65_536_u64,
        lateness in prop::collection::vec(0..50_u64, 1..16),
    ) {
        let start = Instant::now();
        let size = usize::try_from(per_second).expect("a size") + burst as usize;
        let rate = NonZeroU64::new(per_second).expect("it is above 0");
        let limit = RateLimit { rate, burst };
        let mut pacer = Pacer::new(budget(per_second, burst, start), limit.piece());
        let mut left = size;
        let mut lateness = [Duration::ZERO].into_iter().chain(lateness.iter().cycle().map(|late| millis(*late)));
        let mut wake = start;
        while left > 0 {
            left -= pass(&mut pacer, left, wake + lateness.next().unwrap_or_default());
            wake = pacer.waiting_until().unwrap_or(wake);
        }
        // The burst, and the bytes of one second.
        prop_assert_eq!(pacer.due, Some(start + Duration::from_secs(1)));
    }
}
