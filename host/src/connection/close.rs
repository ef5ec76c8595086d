//! How a connection ends: a client must get the last bytes it was sent.

use crate::close_reason::CloseReason;
use crate::net::{LingerBounds, MAX_SILENCE, Stream, Timer, linger};
use crate::worker::Worker;

/// How many bytes a client may go on sending that was not answered early, for [`MAX_SILENCE`].
const MAX_LINGER_BYTES: u64 = 1024 * 1024;

/// Closes the connection. A client that is still sending would otherwise lose the last response to a reset, so the
/// host ends its own side first and reads on within bounds (RFC 9112 section 9.6).
pub(super) async fn close(socket: &Stream, timer: &mut Timer, worker: &Worker, reason: CloseReason, half_closed: bool) {
    match reason {
        // What the system still holds for a client that stopped reading, or reads too slowly, goes too; it would look
        // like a whole response where the close delimits it.
        CloseReason::TruncatedUnseen | CloseReason::WriteTimeout | CloseReason::Lagging => {
            socket.reset_on_close();
            return;
        }
        // Its place is needed, and nothing was sent that its client could miss.
        CloseReason::ClientGone | CloseReason::Evicted => return,
        CloseReason::ClientClosed
        | CloseReason::NotPersistent
        | CloseReason::Handler
        | CloseReason::Idle
        | CloseReason::HeadTimeout
        | CloseReason::Refused
        | CloseReason::BodyUnread
        | CloseReason::Truncated
        | CloseReason::Violation
        | CloseReason::Failed
        | CloseReason::Overloaded
        | CloseReason::ClientOverloaded
        | CloseReason::Stopping => {}
    }
    if socket.shutdown_write().is_err() || half_closed {
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

/// Whether the client may be amid a request that was answered before it had come whole. One that was too slow, broke the
/// protocol or found no room is owed less.
fn answers_early(reason: CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::NotPersistent
            | CloseReason::BodyUnread
            | CloseReason::Refused
            | CloseReason::Truncated
            | CloseReason::Handler
    )
}
