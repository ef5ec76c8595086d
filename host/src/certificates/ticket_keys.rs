//! Keys of session tickets that several hosts share, so that a client which comes back to another one of them resumes.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{aead, hkdf};
use rustls::server::ProducesTickets;
use thiserror::Error;

use super::load::READABLE_BY_ALL;

/// The bytes of one key: its name, and the secret. Others use files of the same length (nginx).
const KEY_BYTES: usize = NAME_BYTES + 64;
const NAME_BYTES: usize = 16;

/// The most keys of a file, and the most that are kept.
const MAX_KEYS: usize = 3;

/// The random bytes of a ticket. The key that encrypts it is made of these, so none encrypts twice, however many hosts share it.
const SALT_BYTES: usize = 32;

/// What is encrypted is a session: a few secrets and names.
const MAX_TICKET: usize = 2048;

/// How long clients may keep a ticket, in seconds.
const LIFETIME: u32 = 12 * 60 * 60;

/// What a key of a ticket is for.
const PURPOSE: &[u8] = b"vibrato session ticket";

/// Why a file of keys cannot be used.
#[derive(Debug, Error)]
pub enum TicketKeysError {
    /// It cannot be read.
    #[error("cannot read the ticket keys in {}: {error}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// It has another length.
    #[error(
        "{file} has to have one, two or three ticket keys of {KEY_BYTES} bytes each, the newest first; make one: openssl rand {KEY_BYTES} > {file}",
        file = .0.display()
    )]
    Length(PathBuf),
}

/// The keys in a file. The first one encrypts new tickets, and all decrypt.
pub struct TicketKeys {
    file: PathBuf,
    current: ArcSwap<Vec<Arc<TicketKey>>>,
    random: SystemRandom,
}

struct TicketKey {
    bytes: [u8; KEY_BYTES],
    secret: hkdf::Prk,
}

/// What was read.
struct ReadKeys {
    keys: Vec<Arc<TicketKey>>,
    /// Whether everybody on the machine can read them.
    is_readable: bool,
}

impl TicketKeys {
    /// Reads the keys in a file.
    ///
    /// # Errors
    /// See [`TicketKeysError`].
    pub fn load(file: PathBuf) -> Result<Self, TicketKeysError> {
        let read = read(&file)?;
        read.warn(&file);
        Ok(Self { file, current: ArcSwap::from_pointee(read.keys), random: SystemRandom::new() })
    }

    /// Its file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Reads the file again. If it cannot be used, that is logged, and the keys before it stay. If it has one key, which is new,
    /// the two before it go on decrypting.
    pub(super) fn reload(&self) {
        let old = self.current.load_full();
        let read = match read(&self.file) {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(target: "server", "the ticket keys were not replaced, those before them stay: {error}");
                return;
            }
        };
        let is_single = read.keys.len() == 1;
        let mut keys = read.keys.clone();
        if is_single {
            keys.extend(old.iter().filter(|key| key.bytes != read.keys[0].bytes).take(MAX_KEYS - 1).cloned());
        }
        let is_same = keys.len() == old.len() && keys.iter().zip(&*old).all(|(new, old)| new.bytes == old.bytes);
        if !is_same {
            read.warn(&self.file);
            let number = keys.len();
            self.current.store(Arc::new(keys));
            tracing::info!(target: "server", file = %self.file.display(), keys = number, "ticket keys replaced");
        }
    }
}

impl ReadKeys {
    fn warn(&self, file: &Path) {
        if self.is_readable {
            let file = file.display();
            tracing::warn!(target: "server", "everybody on this machine can read the ticket keys in {file}; say chmod 600 {file}");
        }
    }
}

fn read(file: &Path) -> Result<ReadKeys, TicketKeysError> {
    let failed = |error| TicketKeysError::Unreadable { file: file.to_owned(), error };
    let open = File::open(file).map_err(failed)?;
    let is_readable = open.metadata().map_err(failed)?.mode() & READABLE_BY_ALL != 0;
    let mut bytes = Vec::new();
    open.take((MAX_KEYS * KEY_BYTES + 1) as u64).read_to_end(&mut bytes).map_err(failed)?;
    let (keys, rest) = bytes.as_chunks::<KEY_BYTES>();
    if keys.is_empty() || keys.len() > MAX_KEYS || !rest.is_empty() {
        return Err(TicketKeysError::Length(file.to_owned()));
    }
    Ok(ReadKeys { keys: keys.iter().map(|key| Arc::new(TicketKey::new(key))).collect(), is_readable })
}

impl TicketKey {
    fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        let (name, secret) = bytes.split_at(NAME_BYTES);
        Self { bytes: *bytes, secret: hkdf::Salt::new(hkdf::HKDF_SHA256, name).extract(secret) }
    }

    fn name(&self) -> &[u8] {
        &self.bytes[..NAME_BYTES]
    }

    /// The key for the ticket with this salt.
    fn key(&self, salt: &[u8]) -> Option<aead::LessSafeKey> {
        let info = [PURPOSE, salt];
        let key = self.secret.expand(&info, &aead::CHACHA20_POLY1305).ok()?;
        Some(aead::LessSafeKey::new(key.into()))
    }
}

/// A key has one ticket.
fn nonce() -> aead::Nonce {
    aead::Nonce::assume_unique_for_key([0; aead::NONCE_LEN])
}

