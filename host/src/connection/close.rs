//! How a connection ends: a client must get the last bytes it was sent.

use std::net::Shutdown;
use std::task::Poll;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::net::TcpStream;

use super::scratch;
use super::timer::Timer;
use crate::close_reason::CloseReason;

/// How long, and for how many bytes, a client may go on sending after the host's last byte.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

/// Closes the connection. A client that is still sending would otherwise lose the last response to a reset, so the
/// host ends its own side first and reads on within bounds (RFC 9112 section 9.6).
pub(super) async fn close(socket: &TcpStream, timer: &mut Timer, reason: CloseReason, half_closed: bool) {
    match reason {
        // What the system still holds for a client that stopped reading, or reads too slowly, goes too; it would look
        // like a whole response where the close delimits it.
        CloseReason::TruncatedUnseen | CloseReason::WriteTimeout | CloseReason::Lagging => {
            // Dropped with a linger of zero the socket sends a reset. Where that fails it is closed all the same.
            let _ = socket.set_zero_linger();
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
    if SockRef::from(socket).shutdown(Shutdown::Write).is_err() || half_closed {
        return;
    }
    let until = Instant::now() + LINGER;
    let mut dropped = 0;
    std::future::poll_fn(|cx| {
        while dropped < LINGER_BYTES {
            match scratch::poll_discard(cx, socket) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(read)) => dropped += read,
                Poll::Pending => return timer.poll(cx, until),
            }
        }
        Poll::Ready(())
    })
    .await;
}
