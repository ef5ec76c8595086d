//! Closing a connection so that the client receives the last bytes that were sent.

use crate::close_reason::CloseReason;
use crate::net::{LingerBounds, MAX_SILENCE, Stream, Timer, linger};
use crate::worker::Worker;

/// How many bytes a client may still send after a close that is no early response. [`MAX_SILENCE`] limits the time.
const MAX_LINGER_BYTES: u64 = 1024 * 1024;

/// Closes the connection. If the client is still sending, a plain close would reset the connection and the client could
/// lose the last response. The host therefore closes its sending side first, and reads on within bounds (RFC 9112
/// section 9.6).
pub(super) async fn close(socket: &Stream, timer: &mut Timer, worker: &Worker, reason: CloseReason, half_closed: bool) {
    match reason {
        // A reset also drops the bytes that the system still holds for the client. If they were sent, a response that
        // ends with the connection would look complete.
        CloseReason::TruncatedCloseDelimited | CloseReason::WriteTimeout | CloseReason::Lagging => {
            socket.reset_on_close();
            return;
        }
        // The client cannot miss any bytes, and the connection has to free its resources at once.
        CloseReason::ClientGone => return,
        CloseReason::Evicted => {
            // TLS says that this is the end, if the socket accepts that at once.
            if socket.is_tls() {
                let _ = socket.shutdown_write();
            }
            return;
        }
        CloseReason::ClientClosed
        | CloseReason::NotKeptByClient
        | CloseReason::NotKeptByServer
        | CloseReason::CloseDelimited
        | CloseReason::Handler
        | CloseReason::Idle
        | CloseReason::HeadTimeout
        | CloseReason::Refused
        | CloseReason::BodyUnread
        | CloseReason::Truncated
        | CloseReason::Violation
        | CloseReason::Failed
        | CloseReason::Http2Violation
        | CloseReason::Flooding
        | CloseReason::Overloaded
        | CloseReason::ClientOverloaded
        | CloseReason::TlsHandshake
        | CloseReason::CertificateChallenge
        | CloseReason::Untrusted
        | CloseReason::NoProxyHeader
        | CloseReason::Stopping => {}
    }
    let shutdown = match reason {
        CloseReason::Truncated => socket.break_off(),
        _ => socket.shutdown_write(),
    };
    if shutdown.is_err() || half_closed {
        return;
    }
    let config = worker.config();
    let (mut duration, mut bytes) = (config.timeouts.linger, config.limits.linger_bytes);
    if !answers_early(reason) {
        (duration, bytes) = (duration.min(MAX_SILENCE), bytes.min(MAX_LINGER_BYTES));
    }
    let bounds = LingerBounds { duration, duration_on_shutdown: config.timeouts.drain_request, bytes };
    linger(socket, timer, bounds, worker.stopping().wait()).await;
}

/// Whether the client may still be sending a request to which the response was sent early. A client that was too slow,
/// broke the protocol or found no room gets less time.
fn answers_early(reason: CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::NotKeptByClient
            | CloseReason::NotKeptByServer
            | CloseReason::CloseDelimited
            | CloseReason::BodyUnread
            | CloseReason::Refused
            | CloseReason::Truncated
            | CloseReason::Handler
    )
}
