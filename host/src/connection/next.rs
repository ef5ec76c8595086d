//! What a connection does after a request.

use super::parked::Parked;
use super::websocket::WebSocket;

/// What a connection does after a request that has not ended it.
pub(super) enum Next {
    /// It reads the next request.
    Request,
    /// It serves a parked response, after everything that the handler wrote is sent.
    Parked(Box<Parked>),
    /// It has become this WebSocket.
    WebSocket(Box<WebSocket>),
}
