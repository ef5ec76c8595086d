//! What answers the requests of a route.

use crate::guest::{CallError, Handler, Invocation, MessageReply, Outcome};
use crate::websocket::message::Message;

/// What answers the requests of a route.
#[derive(Debug)]
pub enum RouteTarget {
    /// A component: an instance of it is called for each request.
    Component(Handler),
    /// Nothing: for tests that only look a route up.
    #[cfg(test)]
    Nothing,
}

impl RouteTarget {
    /// Answers a request.
    ///
    /// # Errors
    /// As [`Handler::call`].
    pub fn call(&self, invocation: Invocation) -> impl Future<Output = Result<Outcome, CallError>> + Send + '_ {
        self.handler().call(invocation)
    }

    /// Answers a message of a WebSocket.
    ///
    /// # Errors
    /// As [`Handler::deliver`].
    pub fn deliver(
        &self,
        invocation: Invocation,
        message: Message,
    ) -> impl Future<Output = Result<MessageReply, CallError>> + Send + '_ {
        self.handler().deliver(invocation, message)
    }

    /// The number that the scheduler counts its processor time under. No other target of the process has it.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.handler().number()
    }

    fn handler(&self) -> &Handler {
        match self {
            Self::Component(handler) => handler,
            #[cfg(test)]
            Self::Nothing => unreachable!("tests without a component call none"),
        }
    }
}
