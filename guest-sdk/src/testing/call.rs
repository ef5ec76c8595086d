//! Calls a handler with the arguments that it takes.

use super::mock;
use super::{TestRequest, TestResponse};
use crate::argument::{Argument, argument};
use crate::outcome::outcome;
use crate::{IntoOutcome, Outcome};

/// A function that is a handler: it takes any of `Request`, `Response` and `Options`, and returns what
/// [`IntoOutcome`] lists. `Arguments` and `Marker` are always inferred.
pub trait TestHandler<Arguments, Marker> {
    #[doc(hidden)]
    fn run(self) -> Outcome;
}

macro_rules! test_handler {
    ($($argument:ident),*) => {
        impl<F, R, Marker, $($argument: Argument),*> TestHandler<($($argument,)*), Marker> for F
        where
            F: FnOnce($($argument),*) -> R,
            R: IntoOutcome<Marker>,
        {
            fn run(self) -> Outcome {
                outcome(self($(argument::<$argument>()),*))
            }
        }
    };
}

test_handler!();
test_handler!(A);
test_handler!(A, B);
test_handler!(A, B, C);

/// Calls a handler with a request, and records its response. Each thread calls one at a time.
///
/// # Panics
///
/// If the handler panics, or uses something of the SDK that needs a host, or calls a handler itself.
pub fn call<Arguments, Marker>(handler: impl TestHandler<Arguments, Marker>, request: TestRequest) -> TestResponse {
    let _invocation = mock::begin(request);
    let outcome = handler.run();
    mock::end(outcome)
}
