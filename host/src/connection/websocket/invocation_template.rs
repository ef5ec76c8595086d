//! The invocations of a WebSocket's handler, one for each message.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use crate::connection::quarantine::admit_to_target;
use crate::exchange::Exchange;
use crate::guest::{CallError, MessageReply};
use crate::metrics::WorkerRoute;
use crate::routes::Route;
use crate::websocket::message::Message;
use crate::worker::{NotAdmitted, Worker};

/// The invocation for one message.
pub(super) type MessageCall = Pin<Box<dyn Future<Output = Result<MessageReply, CallError>> + Send>>;

/// The parts of each invocation that stay the same.
pub(super) struct InvocationTemplate {
    pub(super) exchange: Arc<Exchange>,
    pub(super) route: Arc<Route>,
    pub(super) worker: Arc<Worker>,
    /// The number of the request that opened the WebSocket, for the log.
    pub(super) id: u64,
}

impl InvocationTemplate {
    /// Begins the invocation for a message that is taken at `now`. It has to end within the route's timeout, and by
    /// `grace` if that is given.
    pub(super) fn begin(&self, message: Message, now: Instant, grace: Option<Instant>) -> MessageCall {
        let Self { exchange, route, worker, id } = self;
        let deadline = now + route.options.settings.timeout;
        exchange.begin_message(grace.map_or(deadline, |grace| grace.min(deadline)));
        let invocation = route.invocation(exchange.clone(), *id);
        let (route, worker) = (route.clone(), worker.clone());
        Box::pin(async move {
            let mut _probes = None;
            let client = || invocation.exchange.request().map_or(u64::MAX, |request| request.peer.client());
            admit_to_target(&route, client, &mut _probes).map_err(|_| CallError::Quarantined)?;
            let _admission = worker.admit(&route, 1, 0).map_err(|reason| match reason {
                NotAdmitted::Places => CallError::Busy(reason.to_string()),
                NotAdmitted::Memory(shortage) => shortage.into(),
            })?;
            let _in_flight = worker.in_flight();
            worker.counters().count_request();
            worker.route_metrics(Some(&route)).into_iter().for_each(WorkerRoute::count_message);
            route.target.deliver(invocation, message).await
        })
    }
}
