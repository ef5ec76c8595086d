//! The clocks as they were at the last tick: reading them costs no call, which a request would make several times.
//!
//! It must not know who ticks.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::http::date::Date;

/// What the moments are counted from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);
/// The last tick, in nanoseconds since then; 0 before the first.
static TICKED: AtomicU64 = AtomicU64::new(0);
/// The second of the wall clock at the last tick, since 1970; 0 before the first.
static SECOND: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static LAST: Cell<(u64, Date)> = const { Cell::new((u64::MAX, [0; 29])) };
}

/// Reads the clocks for all threads.
pub fn tick() {
    let ticked = u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX);
    // Where several tick, none goes back.
    TICKED.fetch_max(ticked, Ordering::Relaxed);
    SECOND.store(second(), Ordering::Relaxed);
}

/// The last tick: for what need not be known to some milliseconds. Now, before the first.
#[must_use]
pub fn recent() -> Instant {
    match TICKED.load(Ordering::Relaxed) {
        0 => Instant::now(),
        ticked => *START + Duration::from_nanos(ticked),
    }
}

/// The last tick, as the time since some moment that stays the same; zero before the first.
#[must_use]
pub fn ticked() -> Duration {
    Duration::from_nanos(TICKED.load(Ordering::Relaxed))
}

/// The time of the last tick as an IMF-fixdate (RFC 9110 section 5.6.7), formatted once a second on each thread.
#[must_use]
pub fn date() -> Date {
    let second = match SECOND.load(Ordering::Relaxed) {
        0 => second(),
        ticked => ticked,
    };
    let (last, date) = LAST.get();
    if last == second {
        return date;
    }
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
    let mut date = [b' '; 29];
    // An IMF-fixdate is 29 bytes long until the year 10,000.
    date.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    LAST.set((second, date));
    date
}

fn second() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_are_read_at_a_tick() {
        let (before, second_before) = (Instant::now(), second());
        tick();
        // Servers of other tests tick too, later.
        assert!(recent() >= before && recent() <= Instant::now());
        let date = date();
        let shown = httpdate::parse_http_date(str::from_utf8(&date).expect("a date is ASCII")).expect("it is a date");
        let shown = shown.duration_since(UNIX_EPOCH).expect("1970 is over").as_secs();
        assert!((second_before..=second()).contains(&shown));
    }
}
