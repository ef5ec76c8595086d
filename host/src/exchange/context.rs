//! The context of a request (`context` in `wit/world.wit`), and its bounds. Middleware stores values in it under names.
//! The middleware and the handler that run later read them.

use bytes::Bytes;
use thiserror::Error;

/// The most entries of one request.
const MAX_ENTRIES: usize = 64;

/// The most bytes of a name.
const MAX_NAME_BYTES: usize = 256;

/// The most bytes of all names and values together.
const MAX_BYTES: usize = 64 * 1024;

/// Why a context entry cannot be set or sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ContextError {
    /// A middleware has sealed the name, or the caller is no middleware and must not seal names.
    #[error("the context entry is sealed")]
    Forbidden,
    /// There would be more than 64 entries, more than 256 bytes in a name, or more than 64 KiB in all.
    #[error("too many or too large context entries")]
    TooLarge,
}

/// The context entries of one request. There are so few that a linear search is the fastest.
#[derive(Debug, Default)]
pub(super) struct ContextEntries {
    entries: Vec<ContextEntry>,
}

#[derive(Debug)]
struct ContextEntry {
    name: String,
    /// `None` if the name was sealed before it had a value.
    value: Option<Bytes>,
    is_sealed: bool,
}

impl ContextEntry {
    fn bytes(&self) -> usize {
        self.name.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

impl ContextEntries {
    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Option<Bytes> {
        self.find(name)?.value.clone()
    }

    /// The value of a name, if the name is sealed.
    pub(super) fn sealed(&self, name: &str) -> Option<Bytes> {
        self.find(name).filter(|entry| entry.is_sealed)?.value.clone()
    }

    /// Sets the value of a name, and replaces an earlier one.
    pub(super) fn set(&mut self, name: &str, value: &[u8]) -> Result<(), ContextError> {
        if self.find(name).is_some_and(|entry| entry.is_sealed) {
            return Err(ContextError::Forbidden);
        }
        self.check_room(name, value.len())?;
        self.entries.retain(|entry| entry.name != name);
        let value = Some(Bytes::copy_from_slice(value));
        self.entries.push(ContextEntry { name: name.to_owned(), value, is_sealed: false });
        Ok(())
    }

    /// Seals a name: its value cannot be set any more.
    pub(super) fn seal(&mut self, name: &str) -> Result<(), ContextError> {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.name == name) {
            entry.is_sealed = true;
            return Ok(());
        }
        self.check_room(name, 0)?;
        self.entries.push(ContextEntry { name: name.to_owned(), value: None, is_sealed: true });
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&ContextEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Checks that a value of `length` bytes fits under a name if it replaces the earlier one.
    fn check_room(&self, name: &str, length: usize) -> Result<(), ContextError> {
        let others = || self.entries.iter().filter(|entry| entry.name != name);
        let bytes: usize = others().map(ContextEntry::bytes).sum();
        let fits = name.len() <= MAX_NAME_BYTES
            && others().count() < MAX_ENTRIES
            && length <= MAX_BYTES
            && bytes + name.len() + length <= MAX_BYTES;
        if fits { Ok(()) } else { Err(ContextError::TooLarge) }
    }
}
