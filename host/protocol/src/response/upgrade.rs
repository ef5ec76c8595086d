//! The response that ends HTTP on its connection: what follows is WebSocket (RFC 6455 section 4.2.2).

use super::{Response, ResponseError, ResponseState};
use crate::http::date::Date;

/// Fields of the handshake that are the host's to say: another key's answer, extensions that nobody speaks.
const UPGRADE_FIELDS: [&str; 2] = ["sec-websocket-accept", "sec-websocket-extensions"];

impl Response {
    /// Answers 101 with `accept` as its `Sec-WebSocket-Accept` and the fields that were set, in place of the status that
    /// was. The response is complete then, and the connection carries no other.
    ///
    /// # Errors
    /// [`ResponseError::HeadSent`] or [`ResponseError::Closed`].
    pub fn switch_to_websocket(&mut self, accept: &str, date: Date) -> Result<(), ResponseError> {
        let fields = self.fields_mut()?;
        for name in UPGRADE_FIELDS {
            fields.remove(name);
        }
        self.head.set_status(101);
        self.encoder.switch_to_websocket(&self.head, accept, date);
        self.head_sent = true;
        self.state = ResponseState::Complete;
        Ok(())
    }
}
