//! Time is injected, so every moment is compared exactly.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Clients, RateLimit, TokenBucket};
use crate::net::{ClientKey, Peer};

const MIB: u64 = 1024 * 1024;

fn rate(bytes: u64) -> NonZeroU64 {
    NonZeroU64::new(bytes).expect("the rates of these tests are above 0")
}

/// The client at an address.
fn client(text: &str) -> ClientKey {
    let address: IpAddr = text.parse().expect("the addresses of these tests are valid");
    Peer::from(SocketAddr::new(address, 40_000)).client_key().expect("it has an address")
}

#[test]
fn a_full_bucket_allows_its_burst_at_once_and_then_its_rate() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(rate(1000), 100, start);
    assert_eq!(bucket.reserve(60, start), start);
    assert_eq!(bucket.reserve(40, start), start);
    assert_eq!(bucket.reserve(1, start), start + Duration::from_millis(1));
    assert_eq!(bucket.reserve(9, start), start + Duration::from_millis(10));
}

#[test]
fn a_transfer_takes_exactly_its_size_less_the_burst_over_the_rate() {
    for (size, per_second, burst) in
        [(8 * MIB, 2 * MIB, 20_971), (8 * MIB, 2 * MIB, MIB), (1_000_003, 7919, 1), (65_536, 1, 16_384)]
    {
        let nanos = (u128::from(size - burst) * 1_000_000_000).div_ceil(per_second.into());
        let expected = Duration::from_nanos(u64::try_from(nanos).expect("these transfers take years at most"));
        for step in [1009, 1460, 10_485, 65_536, size] {
            for patient in [true, false] {
                let start = Instant::now();
                let mut bucket = TokenBucket::new(rate(per_second), burst, start);
                let (mut left, mut now, mut last) = (size, start, start);
                while left > 0 {
                    let bytes = left.min(step);
                    last = bucket.reserve(bytes, now);
                    left -= bytes;
                    if patient {
                        now = now.max(last);
                    }
                }
                assert_eq!(last - start, expected, "{size} bytes at {per_second} in steps of {step}");
            }
        }
    }
}

#[test]
fn those_who_share_a_bucket_are_served_in_the_order_they_reserved() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(rate(10), 10, start);
    let moments = [10, 20, 10, 1].map(|bytes| bucket.reserve(bytes, start) - start);
    assert_eq!(moments, [0, 2000, 3000, 3100].map(Duration::from_millis));
}

#[test]
fn a_rest_fills_the_bucket_to_its_burst_and_no_further() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(rate(10), 10, start);
    bucket.reserve(10, start);
    assert!(!bucket.is_full(start + Duration::from_millis(999)));
    assert!(bucket.is_full(start + Duration::from_secs(1)));
    let later = start + Duration::from_secs(3600);
    assert_eq!(bucket.reserve(10, later), later);
    assert_eq!(bucket.reserve(1, later), later + Duration::from_millis(100));
}

#[test]
fn a_refund_undoes_a_reservation_and_never_overfills() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(rate(10), 10, start);
    let untouched = bucket.clone();
    bucket.reserve(25, start);
    bucket.refund(25);
    assert_eq!(bucket, untouched);
    bucket.refund(1);
    assert_eq!(bucket, untouched);
}

#[test]
fn an_earlier_moment_than_the_last_neither_gains_nor_loses() {
    let start = Instant::now();
    let late = start + Duration::from_secs(1);
    let mut bucket = TokenBucket::new(rate(10), 10, start);
    bucket.reserve(10, late);
    assert_eq!(bucket.reserve(1, start), late + Duration::from_millis(100));
    assert_eq!(bucket.reserve(1, late), late + Duration::from_millis(200));
}

#[test]
fn the_largest_amounts_wait_for_a_very_long_time_and_do_not_overflow() {
    let start = Instant::now();
    for (per_second, burst, bytes) in [(1, 1, u64::MAX), (u64::MAX, u64::MAX, u64::MAX), (1, u64::MAX, 1)] {
        let mut bucket = TokenBucket::new(rate(per_second), burst, start);
        for _ in 0..100 {
            assert!(bucket.reserve(bytes, start) <= start + super::MAX_WAIT);
        }
    }
}

