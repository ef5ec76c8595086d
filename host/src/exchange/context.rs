//! The context of a request: named bytes that middleware sets for what comes after it (`context` in `wit/world.wit`), and
//! their bounds.

use bytes::Bytes;
use thiserror::Error;

/// The most names.
const MAX_ENTRIES: usize = 64;

/// The most bytes of a name.
const MAX_NAME_BYTES: usize = 256;

/// The most bytes of names and values together.
const MAX_BYTES: usize = 64 * 1024;

/// Why a note cannot be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ContextError {
    /// A middleware has sealed the name, or only a middleware may seal one.
    #[error("the note is sealed")]
    Forbidden,
    /// Past 64 names, 256 bytes of a name, or 64 KiB in all.
    #[error("too many or too large notes")]
    TooLarge,
}

/// Named bytes: so few that looking at each is the quickest way to find one.
#[derive(Debug, Default)]
pub(super) struct ContextEntries {
    notes: Vec<ContextEntry>,
}

#[derive(Debug)]
struct ContextEntry {
    name: String,
    /// None where the name was sealed without bytes.
    value: Option<Bytes>,
    is_sealed: bool,
}

impl ContextEntry {
    fn bytes(&self) -> usize {
        self.name.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

impl ContextEntries {
    /// The bytes of a name.
    pub(super) fn get(&self, name: &str) -> Option<Bytes> {
        self.find(name)?.value.clone()
    }

    /// The bytes of a name that was sealed.
    pub(super) fn sealed(&self, name: &str) -> Option<Bytes> {
        self.find(name).filter(|note| note.is_sealed)?.value.clone()
    }

    /// Sets the bytes of a name, in place of what it had.
    pub(super) fn set(&mut self, name: &str, value: &[u8]) -> Result<(), ContextError> {
        if self.find(name).is_some_and(|note| note.is_sealed) {
            return Err(ContextError::Forbidden);
        }
        self.check_room(name, value.len())?;
        self.notes.retain(|note| note.name != name);
        let value = Some(Bytes::copy_from_slice(value));
        self.notes.push(ContextEntry { name: name.to_owned(), value, is_sealed: false });
        Ok(())
    }

    /// Lets nobody set the bytes of a name any more.
    pub(super) fn seal(&mut self, name: &str) -> Result<(), ContextError> {
        if let Some(note) = self.notes.iter_mut().find(|note| note.name == name) {
            note.is_sealed = true;
            return Ok(());
        }
        self.check_room(name, 0)?;
        self.notes.push(ContextEntry { name: name.to_owned(), value: None, is_sealed: true });
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&ContextEntry> {
        self.notes.iter().find(|note| note.name == name)
    }

    /// Whether there is room for so many bytes under a name, in place of what it has.
    fn check_room(&self, name: &str, length: usize) -> Result<(), ContextError> {
        let others = || self.notes.iter().filter(|note| note.name != name);
        let bytes: usize = others().map(ContextEntry::bytes).sum();
        let fits = name.len() <= MAX_NAME_BYTES
            && others().count() < MAX_ENTRIES
            && length <= MAX_BYTES
            && bytes + name.len() + length <= MAX_BYTES;
        if fits { Ok(()) } else { Err(ContextError::TooLarge) }
    }
}
