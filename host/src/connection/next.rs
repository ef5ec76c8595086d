//! What a connection goes on with after a request.

use super::parked::Parked;
use super::websocket::WebSocket;

/// What comes after a request that did not end its connection.
pub(super) enum Next {
    /// The next request.
    Request,
    /// The parked response: everything that its handler wrote is sent.
    Parked(Box<Parked>),
    /// The WebSocket that the connection is from now on.
    WebSocket(Box<WebSocket>),
}
