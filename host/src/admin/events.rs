//! Live figures: server-sent events, one each second for all viewers together.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::server::ServerMonitor;

/// The most viewers at once.
pub const MAX_VIEWERS: usize = 32;

/// The time from one event to the next.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many events wait for a viewer. Of a viewer that is slower, events are left out: each has all that is known.
const MAX_WAITING: usize = 2;

/// The viewers of the live figures.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    viewers: Mutex<Vec<Sender<Bytes>>>,
    /// Wakes the task that makes events when there is a first viewer.
    has_viewer: Notify,
}

/// The events for one viewer.
#[derive(Debug)]
pub(super) struct Viewer(Receiver<Bytes>);

impl EventStream {
    /// A new viewer. `None` if there are too many.
    pub(super) fn subscribe(&self) -> Option<Viewer> {
        let mut viewers = self.lock();
        viewers.retain(|viewer| !viewer.is_closed());
        if viewers.len() >= MAX_VIEWERS {
            return None;
        }
        let (sender, receiver) = channel(MAX_WAITING);
        viewers.push(sender);
        self.has_viewer.notify_one();
        Some(Viewer(receiver))
    }

    /// Makes an event each second while there are viewers. It never ends.
    pub(super) async fn run(&self, monitor: &ServerMonitor) {
        loop {
            while self.lock().is_empty() {
                self.has_viewer.notified().await;
            }
            self.send(&event(&monitor.snapshot().to_json()));
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn send(&self, event: &Bytes) {
        self.lock().retain(|viewer| {
            // If it is full, the viewer misses this one.
            let _ = viewer.try_send(event.clone());
            !viewer.is_closed()
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Sender<Bytes>>> {
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Viewer {
    /// The next event. `None` at the end.
    pub(super) fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.get_mut().0.poll_recv(cx)
    }
}

/// An event of this data, which has no line break.
fn event(data: &str) -> Bytes {
    format!("event: stats\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(viewer: &mut Viewer) -> Poll<Option<Bytes>> {
        Pin::new(viewer).poll_next(&mut Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn each_viewer_gets_each_event_and_a_slow_one_misses_some() {
        let events = EventStream::default();
        let [mut one, mut other] = [(); 2].map(|()| events.subscribe().expect("there are few"));
        for number in 0..5 {
            let sent = event(&number.to_string());
            events.send(&sent);
            assert_eq!(next(&mut one), Poll::Ready(Some(sent)));
        }
        assert_eq!(next(&mut other), Poll::Ready(Some(event("0"))));
        assert_eq!(next(&mut other), Poll::Ready(Some(event("1"))));
        assert_eq!(next(&mut other), Poll::Pending);
    }

    #[test]
    fn past_the_bound_there_is_no_viewer_until_another_goes() {
        let events = EventStream::default();
        let mut viewers: Vec<_> = (0..MAX_VIEWERS).map(|_| events.subscribe().expect("there are few")).collect();
        assert!(events.subscribe().is_none());
        viewers.pop();
        assert!(events.subscribe().is_some());
    }
}
