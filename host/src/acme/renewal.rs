//! When a certificate is ordered.

use std::time::{Duration, SystemTime};

use crate::certificates::Validity;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// How long to wait after each failed order, and after any more of them. Authorities allow five failures an hour.
const BACK_OFF: [Duration; 5] =
    [MINUTE, Duration::from_secs(5 * 60), Duration::from_secs(15 * 60), HOUR, Duration::from_secs(4 * 3600)];

/// The longest time that an authority may ask to wait.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(86_400);

/// The orders for one name.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    failures: usize,
    /// Not before this.
    retry: Option<SystemTime>,
}

impl Renewal {
    /// When the next order is due. `validity` is that of the certificate that is served, if there is one.
    pub(super) fn due(&self, validity: Option<Validity>) -> SystemTime {
        let due = validity.map_or(SystemTime::UNIX_EPOCH, renewal);
        self.retry.map_or(due, |retry| due.max(retry))
    }

    /// How many orders have failed since the last that did not.
    pub(super) fn failures(&self) -> usize {
        self.failures
    }

    /// An order has failed at `now`. Returns after which time the next one is made. The authority may have said how long to wait.
    pub(super) fn failed(&mut self, now: SystemTime, retry_after: Option<Duration>) -> Duration {
        let wait = BACK_OFF[self.failures.min(BACK_OFF.len() - 1)];
        let wait = retry_after.map_or(wait, |asked| wait.max(asked.min(MAX_RETRY_AFTER)));
        self.failures += 1;
        self.retry = Some(now + wait);
        wait
    }

    /// An order has succeeded at `now`. It may have got a certificate that is due at once, so the next one is not.
    pub(super) fn succeeded(&mut self, now: SystemTime) {
        *self = Self { failures: 0, retry: Some(now + HOUR) };
    }

    /// The operator wants the next order not to wait for what has failed.
    pub(super) fn retry_now(&mut self) {
        if self.failures > 0 {
            self.retry = None;
        }
    }
}

/// When a certificate is renewed: two thirds of its life have passed then.
pub(super) fn renewal(validity: Validity) -> SystemTime {
    let life = validity.not_after.saturating_sub(validity.not_before);
    let seconds = validity.not_before.saturating_add(life / 3 * 2);
    // A time that the system cannot tell is later than any.
    let latest = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX) * 50);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).map_or(latest, |time| time.min(latest))
}
