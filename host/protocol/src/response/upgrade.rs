//! The response that turns its connection from HTTP into a WebSocket (RFC 6455 section 4.2.2).

use super::{Response, ResponseError, ResponseState};
use crate::http::date::Date;

/// Fields of the handshake that only the host may set. A handler's values would accept another key, or extensions that
/// the host does not support.
const UPGRADE_FIELDS: [&str; 2] = ["sec-websocket-accept", "sec-websocket-extensions"];

impl Response {
    /// Completes the response as a 101, with `accept` as its `Sec-WebSocket-Accept` and the fields that were set. An
    /// earlier status is replaced. The connection carries no further response.
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
