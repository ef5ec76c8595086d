//! What becomes of a handler's error. Owns whose fault it is and how the response ends; must not know return types.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt::Display;
use std::io::{self, Write};
use std::process;

use crate::{BodyError, Error, Outcome, Response};

/// Ends the invocation of a handler that failed.
pub(crate) fn fail<E: Display + 'static>(error: &E, response: Response) -> Outcome {
    match cause(error) {
        Cause::Over => end(),
        Cause::Body(error) => answer(error.status(), response),
        Cause::Handler => {
            // Nobody is left to tell where stderr is refused, and the client is answered all the same.
            let _ = writeln!(io::stderr(), "{error}");
            answer(500, response)
        }
    }
}

/// Whose fault an error is.
#[derive(Debug, PartialEq, Eq)]
enum Cause {
    /// Nobody's: the response is complete, or there is no client to answer any more.
    Over,
    /// The client's: its body could not be read.
    Body(BodyError),
    /// The handler's.
    Handler,
}

/// Looks for our own errors, also inside what `?` wraps them in.
fn cause(error: &dyn Any) -> Cause {
    as_error(error).map_or(Cause::Handler, cause_of_error)
}

fn cause_of_error(error: &(dyn StdError + 'static)) -> Cause {
    if let Some(Error::Closed) = error.downcast_ref() {
        Cause::Over
    } else if let Some(error) = error.downcast_ref() {
        Cause::Body(*error)
    } else if let Some(wrapped) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        cause_of_error(wrapped)
    } else {
        Cause::Handler
    }
}

/// The error types that can be ours or hold one of ours; a handler's error needs only to be shown.
fn as_error(error: &dyn Any) -> Option<&(dyn StdError + 'static)> {
    if let Some(error) = error.downcast_ref::<Error>() {
        Some(error)
    } else if let Some(error) = error.downcast_ref::<BodyError>() {
        Some(error)
    } else if let Some(error) = error.downcast_ref::<io::Error>() {
        Some(error)
    } else if let Some(error) = error.downcast_ref::<Box<dyn StdError>>() {
        Some(&**error)
    } else if let Some(error) = error.downcast_ref::<Box<dyn StdError + Send + Sync>>() {
        Some(&**error)
    } else {
        None
    }
}

/// Answers a status and its reason in a line of text, or cuts the response that has begun.
fn answer(status: u16, response: Response) -> Outcome {
    match response.set_status(status) {
        Ok(_) => {
            // They described the body that is not coming. None of the three can be refused before the head.
            let _ = response.remove_field("content-length");
            let _ = response.remove_field("content-encoding");
            let _ = response.set_field("content-type", "text/plain; charset=utf-8");
            Outcome::Body(reason(status).as_bytes().to_vec())
        }
        Err(Error::Closed) => end(),
        // A trap is what leaves the body without its last chunk.
        Err(Error::HeadAlreadySent | Error::Invalid | Error::Forbidden | Error::TooLarge) => process::abort(),
    }
}

/// The end of a response that is over. Not `close`: a `HEAD` refuses a second write, and its connection lives on.
fn end() -> Outcome {
    Outcome::Body(Vec::new())
}

/// The body of an answer to a failure: the reason phrase of its status (RFC 9110 section 15), in a line.
fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request\n",
        408 => "Request Timeout\n",
        413 => "Content Too Large\n",
        _ => "Internal Server Error\n",
    }
}

#[cfg(test)]
mod tests;
