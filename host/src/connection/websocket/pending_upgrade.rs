//! A pending upgrade: the handshake is valid, but the handler may still send another response.

use std::sync::Arc;

use super::invocation_template::InvocationTemplate;
use crate::clock;
use crate::exchange::Exchange;
use crate::rate::Pacer;
use crate::response::ResponseError;
use crate::routes::Route;
use crate::websocket::handshake::AcceptKey;
use crate::worker::Worker;

/// Everything that a WebSocket needs, except its connection.
pub(in crate::connection) struct PendingUpgrade {
    accept: AcceptKey,
    template: InvocationTemplate,
    upload: Option<Pacer>,
}

impl PendingUpgrade {
    /// A pending upgrade of the request `id` to `route`. The pacer `upload` limits the rate of messages.
    pub(in crate::connection) fn new(
        accept: AcceptKey,
        exchange: &Arc<Exchange>,
        route: &Arc<Route>,
        worker: &Arc<Worker>,
        id: u64,
        upload: Option<Pacer>,
    ) -> Self {
        let template =
            InvocationTemplate { exchange: exchange.clone(), route: route.clone(), worker: worker.clone(), id };
        Self { accept, template, upload }
    }

    /// Accepts the handshake.
    ///
    /// # Errors
    /// The handler has begun another response.
    pub(in crate::connection) fn answer(&self) -> Result<(), ResponseError> {
        self.template.exchange.response(|response| response.switch_to_websocket(self.accept.as_str(), clock::date()))
    }

    /// The template of the WebSocket's invocations, and the pacer of its messages.
    pub(super) fn into_parts(self) -> (InvocationTemplate, Option<Pacer>) {
        (self.template, self.upload)
    }
}
