//! Buffers of the current thread, so that a waiting connection holds none.

use std::cell::RefCell;

use bytes::BytesMut;

/// The size of the buffer for reads of unknown length.
const READ_BYTES: usize = 16 * 1024;

/// How many unused output buffers a thread keeps, and the largest capacity of each.
const MAX_SPARE: usize = 64;
const MAX_SPARE_BYTES: usize = 128 * 1024;

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
    static OUTPUT: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// Lends the thread's read buffer.
#[inline]
pub(super) fn with_read<R>(read: impl FnOnce(&mut [u8]) -> R) -> R {
    READ.with_borrow_mut(|buffer| read(buffer))
}

/// An empty buffer for the output of a response.
pub fn take_output() -> BytesMut {
    OUTPUT.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Returns a buffer for reuse.
pub fn return_output(mut buffer: BytesMut) {
    buffer.clear();
    OUTPUT.with_borrow_mut(|spare| {
        if spare.len() < MAX_SPARE && (1..=MAX_SPARE_BYTES).contains(&buffer.capacity()) {
            spare.push(buffer);
        }
    });
}
