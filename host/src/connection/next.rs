//! What a connection goes on with after a request.

use super::parked::Parked;
use super::websocket::WebSocket;

/// What comes after a request that did not end its connection.
pub(super) enum Next {
    /// The next request.
    Request,
    /// The response, which its handler has left open: what it wrote was sent.
    Parked(Box<Parked>),
    /// The WebSocket that the connection is from now on.
    WebSocket(Box<WebSocket>),
}
