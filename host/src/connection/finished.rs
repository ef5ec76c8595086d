//! How an exchange has ended, and what its connection does next.

use crate::close_reason::CloseReason;
use crate::exchange::ExchangeEnd;
use crate::http::response_head::CloseCause;
use crate::response::{AfterResponse, Response};

/// An exchange that has ended.
pub(super) struct Finished<N> {
    /// How the exchange has ended, for the access log.
    pub(super) end: ExchangeEnd,
    /// What the connection does next, or why it ends with the exchange.
    pub(super) next: Result<N, CloseReason>,
}

impl<N> Finished<N> {
    /// The connection ends with the exchange.
    pub(super) fn closing(end: ExchangeEnd, reason: CloseReason) -> Self {
        Self { end, next: Err(reason) }
    }

    /// The exchange and the connection end because of the client.
    pub(super) fn client_gone(reason: CloseReason) -> Self {
        Self::closing(ExchangeEnd::ClientGone, reason)
    }

    /// The whole response is sent. If the connection persists, it continues with `next`.
    pub(super) fn after(response: &Response, next: N) -> Self {
        match (response.is_truncated(), response.connection()) {
            (true, AfterResponse::Reset) => Self::closing(ExchangeEnd::Truncated, CloseReason::TruncatedCloseDelimited),
            (true, AfterResponse::Close(_) | AfterResponse::KeepAlive) => {
                Self::closing(ExchangeEnd::Truncated, CloseReason::Truncated)
            }
            (false, AfterResponse::KeepAlive) => Self { end: ExchangeEnd::Complete, next: Ok(next) },
            (false, AfterResponse::Close(cause)) => Self::closing(ExchangeEnd::Complete, reason(cause)),
            (false, AfterResponse::Reset) => Self::closing(ExchangeEnd::Complete, CloseReason::CloseDelimited),
        }
    }
}

fn reason(cause: CloseCause) -> CloseReason {
    match cause {
        CloseCause::Client => CloseReason::NotKeptByClient,
        CloseCause::Server => CloseReason::NotKeptByServer,
        CloseCause::CloseDelimited => CloseReason::CloseDelimited,
    }
}
