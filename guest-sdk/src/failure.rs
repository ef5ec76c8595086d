//! What becomes of a handler's error. Owns whose fault it is and how the response ends; must not know return types.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt::Display;
use std::io;

use crate::bindings::vibrato::handler::response as host;
use crate::{BodyError, Error, Outcome, Response};

/// Ends the invocation of a handler that failed.
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

/// Ends the invocation of a handler whose call to the response was refused. Apart from [`fail`], and with a reason
/// that is there already: to make a text would bring all that a panic needs into a handler that has no other use for
/// it, and each import costs every request.
pub(crate) fn refused(error: Error) -> Outcome {
    match error {
        // Nobody's fault: the response is complete, or there is no client to answer any more.
        Error::Closed => {}
        Error::HeadAlreadySent | Error::Invalid | Error::Forbidden | Error::TooLarge => give_up(error.text()),
    }
    end()
}

/// Leaves the response to the host, which knows whether the client is at fault.
fn give_up(reason: &str) {
    // It is refused outside a request only, where no handler is called.
    let _ = host::fail(reason);
}

/// Answers 413: the limit may be the handler's own, of [`read_all`](crate::Body::read_all), which the host cannot know.
fn answer_too_large(response: Response) -> Result<Outcome, Error> {
    response
        .set_status(BodyError::TooLarge.status())?
        // They described the body that is not coming.
        .remove_field("content-length")?
        .remove_field("content-encoding")?
        .set_field("content-type", "text/plain; charset=utf-8")?;
    Ok(Outcome::Body(b"Content Too Large\n".to_vec()))
}

/// The end of a response that is over, or the host's to answer. Not `close`: a `HEAD` refuses a second write, and its
/// connection lives on.
fn end() -> Outcome {
    Outcome::Body(Vec::new())
}

/// Whose an error is.
#[derive(Debug, PartialEq, Eq)]
enum Cause {
    /// A call to the response was refused.
    Response(Error),
    /// The client's: its body could not be read.
    Body(BodyError),
    /// The handler's.
    Handler,
}

/// Looks for our own errors, also inside what `?` wraps them in.
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
