//! Parks the response of a handler that leaves it open, if that is allowed.

use super::state::ExchangeLoop;
use crate::connection::finished::Finished;
use crate::connection::next::Next;
use crate::connection::parked::Parked;
use crate::connection::websocket::WebSocket;
use crate::exchange::ExchangeEnd;
use crate::worker::{ParkedPermit, ParkingRefused};

impl<G> ExchangeLoop<'_, G> {
    /// Takes a permit for the response that the handler leaves open, if the response is not over and there is a permit.
    pub(super) fn leave_open(&mut self) {
        let (name, request) = (self.name(), self.id());
        let is_over = self.exchange.response(|response| {
            response.flush_coalesced();
            response.is_over()
        });
        let caller = self.caller.as_ref().filter(|_| !is_over);
        let permit = caller.map(|caller| caller.worker.park(caller.route)).transpose();
        let refused = permit.as_ref().err().copied();
        self.parked = permit.ok().flatten();
        let upgrade = self.caller.as_ref().and_then(|caller| caller.upgrade.as_ref()).filter(|_| self.parked.is_some());
        match upgrade.map(|upgrade| upgrade.answer()) {
            Some(Ok(())) => {}
            Some(Err(_)) => {
                if self.may_log() {
                    tracing::error!(
                        target: "handler",
                        route = name,
                        request,
                        "handler {name} wrote before it left its connection to be a WebSocket"
                    );
                }
                self.parked = None;
                self.fail(500, None);
            }
            None if is_over || self.parked.is_some() => {
                if self.may_log() {
                    tracing::info!(
                        target: "handler",
                        route = name,
                        request,
                        "handler {name} has exited with the connection possibly left open"
                    );
                }
            }
            None => {
                if self.may_log() {
                    let bound = match refused {
                        Some(ParkingRefused::Share) => "its route's `share` of --max-parked",
                        Some(ParkingRefused::Full) | None => "--max-parked",
                    };
                    tracing::warn!(
                        target: "handler",
                        route = name,
                        request,
                        "handler {name} cannot leave its connection open: as many as {bound} allows are open"
                    );
                }
                self.fail(503, None);
            }
        }
    }

    /// What the connection does next: it serves a parked response or a WebSocket, with this permit.
    pub(super) fn keep(&mut self, permit: ParkedPermit) -> Finished<Next> {
        match self.caller.as_mut().and_then(|caller| caller.upgrade.take()) {
            Some(upgrade) => {
                let websocket = Box::new(WebSocket::open(*upgrade, self.pump.take(), permit));
                Finished { end: ExchangeEnd::Upgraded, next: Ok(Next::WebSocket(websocket)) }
            }
            None => {
                let parked = Box::new(self.park(permit));
                Finished { end: ExchangeEnd::LeftOpen, next: Ok(Next::Parked(parked)) }
            }
        }
    }

    /// The parked response. If the request's body is not read to its end, the connection can carry no further request.
    fn park(&mut self, place: ParkedPermit) -> Parked {
        let is_read = self.body_reader.abandon(self.io.input) && self.body_reader.is_done();
        let (mut response, subscriber) = self.exchange.leave_open();
        if !is_read {
            response.forbid_keep_alive();
        }
        Parked::new(response, subscriber, self.pump.take(), place)
    }
}
