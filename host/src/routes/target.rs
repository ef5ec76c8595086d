//! What answers the requests of a route.

use crate::guest::{CallError, GrantableImports, Handler, Invocation, MessageReply, Outcome, World};
use crate::websocket::message::Message;

/// What answers the requests of a route.
#[derive(Debug)]
#[cfg_attr(test, expect(clippy::large_enum_variant, reason = "only tests have the small one"))]
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

    /// The id of its handler, which is charged for the processor time. It is unique in this process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.handler().id()
    }

    /// Whether it may go on after its response is complete. Otherwise the next request of the connection waits for it.
    #[must_use]
    pub fn may_outlive_exchange(&self) -> bool {
        self.world() != World::Vibrato
    }

    /// The world that its handler is built for.
    #[must_use]
    pub fn world(&self) -> World {
        self.handler().world()
    }

    /// Its imports that need a grant. `None` if it is a script: the interpreter imports all that there are.
    #[must_use]
    pub fn imports(&self) -> Option<&GrantableImports> {
        match self {
            Self::Component(handler) => (!handler.is_script()).then(|| handler.imports()),
            #[cfg(test)]
            Self::Nothing => None,
        }
    }

    fn handler(&self) -> &Handler {
        match self {
            Self::Component(handler) => handler,
            #[cfg(test)]
            Self::Nothing => unreachable!("tests without a component call none"),
        }
    }
}
