//! The notes of a request: named bytes that middleware leaves for what comes after it (`context` in `wit/world.wit`).
//!
//! Owns their bounds. It must not know who leaves or reads them.

use bytes::Bytes;
use thiserror::Error;

/// The most names.
const MAX_NOTES: usize = 64;

/// The most bytes of a name.
const MAX_NAME_BYTES: usize = 256;

/// The most bytes of names and values together.
const MAX_BYTES: usize = 64 * 1024;

/// Why a note cannot be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Past 64 names, 256 bytes of a name, or 64 KiB in all.
    #[error("too many or too large notes")]
    TooLarge,
}

/// Named bytes: so few that looking at each is the quickest way to find one.
#[derive(Debug, Default)]
pub(super) struct Notes {
    notes: Vec<(String, Bytes)>,
}

impl Notes {
    /// The bytes of a name.
    pub(super) fn get(&self, name: &str) -> Option<Bytes> {
        self.notes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Sets the bytes of a name, in place of what it had.
    pub(super) fn set(&mut self, name: &str, value: &[u8]) -> Result<(), NoteError> {
        let others = || self.notes.iter().filter(|(known, _)| known != name);
        let bytes: usize = others().map(|(name, value)| name.len() + value.len()).sum();
        let fits = name.len() <= MAX_NAME_BYTES
            && others().count() < MAX_NOTES
            && value.len() <= MAX_BYTES
            && bytes + name.len() + value.len() <= MAX_BYTES;
        if !fits {
            return Err(NoteError::TooLarge);
        }
        self.notes.retain(|(known, _)| known != name);
        self.notes.push((name.to_owned(), Bytes::copy_from_slice(value)));
        Ok(())
    }
}
