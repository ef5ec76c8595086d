//! How a connection ends: a client must get the last bytes it was sent.

use std::task::Poll;
use std::time::{Duration, Instant};

use crate::close_reason::CloseReason;
use crate::net::{Stream, Timer};
use crate::worker::Worker;

/// How long a client may be silent that was sent the host's last byte.
const SILENCE: Duration = Duration::from_secs(2);

/// How many bytes a client may go on sending, for as long, that was not answered early.
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
        CloseReason::ClientGone => return,
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
        | CloseReason::Stopping => {}
    }
    if socket.shutdown().is_err() || half_closed {
        return;
    }
    linger(socket, timer, worker, reason).await;
}

/// Reads and drops what the client goes on sending, until it ends its side too, is silent, or is past the bounds.
async fn linger(socket: &Stream, timer: &mut Timer, worker: &Worker, reason: CloseReason) {
    let config = worker.config();
    let (mut longest, mut left) = (config.timeouts.linger, config.limits.linger_bytes);
    if !answers_early(reason) {
        (longest, left) = (longest.min(SILENCE), left.min(MAX_LINGER_BYTES));
    }
    let start = Instant::now();
    let (mut until, mut silent_until) = (start + longest, start + SILENCE);
    let mut stopping = std::pin::pin!(worker.stopping().wait());
    let mut stops = false;
    std::future::poll_fn(|cx| {
        if !stops && stopping.as_mut().poll(cx).is_ready() {
            stops = true;
            until = until.min(Instant::now() + config.timeouts.drain_request);
        }
        while left > 0 {
            match socket.poll_discard(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(read)) => {
                    left = left.saturating_sub(read as u64);
                    let now = Instant::now();
                    silent_until = now + SILENCE;
                    if now >= until {
                        return Poll::Ready(());
                    }
                }
                Poll::Pending => return timer.poll(cx, until.min(silent_until)),
            }
        }
        Poll::Ready(())
    })
    .await;
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
