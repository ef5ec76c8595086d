//! How an exchange ends, which is not how its connection does.

/// How an exchange has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeEnd {
    /// All of it was sent.
    Complete,
    /// It is truncated: the handler failed in the middle of it.
    Truncated,
    /// The handler closed the connection.
    Closed,
    /// The client closed the connection, or did not keep up for too long.
    ClientGone,
    /// It was parked until its client closed the connection.
    LeftOpen,
    /// The connection became a WebSocket, whose bytes are not counted.
    Upgraded,
    /// The server stopped before its end.
    Stopped,
}

impl ExchangeEnd {
    /// One word for it.
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
