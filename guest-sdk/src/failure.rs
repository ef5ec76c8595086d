//! Handles the error of a handler: decides who is at fault and how the response ends.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt::Display;
use std::io;

use crate::bindings::vibrato::handler::response as host;
use crate::{BodyError, Error, Outcome, Response};

/// Ends the invocation of a handler that returned an error.
pub(crate) fn fail<E: Display + 'static>(error: &E, response: Response) -> Outcome {
    match cause(error) {
        Cause::Response(error) => return refused(error),
        Cause::Body(BodyError::TooLarge) => match answer_too_large(response) {
            Ok(outcome) => return outcome,
            Err(Error::Closed) => {}
            Err(Error::HeadAlreadySent | Error::Invalid | Error::Forbidden | Error::TooLarge) => {
                give_up(BodyError::TooLarge.text());
            }
        },
        Cause::Body(error) => give_up(error.text()),
        Cause::Handler => give_up(&error.to_string()),
    }
    end()
}

/// Ends the invocation of a handler whose call to the response was refused. Separate from [`fail`] and with a constant
/// reason: formatting a text would add the imports of a panic to a handler that does not need them, and each import
/// costs every request.
pub(crate) fn refused(error: Error) -> Outcome {
    match error {
        // Nobody is at fault: the response is complete, or the client has gone.
        Error::Closed => {}
        Error::HeadAlreadySent | Error::Invalid | Error::Forbidden | Error::TooLarge => give_up(error.text()),
    }
    end()
}

/// Lets the host answer, which knows whether the client is at fault.
fn give_up(reason: &str) {
    // This fails only outside a request, where no handler is called.
    let _ = host::fail(reason);
}

/// Answers 413 here: the limit may be the handler's own, of [`read_all`](crate::Body::read_all), which the host does
/// not know.
fn answer_too_large(response: Response) -> Result<Outcome, Error> {
    response
        .set_status(BodyError::TooLarge.status())?
        // These fields described a body that is not sent.
        .remove_field("content-length")?
        .remove_field("content-encoding")?
        .set_field("content-type", "text/plain; charset=utf-8")?;
    Ok(Outcome::Body(b"Content Too Large\n".to_vec()))
}

/// The outcome after a response that is complete or that the host will answer. Not `close`: a second write to a `HEAD`
/// response is refused, but its connection remains usable.
fn end() -> Outcome {
    Outcome::Body(Vec::new())
}

/// Who caused an error.
#[derive(Debug, PartialEq, Eq)]
enum Cause {
    /// A call to the response was refused.
    Response(Error),
    /// The client: its body could not be read.
    Body(BodyError),
    /// The handler.
    Handler,
}

/// Finds the SDK's own errors, also inside the types that `?` wraps them in.
fn cause<E: 'static>(error: &E) -> Cause {
    let error: &dyn Any = error;
    if let Some(error) = error.downcast_ref() {
        Cause::Response(*error)
    } else if let Some(error) = error.downcast_ref() {
        Cause::Body(*error)
    } else if let Some(error) = error.downcast_ref::<io::Error>() {
        cause_inside(error)
    } else if let Some(error) = error.downcast_ref::<Box<dyn StdError>>() {
        cause_inside(&**error)
    } else if let Some(error) = error.downcast_ref::<Box<dyn StdError + Send + Sync>>() {
        cause_inside(&**error)
    } else {
        Cause::Handler
    }
}

fn cause_inside(error: &(dyn StdError + 'static)) -> Cause {
    if let Some(error) = error.downcast_ref() {
        Cause::Response(*error)
    } else if let Some(error) = error.downcast_ref() {
        Cause::Body(*error)
    } else if let Some(wrapped) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        cause_inside(wrapped)
    } else {
        Cause::Handler
    }
}

#[cfg(test)]
mod tests;