/// A ticket is the name of its key, a salt, and what is encrypted, with its tag.
impl ProducesTickets for TicketKeys {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let keys = self.current.load();
        let key = keys.first()?;
        let mut salt = [0; SALT_BYTES];
        self.random.fill(&mut salt).ok()?;
        let mut sealed = plain.to_vec();
        key.key(&salt)?.seal_in_place_append_tag(nonce(), aead::Aad::from(key.name()), &mut sealed).ok()?;
        let ticket = [key.name(), &salt, &sealed].concat();
        (ticket.len() <= MAX_TICKET).then_some(ticket)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        if cipher.len() > MAX_TICKET {
            return None;
        }
        let (name, rest) = cipher.split_at_checked(NAME_BYTES)?;
        let (salt, sealed) = rest.split_at_checked(SALT_BYTES)?;
        let keys = self.current.load();
        // A name is no secret: each ticket has it in clear.
        let key = keys.iter().find(|key| key.name() == name)?;
        let mut sealed = sealed.to_vec();
        let opened = key.key(salt)?.open_in_place(nonce(), aead::Aad::from(name), &mut sealed).ok()?.len();
        sealed.truncate(opened);
        Some(sealed)
    }
}

/// Without the keys.
impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKeys").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    /// A file of keys, each made of one byte.
    struct KeyFile(TempDir);

    impl KeyFile {
        fn new(keys: &[u8]) -> Self {
            let file = Self(tempfile::tempdir().expect("a directory can be made"));
            file.write(keys);
            file
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("keys")
        }

        fn write(&self, keys: &[u8]) {
            let bytes: Vec<u8> = keys.iter().flat_map(|key| [*key; KEY_BYTES]).collect();
            std::fs::write(self.path(), bytes).expect("it can be written");
        }

        fn load(&self) -> TicketKeys {
            TicketKeys::load(self.path()).expect("they are keys")
        }
    }

    fn ticket(keys: &TicketKeys) -> Vec<u8> {
        keys.encrypt(b"session").expect("it can be encrypted")
    }

    fn opens(keys: &TicketKeys, ticket: &[u8]) -> bool {
        let opened = keys.decrypt(ticket);
        assert!(opened.as_deref().is_none_or(|opened| opened == b"session"));
        opened.is_some()
    }

    #[test]
    fn a_ticket_of_one_host_opens_at_another_that_has_its_key() {
        let ticket = ticket(&KeyFile::new(&[1]).load());
        for (keys, is_known) in [(&[1][..], true), (&[2, 1], true), (&[3, 2, 1], true), (&[2], false), (&[3, 2], false)]
        {
            assert_eq!(opens(&KeyFile::new(keys).load(), &ticket), is_known, "{keys:?}");
        }
    }

    #[test]
    fn the_first_key_encrypts() {
        let ticket = ticket(&KeyFile::new(&[2, 1]).load());
        assert!(opens(&KeyFile::new(&[2]).load(), &ticket) && !opens(&KeyFile::new(&[1]).load(), &ticket));
    }

    #[test]
    fn a_file_of_one_key_that_is_replaced_leaves_the_last_two_and_no_more() {
        let file = KeyFile::new(&[1]);
        let keys = file.load();
        let mut tickets = vec![ticket(&keys)];
        for key in 2..5 {
            file.write(&[key]);
            keys.reload();
            // Nothing has changed the second time.
            keys.reload();
            tickets.push(ticket(&keys));
        }
        let opened: Vec<bool> = tickets.iter().map(|ticket| opens(&keys, ticket)).collect();
        assert_eq!(opened, [false, true, true, true]);
    }

    #[test]
    fn a_file_of_several_keys_has_all_that_open() {
        let file = KeyFile::new(&[1]);
        let keys = file.load();
        let old = ticket(&keys);
        file.write(&[3, 2]);
        keys.reload();
        assert!(!opens(&keys, &old), "a key that is removed is gone");
    }

    #[test]
    fn a_file_that_cannot_be_used_keeps_the_keys_before_it() {
        let file = KeyFile::new(&[1]);
        let keys = file.load();
        let old = ticket(&keys);
        for bytes in [&b""[..], b"short", &[0; KEY_BYTES - 1], &[0; KEY_BYTES + 1], &[0; 4 * KEY_BYTES]] {
            std::fs::write(file.path(), bytes).expect("it can be written");
            assert!(matches!(TicketKeys::load(file.path()), Err(TicketKeysError::Length(_))), "{}", bytes.len());
            keys.reload();
            assert!(opens(&keys, &old));
        }
        std::fs::remove_file(file.path()).expect("it is there");
        assert!(matches!(TicketKeys::load(file.path()), Err(TicketKeysError::Unreadable { .. })));
        keys.reload();
        assert!(opens(&keys, &old));
    }

    #[test]
    fn what_is_no_ticket_of_these_keys_opens_nothing() {
        let keys = KeyFile::new(&[1]).load();
        let good = ticket(&keys);
        assert_ne!(good, ticket(&keys), "each has a salt of its own");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(!opens(&keys, &bad), "a changed byte {at}");
            assert!(!opens(&keys, &good[..at]), "a ticket of {at} bytes");
        }
        assert!(!opens(&keys, &[good, vec![0]].concat()));
        assert_eq!(keys.encrypt(&[0; MAX_TICKET]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..3000), is_named in any::<bool>()) {
            let keys = KeyFile::new(&[1]).load();
            if is_named {
                bytes.splice(..bytes.len().min(NAME_BYTES), [1; NAME_BYTES]);
            }
            prop_assert_eq!(keys.decrypt(&bytes), None);
        }
    }
}
