//! The wall clock as the `Date` field shows it, formatted once a second on each thread.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::http::response::Date;

thread_local! {
    static LAST: Cell<(u64, Date)> = const { Cell::new((u64::MAX, [0; 29])) };
}

/// The current time as an IMF-fixdate (RFC 9110 section 5.6.7).
#[must_use]
pub fn date() -> Date {
    let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
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
