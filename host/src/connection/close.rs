//! Why a connection ends, and how: a client must get the last bytes it was sent.

use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::scratch;
use super::timer::Timer;

/// How long, and for how many bytes, a client may go on sending after the host's last byte.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client ended it between requests.
    ClientClosed,
    /// The client reset it, or stopped reading for good.
    ClientGone,
    /// The client or its version does not let it persist, or the response's framing ends with it.
    NotPersistent,
    /// The handler asked for it.
    Handler,
    /// No request came for as long as `idle` allows.
    Idle,
    /// A head took longer than `head` allows.
    HeadTimeout,
    /// The client took nothing of what was sent for as long as `write` allows.
    WriteTimeout,
    /// The request was refused in a way that leaves no next request to be found.
    Refused,
    /// The handler did not read the body, and the rest is too long to be dropped.
    BodyUnread,
    /// A response broke off, in a way that its framing shows.
    Truncated,
    /// A response broke off that only a reset tells from a whole one.
    TruncatedUnseen,
    /// The host had no room for it.
    Overloaded,
    /// The server stops.
    Stopping,
}

impl CloseReason {
    /// The reason in words.
    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::ClientClosed => "the client closed it",
            Self::ClientGone => "the client is gone",
            Self::NotPersistent => "it was not to persist",
            Self::Handler => "the handler closed it",
            Self::Idle => "no request came in time",
            Self::HeadTimeout => "the head did not come in time",
            Self::WriteTimeout => "the client stopped reading",
            Self::Refused => "the request was refused",
            Self::BodyUnread => "the body was not read",
            Self::Truncated | Self::TruncatedUnseen => "the response broke off",
            Self::Overloaded => "there are too many connections",
            Self::Stopping => "the server stops",
        }
    }
}

/// Closes the connection. A client that is still sending would otherwise lose the last response to a reset, so the
/// host ends its own side first and reads on within bounds (RFC 9112 section 9.6).
pub(super) async fn close(mut socket: TcpStream, timer: &mut Timer, reason: CloseReason, half_closed: bool) {
    match reason {
        // What the system still holds for a client that stopped reading goes too; it would look like a whole response
        // where the close delimits it.
        CloseReason::TruncatedUnseen | CloseReason::WriteTimeout => {
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
        | CloseReason::Overloaded
        | CloseReason::Stopping => {}
    }
    if socket.shutdown().await.is_err() || half_closed {
        return;
    }
    let until = Instant::now() + LINGER;
    let mut dropped = 0;
    std::future::poll_fn(|cx| {
        while dropped < LINGER_BYTES {
            match scratch::poll_discard(cx, &mut socket) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(read)) => dropped += read,
                Poll::Pending => return timer.poll(cx, until),
            }
        }
        Poll::Ready(())
    })
    .await;
}
