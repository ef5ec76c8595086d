//! Fields that a guest has made or was given, which the host keeps for it: bounded, all of an instance together.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use crate::http::fields::{FieldError, Fields};

/// The bytes that all fields of an instance may take together, beside those of the request.
pub(super) const MAX_FIELD_BYTES: usize = 256 * 1024;

/// What a line takes besides its text.
const LINE_BYTES: usize = 64;

/// How many bytes the fields of an instance take. Clones are of one instance.
#[derive(Debug, Clone, Default)]
pub(super) struct FieldBytes(Arc<AtomicUsize>);

/// Fields that are counted as long as they are kept.
#[derive(Debug)]
pub struct CountedFields {
    fields: Fields,
    total: FieldBytes,
}

impl FieldBytes {
    /// Counts fields that the guest did not have before.
    ///
    /// # Errors
    /// [`FieldError::TooLarge`] past [`MAX_FIELD_BYTES`].
    pub(super) fn count(&self, fields: Fields) -> Result<CountedFields, FieldError> {
        self.replace(0, bytes(&fields))?;
        Ok(CountedFields { fields, total: self.clone() })
    }

    /// Counts `new` bytes in place of `old`.
    fn replace(&self, old: usize, new: usize) -> Result<(), FieldError> {
        // Only the thread of the instance counts.
        let total = self.0.load(Relaxed) - old + new;
        if new > old && total > MAX_FIELD_BYTES {
            return Err(FieldError::TooLarge);
        }
        self.0.store(total, Relaxed);
        Ok(())
    }
}

impl CountedFields {
    /// Adds a line. It may announce trailers: whether it is of a request or a response is not known yet.
    ///
    /// # Errors
    /// As [`Fields::append_or_announce`]; [`FieldError::TooLarge`] past [`MAX_FIELD_BYTES`].
    pub(super) fn append(&mut self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        let line = name.len() + value.len() + LINE_BYTES;
        self.total.replace(0, line)?;
        let appended = self.fields.append_or_announce(name, value);
        if appended.is_err() {
            // Less is never too much.
            let _ = self.total.replace(line, 0);
        }
        appended
    }

    /// Changes the fields, all or nothing.
    ///
    /// # Errors
    /// As `change`; [`FieldError::TooLarge`] past [`MAX_FIELD_BYTES`].
    pub(super) fn change(
        &mut self,
        change: impl FnOnce(&mut Fields) -> Result<(), FieldError>,
    ) -> Result<(), FieldError> {
        let before = self.fields.clone();
        let changed = change(&mut self.fields).and_then(|()| self.total.replace(bytes(&before), bytes(&self.fields)));
        if changed.is_err() {
            self.fields = before;
        }
        changed
    }

    /// A copy, which is counted too.
    ///
    /// # Errors
    /// As [`FieldBytes::count`].
    pub(super) fn try_clone(&self) -> Result<Self, FieldError> {
        self.total.count(self.fields.clone())
    }
}

impl Deref for CountedFields {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.fields
    }
}

impl Drop for CountedFields {
    fn drop(&mut self) {
        // Less is never too much.
        let _ = self.total.replace(bytes(&self.fields), 0);
    }
}

fn bytes(fields: &Fields) -> usize {
    fields.bytes() + LINE_BYTES * fields.all().count()
}
