//! Measures the cost of calls, for requests that ask for it. Kept out of the path of all other requests.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use super::{CallError, Handler, Invocation, Outcome};
use crate::meter::{Meter, Stage};

/// Calls a handler as [`Handler::call`] does and measures it. The cost is recorded as it arises, so that a dropped
/// invocation has one too.
pub(super) async fn call(handler: &Handler, invocation: Invocation, meter: &Meter) -> Result<Outcome, CallError> {
    let reuse = invocation.options.settings.reuse;
    let route = invocation.route.clone();
    let mut span = invocation.exchange.trace().and_then(|trace| trace.enter(|| format!("handler {route}")));
    let made = pin!(handler.instance(invocation));
    let mut instance = Timed { inner: made, meter, stage: Stage::Instantiate }.await?;
    meter.note_memory(instance.memory());
    let outcome = {
        let called = pin!(instance.call());
        Timed { inner: called, meter, stage: Stage::Run }.await
    };
    meter.note_memory(instance.memory());
    let outcome = outcome.inspect_err(|error| span.iter_mut().for_each(|span| span.fail(error)))?;
    drop(span);
    handler.end(instance, reuse, &outcome);
    Ok(outcome)
}

/// Measures a future if there is a meter.
pub(super) async fn timed<F: Future>(meter: Option<&Meter>, stage: Stage, call: F) -> F::Output {
    match meter {
        Some(meter) => Timed { inner: pin!(call), meter, stage }.await,
        None => call.await,
    }
}

/// A future whose polls are measured.
struct Timed<'f, F> {
    inner: Pin<&'f mut F>,
    meter: &'f Meter,
    stage: Stage,
}

impl<F: Future> Future for Timed<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.meter.enter(self.stage, Instant::now());
        let polled = self.inner.as_mut().poll(cx);
        self.meter.leave(Instant::now());
        polled
    }
}
