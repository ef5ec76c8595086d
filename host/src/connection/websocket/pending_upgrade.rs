//! A pending upgrade: the handshake is valid, but the handler may still send another response.

use std::sync::Arc;
use std::time::Instant;

use super::{Backlog, HeldInput, InvocationTemplate, Upload, WebSocket};
use crate::clock;
use crate::exchange::Exchange;
use crate::net::WriteQueue;
use crate::pump::Pump;
use crate::rate::Pacer;
use crate::response::ResponseError;
use crate::routes::Route;
use crate::websocket::handshake::AcceptKey;
use crate::websocket::protocol::Protocol;
use crate::worker::{ParkedPermit, Worker};

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

    /// The WebSocket, once the response is sent.
    pub(in crate::connection) fn open(self, pump: Pump, place: ParkedPermit) -> WebSocket {
        let Self { accept: _, template, upload } = self;
        template.exchange.upgrade();
        let now = Instant::now();
        WebSocket {
            protocol: Protocol::new(template.route.options.settings.max_message),
            template,
            queue: WriteQueue::default(),
            pump,
            upload: Upload::new(upload),
            call: None,
            answering: 0,
            backlog: Backlog::default(),
            held_input: HeldInput::default(),
            last_read: now,
            ping_sent_at: None,
            last_message: now,
            stopping: false,
            reason: None,
            close_by: None,
            peer_gone: false,
            grace: None,
            _place: place,
        }
    }
}
