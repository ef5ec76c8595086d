//! Why connections end, in a word each, and how often each has.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client ended it between requests.
    ClientClosed,
    /// The client reset it, or stopped reading for good.
    ClientGone,
    /// The client or its version does not let it persist, or the response's framing ends with it.
    NotPersistent,
    /// The handler asked for it.
    Handler,
    /// No request came for as long as `idle` allows.
    Idle,
    /// A head took longer than `head` allows.
    HeadTimeout,
    /// The client took nothing of what was sent for as long as `write` allows.
    WriteTimeout,
    /// The request was refused in a way that leaves no next request to be found.
    Refused,
    /// The handler did not read the body, and the rest is too long to be dropped.
    BodyUnread,
    /// A response broke off, in a way that its framing shows.
    Truncated,
    /// A response broke off that only a reset tells from a whole one.
    TruncatedUnseen,
    /// The client did not keep up with what was published to it.
    Lagging,
    /// The client broke the protocol of its WebSocket.
    Violation,
    /// The handler of a WebSocket's message failed.
    Failed,
    /// The host had no room for it.
    Overloaded,
    /// The server stops.
    Stopping,
}

impl CloseReason {
    /// Every reason.
    pub const ALL: [Self; 16] = [
        Self::ClientClosed,
        Self::ClientGone,
        Self::NotPersistent,
        Self::Handler,
        Self::Idle,
        Self::HeadTimeout,
        Self::WriteTimeout,
        Self::Refused,
        Self::BodyUnread,
        Self::Truncated,
        Self::TruncatedUnseen,
        Self::Lagging,
        Self::Violation,
        Self::Failed,
        Self::Overloaded,
        Self::Stopping,
    ];

    /// The reason in words.
    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::ClientClosed => "the client closed it",
            Self::ClientGone => "the client is gone",
            Self::NotPersistent => "it was not to persist",
            Self::Handler => "the handler closed it",
            Self::Idle => "no request came in time",
            Self::HeadTimeout => "the head did not come in time",
            Self::WriteTimeout => "the client stopped reading",
            Self::Refused => "the request was refused",
            Self::BodyUnread => "the body was not read",
            Self::Truncated => "the response broke off",
            Self::TruncatedUnseen => "the response broke off unseen",
            Self::Lagging => "the client did not keep up with what was published",
            Self::Violation => "the client broke the protocol of its WebSocket",
            Self::Failed => "the handler of a message failed",
            Self::Overloaded => "there are too many connections",
            Self::Stopping => "the server stops",
        }
    }
}

/// How many connections have ended, by reason.
#[derive(Debug, Default)]
pub(crate) struct Closed([AtomicU64; CloseReason::ALL.len()]);

impl Closed {
    /// Counts one.
    pub(crate) fn count(&self, reason: CloseReason) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many have ended for this reason.
    pub(crate) fn number(&self, reason: CloseReason) -> u64 {
        self.0[reason as usize].load(Ordering::Relaxed)
    }
}
