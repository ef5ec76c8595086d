//! A connection in memory, for tests that need no socket.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The server's end of a connection in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryStream(Arc<Mutex<Pipes>>);

/// The client's end of a connection in memory.
#[derive(Debug)]
pub struct MemoryClient(Arc<Mutex<Pipes>>);

/// The bytes in both directions, and the tasks that wait for them.
#[derive(Debug, Default)]
struct Pipes {
    to_server: Vec<u8>,
    /// Whether the client sends no more.
    is_end_sent: bool,
    to_client: Vec<u8>,
    /// How many bytes the connection takes until the client reads some.
    capacity: usize,
    is_reset_by_client: bool,
    is_shut_down: bool,
    is_reset_by_server: bool,
    wakers: Vec<Waker>,
}

/// Both ends of a connection that takes `capacity` bytes to the client before the client reads some.
pub fn memory_stream(capacity: usize) -> (MemoryStream, MemoryClient) {
    let pipes = Arc::new(Mutex::new(Pipes { capacity, ..Pipes::default() }));
    (MemoryStream(pipes.clone()), MemoryClient(pipes))
}

fn locked(pipes: &Mutex<Pipes>) -> MutexGuard<'_, Pipes> {
    pipes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryStream {
    /// Reads at most `max` bytes. Ready with none at the end.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<Vec<u8>>> {
        let mut pipes = locked(&self.0);
        if pipes.is_reset_by_client {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if pipes.to_server.is_empty() && !pipes.is_end_sent {
            pipes.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        let most = pipes.to_server.len().min(max);
        Poll::Ready(Ok(pipes.to_server.drain(..most).collect()))
    }

    /// Ready when there is something to read, or the end.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipes = locked(&self.0);
        if !pipes.to_server.is_empty() || pipes.is_end_sent || pipes.is_reset_by_client {
            return Poll::Ready(Ok(()));
        }
        pipes.wakers.push(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn has_unread(&self) -> bool {
        !locked(&self.0).to_server.is_empty()
    }

    pub(super) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut pipes = locked(&self.0);
        if pipes.is_reset_by_client {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = pipes.capacity.saturating_sub(pipes.to_client.len());
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(room).collect();
        if bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        pipes.to_client.extend_from_slice(&bytes);
        Ok(bytes.len())
    }

    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipes = locked(&self.0);
        if pipes.to_client.len() < pipes.capacity || pipes.is_reset_by_client {
            return Poll::Ready(Ok(()));
        }
        pipes.wakers.push(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn shutdown_write(&self) {
        locked(&self.0).is_shut_down = true;
    }

    pub(super) fn reset_on_close(&self) {
        locked(&self.0).is_reset_by_server = true;
    }

    pub(super) fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut pipes = locked(&self.0);
        if pipes.is_reset_by_client {
            return Poll::Ready(());
        }
        pipes.wakers.push(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn is_read_closed(&self) -> bool {
        locked(&self.0).is_end_sent
    }
}

impl MemoryClient {
    /// Sends bytes to the server.
    pub fn send(&self, bytes: &[u8]) {
        self.change(|pipes| pipes.to_server.extend_from_slice(bytes));
    }

    /// Closes the sending side.
    pub fn close_write(&self) {
        self.change(|pipes| pipes.is_end_sent = true);
    }

    /// Resets the connection.
    pub fn reset(&self) {
        self.change(|pipes| pipes.is_reset_by_client = true);
    }

    /// Takes the bytes that the server has sent so far, as text.
    pub fn receive(&self) -> String {
        String::from_utf8_lossy(&self.receive_bytes()).into_owned()
    }

    /// Takes the bytes that the server has sent so far.
    pub fn receive_bytes(&self) -> Vec<u8> {
        self.change(|pipes| std::mem::take(&mut pipes.to_client))
    }

    /// Whether the server has closed its sending side.
    pub fn is_ended(&self) -> bool {
        locked(&self.0).is_shut_down
    }

    fn change<R>(&self, work: impl FnOnce(&mut Pipes) -> R) -> R {
        let mut pipes = locked(&self.0);
        let value = work(&mut pipes);
        let wakers = std::mem::take(&mut pipes.wakers);
        drop(pipes);
        wakers.into_iter().for_each(Waker::wake);
        value
    }
}
