//! How much of a response there is, and how much of it was sent.

use super::Response;

impl Response {
    /// The bytes of the body that were accepted, without their framing.
    #[inline]
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// The bytes that were sent, framing included.
    #[inline]
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// The bytes of the body that were sent, without their framing. Where the response broke off amid a chunk, the
    /// framing that was not sent counts as if it were of the body.
    #[inline]
    #[must_use]
    pub fn sent_body_bytes(&self) -> u64 {
        self.body_bytes.saturating_sub((self.held.len() + self.output.len()) as u64)
    }

    /// Counts bytes of shared chunks, which were sent behind [`Self::output`].
    #[inline]
    pub fn count_shared(&mut self, sent: usize) {
        self.sent_bytes += sent as u64;
    }

    /// What is left of a response that was sent where its connection goes on as something else: it is over, and what was
    /// sent of it is known.
    #[must_use]
    pub fn remainder(&self) -> Self {
        let Self { status, has_head, sent_bytes, .. } = *self;
        Self { status, has_head, sent_bytes, ..Self::over() }
    }

    /// The status of the head, once that is decided.
    #[inline]
    #[must_use]
    pub fn decided_status(&self) -> Option<u16> {
        self.has_head.then_some(self.status)
    }
}
