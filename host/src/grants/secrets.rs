//! Secrets: small text files of one directory, each named after its secret.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;
use thiserror::Error;

use crate::regular_file::{self, ReadError};
use crate::text::printable;

/// The largest secret, in bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// A secret. Cheap to clone; all clones see the same text.
#[derive(Clone)]
pub struct Secret(Arc<SecretCell>);

struct SecretCell {
    name: String,
    text: ArcSwap<Box<str>>,
}

/// Why a secret cannot be used.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The host has no directory of secrets.
    #[error("the host has no secrets: neither --secrets nor $CREDENTIALS_DIRECTORY is set")]
    NoDirectory,
    /// Its file cannot be read.
    #[error("{}: {reason}", printable(.file))]
    Unread {
        /// The file.
        file: String,
        /// Why, which quotes nothing of its contents.
        reason: String,
    },
    /// Its file is not text.
    #[error("{}: it is not UTF-8 text", printable(.0))]
    NotText(String),
}

/// The secrets of a host, read when they are granted.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    directory: Option<PathBuf>,
    known: Mutex<BTreeMap<String, Weak<SecretCell>>>,
}

impl Secret {
    /// The name of its file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its text. Whoever asks must not log it.
    #[must_use]
    pub fn reveal(&self) -> Arc<str> {
        Arc::from(&***self.0.text.load())
    }
}

impl Secrets {
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, known: Mutex::default() }
    }

    /// Reads a secret, whose name is one. Routes that have it already see the new text too.
    pub(super) fn get(&self, name: &str) -> Result<Secret, SecretError> {
        let text = self.read(name)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, cell| cell.strong_count() > 0);
        if let Some(cell) = known.get(name).and_then(Weak::upgrade) {
            cell.text.store(Arc::new(text));
            return Ok(Secret(cell));
        }
        let cell = Arc::new(SecretCell { name: name.to_owned(), text: ArcSwap::from_pointee(text) });
        known.insert(name.to_owned(), Arc::downgrade(&cell));
        Ok(Secret(cell))
    }

    /// Reads the secrets that are in use again. One that cannot be read keeps its text.
    pub(super) fn reload(&self) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, cell) in known.into_iter().filter_map(|(name, cell)| Some((name, cell.upgrade()?))) {
            match self.read(&name) {
                Ok(text) => cell.text.store(Arc::new(text)),
                Err(error) => tracing::warn!(
                    target: "server",
                    "the secret `{name}` keeps its text: {error}; put its file back, or remove the secret from the route \
                     files that name it"
                ),
            }
        }
    }

    /// The text of a secret, without one line end at its end.
    fn read(&self, name: &str) -> Result<Box<str>, SecretError> {
        let file = self.directory.as_ref().ok_or(SecretError::NoDirectory)?.join(name);
        let shown = || file.display().to_string();
        let unread = |reason: ReadError| SecretError::Unread { file: shown(), reason: reason.to_string() };
        let bytes = regular_file::read(&file, MAX_SECRET_BYTES).map_err(unread)?;
        // The bytes themselves must not be in the error.
        let text = String::from_utf8(bytes).map_err(|_| SecretError::NotText(shown()))?;
        let text = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
        Ok(text.into())
    }
}

/// Its name only.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.0.name)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_secret_is_the_text_of_its_file_without_the_last_line_end_and_changes_when_it_is_read_again() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let write = |text: &str| fs::write(directory.path().join("key"), text).expect("a file can be written");
        write("one\n");
        let secrets = Secrets::new(Some(directory.path().to_owned()));
        let secret = secrets.get("key").expect("it is there");
        assert_eq!(&*secret.reveal(), "one");
        write("two\r\n");
        secrets.reload();
        assert_eq!(&*secret.reveal(), "two");
        write("three\n\n");
        assert_eq!(&*secrets.get("key").expect("it is there").reveal(), "three\n");
        assert_eq!(&*secret.reveal(), "three\n");
    }

    #[test]
    fn a_secret_whose_file_has_gone_keeps_its_text_and_is_in_no_debug_output() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let file = directory.path().join("key");
        fs::write(&file, "hidden").expect("a file can be written");
        let secrets = Secrets::new(Some(directory.path().to_owned()));
        let secret = secrets.get("key").expect("it is there");
        fs::remove_file(&file).expect("a file can be removed");
        secrets.reload();
        assert_eq!(&*secret.reveal(), "hidden");
        assert!(!format!("{secret:?} {secrets:?}").contains("hidden"));
    }

    #[test]
    fn what_is_no_secret_is_an_error_that_names_its_file_and_quotes_nothing() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        fs::write(directory.path().join("bytes"), b"\xffsecret").expect("a file can be written");
        fs::write(directory.path().join("large"), vec![b'x'; 65 * 1024]).expect("a file can be written");
        let secrets = Secrets::new(Some(directory.path().to_owned()));
        for (name, expected) in [
            ("bytes", "bytes: it is not UTF-8 text"),
            ("large", "large: it is larger than 65536 bytes"),
            ("none", "none: it cannot be read: No such file or directory (os error 2)"),
        ] {
            let error = secrets.get(name).expect_err("it is no secret").to_string();
            assert!(error.ends_with(expected) && !error.contains("secret:"), "{error}");
        }
        let error = Secrets::default().get("key").expect_err("there are none").to_string();
        assert!(error.contains("--secrets"), "{error}");
    }
}
