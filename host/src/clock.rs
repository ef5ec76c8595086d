//! Coarse clocks that are read at each tick of the epoch thread, so that a request reads them without a system call.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::http::date::Date;

/// The origin of `TICKED`.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);
/// The last tick, in nanoseconds since `START`. 0 before the first tick.
static TICKED: AtomicU64 = AtomicU64::new(0);
/// The wall clock at the last tick, in seconds since 1970. 0 before the first tick.
static SECOND: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static LAST_DATE: Cell<(u64, Date)> = const { Cell::new((u64::MAX, [0; 29])) };
}

/// Reads the clocks for all threads.
pub fn tick() {
    let ticked = u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX);
    // With several tickers, the clock must not go back.
    TICKED.fetch_max(ticked, Ordering::Relaxed);
    SECOND.store(second(), Ordering::Relaxed);
}

/// The time of the last tick, precise to some milliseconds. Now, before the first tick.
#[must_use]
pub fn recent() -> Instant {
    match TICKED.load(Ordering::Relaxed) {
        0 => Instant::now(),
        ticked => *START + Duration::from_nanos(ticked),
    }
}

/// The time of the last tick, as a duration since a fixed moment. Zero before the first tick.
#[must_use]
pub fn ticked() -> Duration {
    Duration::from_nanos(TICKED.load(Ordering::Relaxed))
}

/// The time of the last tick as an IMF-fixdate (RFC 9110 section 5.6.7). Formatted once per second and thread.
#[must_use]
pub fn date() -> Date {
    let second = match SECOND.load(Ordering::Relaxed) {
        0 => second(),
        ticked => ticked,
    };
    let (last, date) = LAST_DATE.get();
    if last == second {
        return date;
    }
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
    let mut date = [b' '; 29];
    // An IMF-fixdate has 29 bytes until the year 10,000.
    date.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    LAST_DATE.set((second, date));
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
        // Servers of other tests may tick later.
        assert!(recent() >= before && recent() <= Instant::now());
        let date = date();
        let shown = httpdate::parse_http_date(str::from_utf8(&date).expect("a date is ASCII")).expect("it is a date");
        let shown = shown.duration_since(UNIX_EPOCH).expect("1970 is over").as_secs();
        assert!((second_before..=second()).contains(&shown));
    }
}
