//! How many frames a client sends that are of no request: PING, SETTINGS, PRIORITY, RST_STREAM of what has ended, and frames of
//! unknown types. Each costs the host a little, and some are answered.

use std::time::{Duration, Instant};

use crate::http2::frames::FrameScanner;

/// How long frames are counted before the count begins again.
const WINDOW: Duration = Duration::from_secs(30);

/// How many such frames a client always has in that time.
const ALLOWED: u64 = 1000;

/// How many more it has for each frame of a request: browsers send priorities, and cancel.
const FOR_EACH_MESSAGE: u64 = 10;

/// For how many bytes that the host has sent it has one more: some clients send a PING after each DATA frame, to measure how
/// fast responses come, and the smallest frame with payload is larger.
const BYTES_FOR_EACH: u64 = 8;

/// The bytes of an answer to such a frame, of which the longest is that to a PING. They allow no more.
const ANSWER_BYTES: u64 = 17;

/// The frames of one connection within a window of time.
#[derive(Debug)]
pub(super) struct ControlFrameRate {
    since: Instant,
    controls: u64,
    messages: u64,
    written: u64,
}

impl ControlFrameRate {
    /// Counts from `now` on.
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, controls: 0, messages: 0, written: 0 }
    }

    /// Whether there are too many: more than a client needs for its requests, and for the `written` bytes of the host.
    pub(super) fn is_exceeded(&mut self, scanner: &FrameScanner, written: u64, now: impl FnOnce() -> Instant) -> bool {
        let controls = scanner.controls() - self.controls;
        if controls <= ALLOWED {
            return false;
        }
        let now = now();
        if now.saturating_duration_since(self.since) >= WINDOW {
            *self = Self { since: now, controls: scanner.controls(), messages: scanner.messages(), written };
            return false;
        }
        let messages = scanner.messages() - self.messages;
        let sent = (written - self.written).saturating_sub(controls * ANSWER_BYTES);
        controls > ALLOWED + FOR_EACH_MESSAGE * messages + sent / BYTES_FOR_EACH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: u8 = 1;
    const PING: u8 = 6;

    fn feed(scanner: &mut FrameScanner, kind: u8) {
        scanner.feed(&[0, 0, 0, kind, 4, 0, 0, 0, 0]);
    }

    /// After how many PINGs the client is told off, if it has sent this many frames of requests, and got this many bytes.
    fn told_off_after(messages: u64, written: u64, every: Duration) -> Option<u32> {
        let start = Instant::now();
        let (mut rate, mut scanner) = (ControlFrameRate::new(start), FrameScanner::default());
        (0..messages).for_each(|_| feed(&mut scanner, HEADERS));
        (1..=100_000).find(|number| {
            feed(&mut scanner, PING);
            rate.is_exceeded(&scanner, written, || start + every * *number)
        })
    }

    #[test]
    fn a_client_that_does_nothing_else_is_told_off_past_the_bound() {
        assert_eq!(told_off_after(0, 0, Duration::ZERO), Some(1001));
    }

    #[test]
    fn requests_and_what_is_sent_for_them_allow_more() {
        assert_eq!(told_off_after(5, 0, Duration::ZERO), Some(1051));
        let answers = 1101 * ANSWER_BYTES;
        assert_eq!(told_off_after(0, answers + 100 * BYTES_FOR_EACH, Duration::ZERO), Some(1101));
    }

    #[test]
    fn frames_count_within_their_window() {
        assert_eq!(told_off_after(0, 0, Duration::from_millis(100)), None);
        assert!(told_off_after(0, 0, Duration::from_millis(10)).is_some());
    }

    #[test]
    fn a_ping_for_each_small_frame_of_a_response_is_not_too_many() {
        let (mut rate, mut scanner) = (ControlFrameRate::new(Instant::now()), FrameScanner::default());
        let is_exceeded = (1..=100_000).any(|number| {
            feed(&mut scanner, PING);
            // A DATA frame of one byte, and the answer.
            rate.is_exceeded(&scanner, (10 + ANSWER_BYTES) * number, Instant::now)
        });
        assert!(!is_exceeded);
    }

    #[test]
    fn the_answers_to_pings_allow_no_more_of_them() {
        let (mut rate, mut scanner) = (ControlFrameRate::new(Instant::now()), FrameScanner::default());
        let is_exceeded = (1..=2000).any(|number| {
            feed(&mut scanner, PING);
            rate.is_exceeded(&scanner, ANSWER_BYTES * number, Instant::now)
        });
        assert!(is_exceeded);
    }
}
