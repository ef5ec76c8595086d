//! Why connections are closed.

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client closed it between two requests.
    ClientClosed,
    /// The client reset it, or stopped reading for good.
    ClientGone,
    /// The request did not allow it to persist: `Connection: close`, or HTTP/1.0 without `keep-alive`.
    NotKeptByClient,
    /// The server did not let it persist, such as when it stops or the rest of a request's body is unknown.
    NotKeptByServer,
    /// A complete response ended with the connection.
    CloseDelimited,
    /// The handler closed it.
    Handler,
    /// No request arrived within `idle`.
    Idle,
    /// It was idle, and another connection needed its place.
    Evicted,
    /// A head took longer than `head`.
    HeadTimeout,
    /// The client read nothing for `write`.
    WriteTimeout,
    /// The request was refused, and the next request cannot be found.
    Refused,
    /// The handler did not read the body, and the remainder is too long to discard.
    BodyUnread,
    /// A response was truncated, and its framing shows that.
    Truncated,
    /// A close-delimited response was truncated, which only a reset shows.
    TruncatedCloseDelimited,
    /// The client did not read published chunks fast enough.
    Lagging,
    /// The client violated the WebSocket protocol.
    Violation,
    /// The handler of a WebSocket message failed.
    Failed,
    /// The client violated HTTP/2.
    Http2Violation,
    /// The client of an HTTP/2 connection reset too many streams, or sent too many frames that do nothing.
    Flooding,
    /// The server was overloaded.
    Overloaded,
    /// Its client had the maximum of connections per client.
    ClientOverloaded,
    /// The handshake of TLS failed, or was not complete in time.
    TlsHandshake,
    /// A certificate authority has verified in its handshake that a name leads here.
    CertificateChallenge,
    /// It is from no trusted proxy, and its listener takes clients from those alone.
    Untrusted,
    /// It did not start with a header of the PROXY protocol, and its listener requires one.
    NoProxyHeader,
    /// The server shuts down.
    Stopping,
}

impl CloseReason {
    /// Every reason.
    pub const ALL: [Self; 26] = [
        Self::ClientClosed,
        Self::ClientGone,
        Self::NotKeptByClient,
        Self::NotKeptByServer,
        Self::CloseDelimited,
        Self::Handler,
        Self::Idle,
        Self::Evicted,
        Self::HeadTimeout,
        Self::WriteTimeout,
        Self::Refused,
        Self::BodyUnread,
        Self::Truncated,
        Self::TruncatedCloseDelimited,
        Self::Lagging,
        Self::Violation,
        Self::Failed,
        Self::Http2Violation,
        Self::Flooding,
        Self::Overloaded,
        Self::ClientOverloaded,
        Self::TlsHandshake,
        Self::CertificateChallenge,
        Self::Untrusted,
        Self::NoProxyHeader,
        Self::Stopping,
    ];

    /// Whether it was closed only because it did not persist after a complete response.
    #[must_use]
    pub fn is_not_persistent(self) -> bool {
        matches!(self, Self::NotKeptByClient | Self::NotKeptByServer | Self::CloseDelimited)
    }

    /// Its name as a label: one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientClosed => "client-closed",
            Self::ClientGone => "client-gone",
            Self::NotKeptByClient => "not-kept-by-client",
            Self::NotKeptByServer => "not-kept-by-server",
            Self::CloseDelimited => "close-delimited",
            Self::Handler => "handler",
            Self::Idle => "idle",
            Self::Evicted => "evicted",
            Self::HeadTimeout => "head-timeout",
            Self::WriteTimeout => "write-timeout",
            Self::Refused => "refused",
            Self::BodyUnread => "body-unread",
            Self::Truncated => "truncated",
            Self::TruncatedCloseDelimited => "truncated-close-delimited",
            Self::Lagging => "lagging",
            Self::Violation => "websocket-violation",
            Self::Failed => "message-failed",
            Self::Http2Violation => "http2-violation",
            Self::Flooding => "flooding",
            Self::Overloaded => "overloaded",
            Self::ClientOverloaded => "client-overloaded",
            Self::TlsHandshake => "tls-handshake",
            Self::CertificateChallenge => "certificate-challenge",
            Self::Untrusted => "untrusted",
            Self::NoProxyHeader => "no-proxy-header",
            Self::Stopping => "stopping",
        }
    }

    /// The reason, as text.
    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::ClientClosed => "the client closed it",
            Self::ClientGone => "the client is gone",
            Self::NotKeptByClient => "the client did not keep it alive",
            Self::NotKeptByServer => "the server did not keep it alive",
            Self::CloseDelimited => "the response ended with the connection",
            Self::Handler => "the handler closed it",
            Self::Idle => "no request came in time",
            Self::Evicted => "it was idle and another one needed its place",
            Self::HeadTimeout => "the head did not come in time",
            Self::WriteTimeout => "the client stopped reading",
            Self::Refused => "the request was refused",
            Self::BodyUnread => "the body was not read",
            Self::Truncated => "the response was truncated",
            Self::TruncatedCloseDelimited => "the response was truncated, which only a reset shows",
            Self::Lagging => "the client is too slow for what is published",
            Self::Violation => "the client broke the protocol of its WebSocket",
            Self::Failed => "the handler of a message failed",
            Self::Http2Violation => "the client violated HTTP/2",
            Self::Flooding => "the client reset too many streams, or sent too many frames that do nothing",
            Self::Overloaded => "there are too many connections",
            Self::ClientOverloaded => "there are too many connections from this address",
            Self::TlsHandshake => "the TLS handshake failed",
            Self::CertificateChallenge => "a certificate authority has verified a name",
            Self::Untrusted => "it came from no trusted proxy",
            Self::NoProxyHeader => "it did not start with a header of the PROXY protocol",
            Self::Stopping => "the server stops",
        }
    }
}
