//! Buffers that belong to a thread, so that a connection that waits holds none.

use std::cell::RefCell;

use bytes::BytesMut;

/// How much is read at once while it is not known what comes.
const READ_BYTES: usize = 16 * 1024;

/// How many output buffers a thread keeps, and up to which size each.
const MAX_SPARE: usize = 64;
const MAX_SPARE_BYTES: usize = 128 * 1024;

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
    static OUTPUT: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// Lends the thread's buffer for one read.
#[inline]
pub(super) fn with_read<R>(read: impl FnOnce(&mut [u8]) -> R) -> R {
    READ.with_borrow_mut(|buffer| read(buffer))
}

/// An empty buffer for a response.
pub fn take_output() -> BytesMut {
    OUTPUT.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Gives a buffer back.
pub fn return_output(mut buffer: BytesMut) {
    buffer.clear();
    OUTPUT.with_borrow_mut(|spare| {
        if spare.len() < MAX_SPARE && (1..=MAX_SPARE_BYTES).contains(&buffer.capacity()) {
            spare.push(buffer);
        }
    });
}