#[test]
fn a_piece_is_half_the_burst_and_at_most_ten_milliseconds_or_a_segment() {
    for (per_second, burst, expected) in [
        (2 * MIB, 20_971, 10_485),
        (2 * MIB, MIB, 20_971),
        (1000, 16_384, 1460),
        (1000, 1000, 500),
        (1, 1, 1),
        (u64::MAX, MIB, 524_288),
    ] {
        let limit = RateLimit { rate: rate(per_second), burst };
        assert_eq!(limit.piece(), expected, "{per_second} bytes a second, a burst of {burst}");
    }
}

#[test]
fn one_client_has_one_budget_whatever_form_its_address_has() {
    let clients = Clients::new(RateLimit { rate: rate(10), burst: 10 });
    let now = Instant::now();
    for (one, other, same) in [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("2001:db8:0:7::1", "2001:db8:0:7:ffff::2", true),
        ("2001:db8:0:7::1", "2001:db8:0:8::1", false),
    ] {
        let (first, second) = (clients.budget(client(one), now), clients.budget(client(other), now));
        assert_eq!(first.is_same(&second), same, "{one} and {other}");
    }
}

#[test]
fn a_client_that_reconnects_finds_its_budget_as_it_left_it() {
    let clients = Clients::new(RateLimit { rate: rate(10), burst: 10 });
    let start = Instant::now();
    let client = client("192.0.2.1");
    reserve(&clients, client, 30, start);
    // Other clients come and sweeps run, but its bucket is not full before 3 s have passed.
    for other in 0..10_000_u32 {
        let _ = clients.budget(ClientKey::V4(other.into()), start + Duration::from_millis(2999));
    }
    let now = start + Duration::from_millis(2999);
    assert_eq!(reserve(&clients, client, 10, now), start + Duration::from_secs(3));
}

#[test]
fn full_budgets_that_nobody_uses_are_removed() {
    let clients = Clients::new(RateLimit { rate: rate(10), burst: 10 });
    let start = Instant::now();
    let held = clients.budget(client("2001:db8::1"), start);
    for client in 0..100_000_u32 {
        // Each bucket is full again after a second, in which a thousand clients come.
        reserve(&clients, ClientKey::V4(client.into()), 10, start + Duration::from_millis(client.into()));
    }
    assert!(clients.kept() <= 2 * 1000 + 16 * 32 + 1, "{} are kept", clients.kept());
    assert!(held.is_same(&clients.budget(client("2001:db8::2"), start)));
}

fn reserve(clients: &Clients, client: ClientKey, bytes: u64, now: Instant) -> Instant {
    clients.budget(client, now).reserve(bytes, now)
}

proptest! {
    #[test]
    fn no_window_of_time_holds_more_than_the_burst_and_its_rate(
        per_second in 1..10_000_000_u64,
        burst in 1..100_000_u64,
        steps in proptest::collection::vec((0..50_000_000_u64, 1..100_000_u64), 1..60),
    ) {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(rate(per_second), burst, start);
        let mut now = start;
        let allowed: Vec<(u128, u128)> = steps
            .into_iter()
            .map(|(pause, bytes)| {
                now += Duration::from_nanos(pause);
                let bytes = bytes.min(burst);
                let moment = bucket.reserve(bytes, now).max(now);
                ((moment - start).as_nanos(), u128::from(bytes))
            })
            .collect();
        let most = |nanos: u128| u128::from(burst) * 1_000_000_000 + u128::from(per_second) * nanos;
        for first in 0..allowed.len() {
            let mut bytes = 0;
            for (moment, piece) in &allowed[first..] {
                bytes += piece;
                prop_assert!(allowed[first].0 <= *moment);
                // Either end of a window is a whole nanosecond, rounded up.
                prop_assert!(bytes * 1_000_000_000 <= most(moment - allowed[first].0 + 1));
                prop_assert!(first != 0 || bytes * 1_000_000_000 <= most(*moment));
            }
        }
    }

    #[test]
    fn how_a_transfer_is_cut_does_not_change_when_it_ends(
        per_second in 1..10_000_000_u64,
        burst in 1..100_000_u64,
        pieces in proptest::collection::vec(1..100_000_u64, 1..60),
    ) {
        let start = Instant::now();
        let mut whole = TokenBucket::new(rate(per_second), burst, start);
        let mut cut = whole.clone();
        let mut now = start;
        for piece in &pieces {
            now = cut.reserve(*piece, now).max(now);
        }
        prop_assert_eq!(now, whole.reserve(pieces.iter().sum(), start));
    }
}
