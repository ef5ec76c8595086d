//! The arguments that a handler may take, selected by their types.

use crate::{Options, Request, Response};

/// An argument of a handler: any of [`Request`], [`Response`] and [`Options`], in any order.
#[diagnostic::on_unimplemented(
    message = "a handler cannot take an argument of type `{Self}`",
    label = "not an argument of a handler",
    note = "it takes any of `Request`, `Response` and `Options`, by value and in any order"
)]
pub trait Argument: sealed::Sealed {
    #[doc(hidden)]
    fn of_invocation() -> Self;
}

/// The argument of a type.
#[doc(hidden)]
pub fn argument<A: Argument>() -> A {
    A::of_invocation()
}

impl Argument for Request {
    fn of_invocation() -> Self {
        Self::of_invocation()
    }
}

impl Argument for Response {
    fn of_invocation() -> Self {
        Self::of_invocation()
    }
}

impl Argument for Options {
    fn of_invocation() -> Self {
        Self::of_invocation()
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for crate::Request {}
    impl Sealed for crate::Response {}
    impl Sealed for crate::Options {}
}
