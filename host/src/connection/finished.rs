//! How an exchange has ended, and what that is for its connection.

use crate::close_reason::CloseReason;
use crate::exchange::ExchangeEnd;
use crate::response::{AfterResponse, Response};

/// An exchange that has ended.
pub(super) struct Finished<N> {
    /// How, for the access log.
    pub(super) end: ExchangeEnd,
    /// What the connection goes on with; or why it ends with the exchange.
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

    /// All of the response is sent that is to be. A connection that persists goes on with `next`.
    pub(super) fn after(response: &Response, next: N) -> Self {
        match (response.is_truncated(), response.connection()) {
            (true, AfterResponse::Reset) => Self::closing(ExchangeEnd::Truncated, CloseReason::TruncatedUnseen),
            (true, AfterResponse::Close | AfterResponse::KeepAlive) => {
                Self::closing(ExchangeEnd::Truncated, CloseReason::Truncated)
            }
            (false, AfterResponse::KeepAlive) => Self { end: ExchangeEnd::Complete, next: Ok(next) },
            (false, AfterResponse::Close | AfterResponse::Reset) => {
                Self::closing(ExchangeEnd::Complete, CloseReason::NotPersistent)
            }
        }
    }
}
