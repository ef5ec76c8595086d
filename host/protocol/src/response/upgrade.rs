//! The response that ends HTTP on its connection: what follows is WebSocket (RFC 6455 section 4.2.2).

use super::{Response, ResponseError, ResponseState};
use crate::http::date::Date;
use crate::http1::encode::{self, Framing, Upgrade};

/// Fields of the handshake that are the host's to say: another key's answer, extensions that nobody speaks.
const UPGRADE_FIELDS: [&str; 2] = ["sec-websocket-accept", "sec-websocket-extensions"];

impl Response {
    /// Answers 101 with `accept` as its `Sec-WebSocket-Accept` and the fields that were set, in place of the status that
    /// was. The response is complete then, and the connection carries no other.
    ///
    /// # Errors
    /// [`ResponseError::HeadSent`] or [`ResponseError::Closed`].
    pub fn switch_to_websocket(&mut self, accept: &str, date: fn() -> Date) -> Result<(), ResponseError> {
        self.check_building()?;
        for name in UPGRADE_FIELDS {
            self.fields.remove(name);
        }
        self.status = 101;
        self.keep_alive = false;
        let head = encode::Head {
            status: self.status,
            date: (!self.fields.contains("date")).then(date),
            content_type: None,
            fields: &self.fields,
            framing: Framing::NoBody,
            upgrade: Some(Upgrade::Done { accept }),
            connection: Some("Upgrade"),
        };
        encode::head(&head, &mut self.output);
        self.has_head = true;
        self.state = ResponseState::Complete;
        Ok(())
    }
}
