//! Buffers that belong to a thread, so that a connection that waits holds none.

use std::cell::RefCell;
use std::io::{self, Read as _};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// How much is read at once while no head is known.
pub(super) const SIZE: usize = 16 * 1024;

/// How many output buffers a thread keeps, and up to which size each.
const SPARE: usize = 64;
const SPARE_BYTES: usize = 128 * 1024;

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; SIZE].into());
    static OUTPUT: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// Reads what is there and appends it to `input`, which takes no more memory than that.
pub(super) fn poll_read(cx: &mut Context<'_>, socket: &TcpStream, input: &mut BytesMut) -> Poll<io::Result<usize>> {
    poll_with(cx, socket, |read| input.extend_from_slice(read))
}

/// Reads what is there and drops it.
pub(super) fn poll_discard(cx: &mut Context<'_>, socket: &TcpStream) -> Poll<io::Result<usize>> {
    poll_with(cx, socket, |_| ())
}

fn poll_with(cx: &mut Context<'_>, socket: &TcpStream, take: impl FnOnce(&[u8])) -> Poll<io::Result<usize>> {
    READ.with_borrow_mut(|scratch| {
        loop {
            ready!(socket.poll_read_ready(cx))?;
            match socket.try_read(scratch) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(read) => {
                    if (1..scratch.len()).contains(&read) {
                        note_emptied(socket);
                    }
                    take(&scratch[..read]);
                    return Poll::Ready(Ok(read));
                }
            }
        }
    })
}

/// Reads what the system has, whether the runtime was told of it or not, and appends it to `input`.
///
/// # Errors
/// What the system says: `WouldBlock` where it has nothing.
pub(super) fn read_untold(socket: &TcpStream, input: &mut BytesMut) -> io::Result<usize> {
    READ.with_borrow_mut(|scratch| {
        let read = (&*SockRef::from(socket)).read(scratch)?;
        input.extend_from_slice(&scratch[..read]);
        Ok(read)
    })
}

/// A short read has emptied the socket: saves the call that says so. What comes from then on is not missed, since it is
/// this thread that hears of it, later.
fn note_emptied(socket: &TcpStream) {
    let _: io::Result<()> = socket.try_io(Interest::READABLE, || Err(io::ErrorKind::WouldBlock.into()));
}

/// An empty buffer for a response.
pub(super) fn take_output() -> BytesMut {
    OUTPUT.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Gives a buffer back.
pub(super) fn return_output(mut buffer: BytesMut) {
    buffer.clear();
    OUTPUT.with_borrow_mut(|spare| {
        if spare.len() < SPARE && (1..=SPARE_BYTES).contains(&buffer.capacity()) {
            spare.push(buffer);
        }
    });
}
