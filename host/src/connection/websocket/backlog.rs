//! Messages that arrive while another is handled. They are read so that the control frames after them are seen in time.
//!
//! Owns the bound of the backlog.

use std::collections::VecDeque;

use crate::websocket::message::Message;

/// Reading pauses when the backlog has this many bytes. The last message may exceed it.
const ENOUGH: usize = 16 * 1024;

/// The fewest bytes that a message counts for, because small messages use memory too.
const MIN_MESSAGE_COST: usize = 128;

/// Messages in order. It uses no memory while it is empty.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    messages: VecDeque<Message>,
    bytes: usize,
}

impl Backlog {
    /// Adds a message at the end.
    pub(super) fn push(&mut self, message: Message) {
        self.bytes += cost(&message);
        self.messages.push_back(message);
    }

    /// Takes the first message.
    pub(super) fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= cost(&message);
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
        Some(message)
    }

    /// The number of bytes of all messages. Each counts for at least [`MIN_MESSAGE_COST`].
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is no message.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether reading has to pause.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= ENOUGH
    }

    /// Drops all messages.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn cost(message: &Message) -> usize {
    message.len().max(MIN_MESSAGE_COST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Message {
        Message::Binary(vec![0; length].into())
    }

    #[test]
    fn messages_are_taken_in_order_and_end_the_reading_at_their_bound() {
        for (length, most) in [(0, 128), (1, 128), (1_000, 17), (16 * 1024, 1), (1 << 20, 1)] {
            let mut backlog = Backlog::default();
            let mut pushed = 0;
            while !backlog.is_full() {
                backlog.push(message(length + pushed % 2));
                pushed += 1;
            }
            assert_eq!(pushed, most, "messages of {length} bytes");
            for taken in 0..pushed {
                assert_eq!(backlog.pop(), Some(message(length + taken % 2)));
                assert!(!backlog.is_full());
            }
            assert!(backlog.is_empty() && backlog.pop().is_none() && backlog.messages.capacity() == 0);
        }
    }
}
