//! Lets a request wait while routes are still being loaded, for at most the time that the server allows.

use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use arc_swap::Guard;

use super::client::Client;
use super::io::watch_peer;
use crate::close_reason::CloseReason;
use crate::http::head::RequestHead;
use crate::net::PeerState;
use crate::routes::{Lookup, RouteTable};

/// Waits until the routes certainly decide the request, and returns them. Returns the current routes if that takes too
/// long, if the server stops, or for `OPTIONS *`, which no route serves.
pub(super) async fn wait_for_routes(
    client: &mut Client,
    head: &RequestHead,
) -> Result<Guard<Arc<RouteTable>>, CloseReason> {
    let until = Instant::now() + client.worker.config().timeouts.load;
    let mut table = client.worker.routes();
    while !head.is_for_server() && matches!(table.lookup(head.method(), head.path()), Lookup::Pending) {
        match wait_for_others(client, &table, until).await? {
            WaitEnd::Others => table = client.worker.routes(),
            WaitEnd::Enough => break,
        }
    }
    Ok(table)
}

/// Waits for routes that are newer than `past`. If the client resets the connection during the wait, the connection
/// ends.
async fn wait_for_others(client: &mut Client, past: &Arc<RouteTable>, until: Instant) -> Result<WaitEnd, CloseReason> {
    let (socket, input, half_closed) = (&client.socket, client.http.input_mut(), &mut client.half_closed);
    let mut others = std::pin::pin!(client.worker.routes_after(past));
    let mut stopping = std::pin::pin!(client.worker.stopping().wait());
    std::future::poll_fn(|cx| {
        if others.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(WaitEnd::Others));
        }
        if stopping.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(WaitEnd::Enough));
        }
        if watch_peer(cx, socket, input, half_closed) == Some(PeerState::Gone) {
            return Poll::Ready(Err(CloseReason::ClientGone));
        }
        client.timer.poll(cx, until).map(|()| Ok(WaitEnd::Enough))
    })
    .await
}

/// What ended a wait.
enum WaitEnd {
    Others,
    Enough,
}
