//! Why a request's body is incomplete, and the status that tells the client.

use thiserror::Error;

/// Why the rest of a request's body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyError {
    /// The client ended the connection in the middle of the body.
    #[error("the client ended the connection before the end of the body")]
    Incomplete,
    /// The chunked coding is malformed.
    #[error("the chunked coding of the body is malformed")]
    Malformed,
    /// The body is larger than `max_body`.
    #[error("the body is larger than max_body")]
    TooLarge,
    /// The client has sent nothing for longer than the timeout.
    #[error("the client stopped sending the body")]
    TimedOut,
}

impl BodyError {
    /// The status of the response to such a request.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Incomplete | Self::Malformed => 400,
            Self::TooLarge => 413,
            Self::TimedOut => 408,
        }
    }
}
