//! What a middleware's return type means: [`IntoStep`] and [`HookResult`].

use std::fmt;

use crate::failure::fail;
use crate::{Outcome, Response, Step};

/// What `#[on_request]` can return.
///
/// | it returns | then |
/// |---|---|
/// | `()`, [`Step::Next`] | the next middleware is called, or the handler |
/// | another [`Step`], an [`Outcome`] | the response ends as it says; the handler is not called |
/// | `Option<T>` | `T`, or for `None` what `()` means |
/// | `Result<T, E>` | `T`; an error ends the response as that of a handler does |
#[diagnostic::on_unimplemented(
    message = "a middleware cannot return `{Self}` for a request",
    label = "neither the next step nor a response",
    note = "it returns `()`, a `Step` or an `Outcome`, or an `Option` or a `Result` of one of these"
)]
pub trait IntoStep {
    /// How the chain continues.
    fn into_step(self) -> Step;
}

/// What `#[on_response]` can return: `()`, or a `Result` of it. An error is logged and answered 500.
#[diagnostic::on_unimplemented(
    message = "a middleware cannot return `{Self}` for a response",
    label = "a response is already made",
    note = "it returns `()`, or a `Result` of it"
)]
pub trait HookResult {
    /// Reports an error to the host, which then fails the response.
    fn report(self);
}

/// The step of a middleware's return value.
#[doc(hidden)]
pub fn step(returned: impl IntoStep) -> Step {
    returned.into_step()
}

/// Reports an error that `#[on_response]` has returned.
#[doc(hidden)]
pub fn report_result(returned: impl HookResult) {
    returned.report();
}

impl IntoStep for () {
    fn into_step(self) -> Step {
        Step::Next
    }
}

impl IntoStep for Step {
    fn into_step(self) -> Step {
        self
    }
}

impl IntoStep for Outcome {
    fn into_step(self) -> Step {
        self.into()
    }
}

impl<T: IntoStep> IntoStep for Option<T> {
    fn into_step(self) -> Step {
        self.map_or(Step::Next, T::into_step)
    }
}

impl<T: IntoStep, E: fmt::Display + 'static> IntoStep for Result<T, E> {
    fn into_step(self) -> Step {
        match self {
            Ok(step) => step.into_step(),
            Err(error) => fail(&error, Response::of_invocation()).into(),
        }
    }
}

impl From<Outcome> for Step {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Body(body) => Self::Body(body),
            Outcome::Close => Self::Close,
            Outcome::Manual => Self::Manual,
        }
    }
}

impl HookResult for () {
    fn report(self) {}
}

impl<E: fmt::Display + 'static> HookResult for Result<(), E> {
    fn report(self) {
        if let Err(error) = self {
            // The outcome is ignored: the host ends the response.
            let _ = fail(&error, Response::of_invocation());
        }
    }
}
