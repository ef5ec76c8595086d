//! A handler that goes on after its response is complete and sent, while its connection serves the next request.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::failure::{explain, log_failure, remember_failure};
use super::quarantine::{Subject, count_failure};
use crate::exchange::{BodyError, Exchange};
use crate::guest::scheduler::note_poll;
use crate::guest::{CallError, Outcome};
use crate::routes::Route;
use crate::worker::{DetachedAdmission, Worker};

/// How long a handler may go on after its response, if its `timeout` does not end it before.
const MAX_TIME: Duration = Duration::from_secs(10);

/// A handler that may outlive its exchange.
pub(super) type OwnedHandler = Pin<Box<dyn Future<Output = Result<Outcome, CallError>> + Send>>;

/// A handler that goes on.
pub(super) struct Background {
    pub(super) handler: OwnedHandler,
    pub(super) exchange: Arc<Exchange>,
    pub(super) route: Arc<Route>,
    /// The id of the request.
    pub(super) id: u64,
    pub(super) worker: Arc<Worker>,
    /// Its permit, which it holds until it ends.
    pub(super) admission: DetachedAdmission,
}

impl Background {
    /// Runs the handler to its end in a task of its own. Its failure is logged.
    pub(super) fn spawn(self) {
        // The connection reads no more of this request's body.
        self.exchange.end_body(Err(BodyError::Incomplete));
        tokio::spawn(self.run());
    }

    async fn run(mut self) {
        let waker = self.exchange.handler_waker();
        let ends = poll_fn(|cx| {
            note_poll();
            self.exchange.begin_turn();
            while self.exchange.take_wake() {
                if let Poll::Ready(end) = self.exchange.poll_handler(&waker, self.handler.as_mut()) {
                    return Poll::Ready(end);
                }
            }
            self.exchange.end_turn(cx);
            Poll::Pending
        });
        let left = self.exchange.time_left().min(MAX_TIME);
        let end = tokio::time::timeout(left, ends).await.unwrap_or_else(|_| {
            let backtrace = "; it went on after its response".to_owned();
            Err(CallError::Deadline { backtrace })
        });
        let Self { exchange, route, worker, id, .. } = &self;
        match &end {
            Ok(_) => Subject::target(route).succeeded(exchange),
            Err(error) => count_failure(route, exchange, error),
        }
        if let Err(error) = end {
            log_failure(worker, route, *id, exchange, &error);
            let report = explain(worker.error_detail(), &route.mount.name, exchange, &error);
            remember_failure(worker, &route.mount.name, *id, report.as_ref());
        }
        drop(self.admission);
    }
}
