//! What the test guests share: how they say what became of a call. Must not know any guest.

use guest_sdk::{BodyError, Error};

/// What became of a call to the response: `ok`, or the error's name in the WIT.
pub fn said<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Error::Closed) => "closed",
        Err(Error::HeadAlreadySent) => "head-already-sent",
        Err(Error::Invalid) => "invalid",
        Err(Error::Forbidden) => "forbidden",
        Err(Error::TooLarge) => "too-large",
        Err(Error::Unavailable) => "unavailable",
    }
}

/// The name in the WIT of why a body cannot be read.
pub fn named(error: BodyError) -> &'static str {
    match error {
        BodyError::Incomplete => "incomplete",
        BodyError::Malformed => "malformed",
        BodyError::TooLarge => "too-large",
        BodyError::TimedOut => "timed-out",
    }
}
