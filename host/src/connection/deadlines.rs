//! The deadlines of a running exchange, a parked response or a WebSocket.

use std::time::Instant;

/// The kinds of deadlines. If several have passed, they are handled in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadline {
    /// The client has accepted no output, or too little of it, for too long.
    WriteStall,
    /// The client has sent nothing of the request's body, or too little of it, for too long.
    Body,
    /// The handler's time is used up.
    Handler,
    /// The client has not responded to the close frame of its WebSocket.
    Close,
    /// The client has closed its sending side, and nothing was sent to it since then for too long.
    HalfClose,
    /// Nothing was published to the connection or received on it for too long.
    Idle,
    /// The client was silent for the heartbeat interval, so the host checks whether it is still there.
    Heartbeat,
    /// The rate limit allows the next piece.
    Pacing,
}

/// The deadlines that are set. Each is `None` if it does not apply.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    pub(super) write_stall: Option<Instant>,
    pub(super) body: Option<Instant>,
    pub(super) handler: Option<Instant>,
    pub(super) close: Option<Instant>,
    pub(super) half_close: Option<Instant>,
    pub(super) idle: Option<Instant>,
    pub(super) heartbeat: Option<Instant>,
    pub(super) pacing: Option<Instant>,
}

impl Deadlines {
    /// The earliest deadline. It is `None` if none is set.
    pub(super) fn next(&self) -> Option<Instant> {
        self.in_order().into_iter().filter_map(|(_, at)| at).min()
    }

    /// The first deadline to handle of those that have passed at `now`.
    pub(super) fn expired(&self, now: Instant) -> Option<Deadline> {
        let mut passed = self.in_order().into_iter().filter(|(_, at)| at.is_some_and(|at| now >= at));
        passed.next().map(|(deadline, _)| deadline)
    }

    fn in_order(&self) -> [(Deadline, Option<Instant>); 8] {
        [
            (Deadline::WriteStall, self.write_stall),
            (Deadline::Body, self.body),
            (Deadline::Handler, self.handler),
            (Deadline::Close, self.close),
            (Deadline::HalfClose, self.half_close),
            (Deadline::Idle, self.idle),
            (Deadline::Heartbeat, self.heartbeat),
            (Deadline::Pacing, self.pacing),
        ]
    }
}

/// The earlier of two moments. If one is `None`, the other.
pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_next_is_the_earliest_and_the_first_to_be_dealt_with_is_the_most_serious_of_those_that_passed() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(Deadlines::default().next(), None);
        assert_eq!(Deadlines::default().expired(at(9)), None);
        let deadlines = Deadlines {
            pacing: Some(at(1)),
            heartbeat: Some(at(2)),
            idle: Some(at(3)),
            half_close: Some(at(4)),
            close: Some(at(5)),
            handler: Some(at(6)),
            body: Some(at(7)),
            write_stall: Some(at(8)),
        };
        assert_eq!(deadlines.next(), Some(at(1)));
        let order = [
            Deadline::Pacing,
            Deadline::Heartbeat,
            Deadline::Idle,
            Deadline::HalfClose,
            Deadline::Close,
            Deadline::Handler,
            Deadline::Body,
            Deadline::WriteStall,
        ];
        assert_eq!(deadlines.expired(start), None);
        for (passed, deadline) in (1..).zip(order) {
            assert_eq!(deadlines.expired(at(passed)), Some(deadline), "after {passed}");
        }
    }

    #[test]
    fn the_earlier_of_two_is_the_one_that_is_set() {
        let (start, later) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        for (one, other, first) in
            [(None, None, None), (Some(later), None, Some(later)), (Some(later), Some(start), Some(start))]
        {
            assert_eq!((earlier(one, other), earlier(other, one)), (first, first));
        }
    }
}
