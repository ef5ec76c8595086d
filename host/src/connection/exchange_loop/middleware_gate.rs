//! Polls the handler, and holds the head of its response until the middleware chain has seen it.
//!
//! Owns when the chain runs: at the first write, or when the handler has ended.

use std::task::Poll;

use bytes::Bytes;

use super::state::{ExchangeLoop, HandlerEnd, HeadReview, MiddlewareGate};
use crate::connection::failure::substitute;
use crate::guest::{CallError, Outcome};

impl<'c, G> ExchangeLoop<'c, G>
where
    G: Future<Output = Result<Outcome, CallError>>,
{
    /// Holds the head until `review` has ended.
    pub(in crate::connection) fn hold_head(&mut self, review: HeadReview<'c>) {
        self.exchange.hold_head();
        self.gate = Some(Box::new(MiddlewareGate { review, in_review: false, ending: None }));
    }

    /// Polls the handler, or the middleware in its place.
    pub(super) fn poll_guests(&mut self) {
        match self.gate {
            Some(_) => self.poll_gate(),
            None => self.poll_handler(),
        }
    }

    fn poll_handler(&mut self) {
        if let Some(handler) = self.handler.as_mut().as_pin_mut()
            && let Poll::Ready(end) = self.exchange.poll_handler(&self.waker, handler)
        {
            self.handler.set(None);
            self.on_handler_done(end);
        }
    }

    /// Handles the end of the handler.
    pub(super) fn on_handler_done(&mut self, end: Result<Outcome, CallError>) {
        let ending = self.classify(end);
        match self.gate {
            Some(_) => self.review_or_finish(ending),
            None => self.finish_with(ending),
        }
    }

    /// Polls the handler, or the chain while it sees the head.
    fn poll_gate(&mut self) {
        loop {
            if let Some(held) = self.gate.as_mut().filter(|held| held.in_review) {
                match self.exchange.poll_handler(&self.waker, held.review.as_mut()) {
                    Poll::Ready(failed) => self.release_head(failed),
                    Poll::Pending => return,
                }
            }
            self.poll_handler();
            if self.gate.is_some() && !self.is_in_review() && self.exchange.is_head_requested() {
                self.run_on_response(None);
            }
            if !self.is_in_review() {
                return;
            }
        }
    }

    /// Ends the response as `ending` says. If the head is not sent yet, the chain sees it first.
    fn review_or_finish(&mut self, ending: HandlerEnd) {
        let ending = match ending {
            ending if !self.exchange.is_head_held() => return self.finish_with(ending),
            closed @ HandlerEnd::Returned(Outcome::Close) => return self.finish_with(closed),
            returned @ HandlerEnd::Returned(Outcome::Body(_) | Outcome::Manual) => returned,
            HandlerEnd::Failed(code, report) => {
                let body = substitute(self.worker(), &self.exchange, self.id(), code, report.as_ref());
                HandlerEnd::Returned(Outcome::Body(body))
            }
        };
        self.run_on_response(Some(ending));
    }

    /// Ends the middleware, whose deadline has passed while it waits.
    pub(super) fn abort_middleware(&mut self, error: &CallError) {
        self.log_failure(error);
        self.count_failure(error);
        let report = self.explain_failure(error);
        let body = substitute(self.worker(), &self.exchange, self.id(), error.status(), report.as_ref());
        self.release_head(Some(body));
    }

    fn run_on_response(&mut self, ending: Option<HandlerEnd>) {
        if let Some(held) = &mut self.gate {
            (held.in_review, held.ending) = (true, ending);
            self.exchange.begin_review(self.io.timeouts.grace);
            self.exchange.wake_handler();
        }
    }

    /// Releases the head, which the chain has seen. If a middleware has failed, the handler is dropped, because none of
    /// its output would be sent.
    fn release_head(&mut self, failed: Option<Bytes>) {
        self.exchange.release_head();
        let ending = self.gate.take().and_then(|held| held.ending);
        let ending = match failed {
            Some(body) => {
                self.handler.set(None);
                Some(HandlerEnd::Returned(Outcome::Body(body)))
            }
            None => ending,
        };
        if let Some(ending) = ending {
            self.finish_with(ending);
        }
    }
}
