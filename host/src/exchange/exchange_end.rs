//! How an exchange ends. How its connection ends is another question.

/// How an exchange has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeEnd {
    /// The whole response was sent.
    Complete,
    /// The response is truncated: the handler failed after the head was sent.
    Truncated,
    /// The handler closed the connection.
    Closed,
    /// The client closed the connection, or a timeout for the client passed.
    ClientGone,
    /// The response was parked until its client closed the connection.
    LeftOpen,
    /// The connection became a WebSocket, whose bytes are not counted.
    Upgraded,
    /// The server stopped before the response was complete.
    Stopped,
}

impl ExchangeEnd {
    /// Every end.
    pub const ALL: [Self; 7] = [
        Self::Complete,
        Self::Truncated,
        Self::Closed,
        Self::ClientGone,
        Self::LeftOpen,
        Self::Upgraded,
        Self::Stopped,
    ];

    /// Its name in the access log, which is one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Truncated => "truncated",
            Self::Closed => "closed",
            Self::ClientGone => "client-gone",
            Self::LeftOpen => "left-open",
            Self::Upgraded => "upgraded",
            Self::Stopped => "stopped",
        }
    }
}
