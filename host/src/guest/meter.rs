//! What an invocation costs, measured for who asks.
//!
//! Owns the measuring, apart from the way of a request that nobody measures. It must not know who asks.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::instance::Instance;
use super::state::State;
use super::{CallError, Handler, Invocation, Outcome};

/// What one invocation cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Making the instance.
    pub instantiate: Duration,
    /// Running the handler, host functions included, waiting excluded.
    pub run: Duration,
    /// The bytes of all its memories at its end, when they are largest: they never shrink.
    pub memory: usize,
}

/// Measures the invocations of an engine, one at a time. A clone is the same meter.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Option<Cost>>>);

impl Meter {
    /// What the last invocation has cost so far; none where there was none.
    #[must_use]
    pub fn last(&self) -> Option<Cost> {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Cost>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls a handler in an instance of its own, whatever its route allows, and measures it. What is known of the cost
/// is told as it arises, so that an invocation that is dropped has one too.
pub(super) async fn call(handler: &Handler, invocation: Invocation, meter: &Meter) -> Result<Outcome, CallError> {
    *meter.lock() = Some(Cost::default());
    let change = |change: &dyn Fn(&mut Cost)| change(meter.lock().get_or_insert_default());
    let memory = invocation.options.settings.memory;
    let made = pin!(Instance::new(handler, State::new(invocation, memory)));
    let mut instance = Timed { inner: made, took: |took| change(&|cost| cost.instantiate += took) }.await?;
    change(&|cost| cost.memory = instance.memory());
    let outcome = {
        let called = pin!(instance.call());
        Timed { inner: called, took: |took| change(&|cost| cost.run += took) }.await
    };
    change(&|cost| cost.memory = instance.memory());
    outcome
}

/// A future, with how long each of its turns took.
struct Timed<'f, F, T> {
    inner: Pin<&'f mut F>,
    took: T,
}

impl<F: Future, T: Fn(Duration) + Unpin> Future for Timed<'_, F, T> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let begun = Instant::now();
        let polled = self.inner.as_mut().poll(cx);
        (self.took)(begun.elapsed());
        polled
    }
}
