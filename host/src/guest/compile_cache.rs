//! The compile cache: stores the machine code of each component and the facts that were found when it was compiled.
//!
//! An entry is native code read from disk. It is used only if its keyed hash proves that a host of this user wrote it
//! for this component, this compiler and these settings. Any other entry is a miss and is replaced. A failure of the
//! cache never fails a component.

use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use super::component_facts::ComponentFacts;
use super::native::NativeCode;
use crate::config::CodeQuality;
use crate::private_directory;

/// The first bytes of an entry. Change it when the layout changes.
const MAGIC: &[u8; 8] = b"vbrcode1";

/// Maximum size of an entry, in bytes.
const MAX_ENTRY_BYTES: u64 = 1 << 30;

/// Maximum total size of all entries, in bytes. Past it, the least recently used entries are removed.
const MAX_BYTES: u64 = 1 << 30;

/// The total size is checked after this many new entries.
const PRUNE_EVERY: usize = 32;

/// The modification time of an entry marks its last use. It is renewed when it is older than this.
const RENEW_MARK_AFTER: Duration = Duration::from_secs(86_400);

/// A temporary file older than this is a leftover and is removed.
const UNFINISHED_AFTER: Duration = Duration::from_secs(3600);

/// A directory of entries that only this user can write.
#[derive(Debug)]
pub(super) struct CompileCache {
    directory: PathBuf,
    key: [u8; 32],
    written: AtomicUsize,
    has_warned: AtomicBool,
}

/// Identifies an entry: a hash of the component, the host's version, the compiler and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryName([u8; 32]);

impl CompileCache {
    /// Opens the cache in `directory`, and creates the directory if it does not exist.
    ///
    /// # Errors
    /// A message that says why the directory cannot be used: the system's error, or that other users can write to it.
    pub(super) fn open(directory: &Path) -> Result<Self, String> {
        let entries = directory.join("components");
        for directory in [directory, &entries] {
            private_directory::open(directory)?;
        }
        let key = read_key(&entries.join("key")).map_err(|error| format!("cannot read its key: {error}"))?;
        Ok(Self { directory: entries, key, written: AtomicUsize::new(0), has_warned: AtomicBool::new(false) })
    }

    /// The name of a component's entry.
    pub(super) fn name(&self, engine: &wasmtime::Engine, code: CodeQuality, component: &[u8]) -> EntryName {
        let mut hasher = Keyed(self.hasher("name"));
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.write_u8(u8::from(code == CodeQuality::Quick));
        hasher.0.update(component);
        EntryName(hasher.0.finalize().into())
    }

    /// Reads the entry of a component. `None` if there is no entry or it is not authentic.
    pub(super) fn get(&self, name: EntryName) -> Option<(ComponentFacts, NativeCode)> {
        let (mut file, length) = open_regular(&self.path(name)).ok()?;
        if length > MAX_ENTRY_BYTES {
            return None;
        }
        let mut entry = Vec::with_capacity(usize::try_from(length).ok()?);
        Read::by_ref(&mut file).take(MAX_ENTRY_BYTES).read_to_end(&mut entry).ok()?;
        let body = entry.strip_prefix(MAGIC)?;
        let (tag, body) = body.split_first_chunk::<32>()?;
        // `blake3::Hash` compares in constant time.
        if self.tag(name, body) != blake3::Hash::from_bytes(*tag) {
            tracing::warn!(
                target: "engine",
                "a compile cache entry was altered and is replaced: {}",
                self.path(name).display()
            );
            return None;
        }
        let (length, body) = body.split_first_chunk::<8>()?;
        let (facts, code) = body.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let facts = ComponentFacts::decode(facts)?;
        let code = zstd::decode_all(code).ok()?;
        self.mark_used(&file);
        Some((facts, NativeCode::from_verified_entry(code)))
    }

    /// Stores a component's code and facts. The first failure is logged.
    pub(super) fn put(&self, name: EntryName, facts: &ComponentFacts, code: &NativeCode) {
        let written = self.write(name, facts, code);
        if let Err(error) = written
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(target: "engine", "cannot write compiled code to {}: {error}", self.directory.display());
        }
        if self.written.fetch_add(1, Ordering::Relaxed).is_multiple_of(PRUNE_EVERY) {
            self.prune();
        }
    }

    fn write(&self, name: EntryName, facts: &ComponentFacts, code: &NativeCode) -> io::Result<()> {
        let facts = facts.encode();
        let mut body = (facts.len() as u64).to_le_bytes().to_vec();
        body.extend_from_slice(&facts);
        body.extend_from_slice(&zstd::encode_all(code.bytes(), zstd::DEFAULT_COMPRESSION_LEVEL)?);
        if body.len() as u64 > MAX_ENTRY_BYTES {
            return Err(io::Error::other("the code is too large"));
        }
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.directory.join(format!(".new-{}-{number}", std::process::id()));
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            file.write_all(MAGIC)?;
            file.write_all(self.tag(name, &body).as_bytes())?;
            file.write_all(&body)?;
            fs::rename(&unfinished, self.path(name))
        };
        write().inspect_err(|_| {
            // If it cannot be removed now, `prune` removes it later by its age.
            let _ = fs::remove_file(&unfinished);
        })
    }

    fn path(&self, name: EntryName) -> PathBuf {
        self.directory.join(blake3::Hash::from_bytes(name.0).to_hex().as_str())
    }

    fn hasher(&self, what: &str) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(MAGIC).update(what.as_bytes()).update(&[0]);
        hasher
    }

    /// The keyed hash of an entry: over its content and its name, which stands for what it was compiled from.
    fn tag(&self, name: EntryName, body: &[u8]) -> blake3::Hash {
        self.hasher("entry").update(&name.0).update(body).finalize()
    }

    /// Renews the mark of an entry's last use if the mark is old.
    fn mark_used(&self, file: &File) {
        let now = SystemTime::now();
        let is_old = |marked: SystemTime| now.duration_since(marked).is_ok_and(|age| age > RENEW_MARK_AFTER);
        if file.metadata().and_then(|metadata| metadata.modified()).is_ok_and(is_old) {
            // If this fails, the entry is only removed earlier than it should be.
            let _ = file.set_modified(now);
        }
    }

    /// Removes leftover temporary files, and the least recently used entries while the total size is too large.
    fn prune(&self) {
        let Ok(files) = fs::read_dir(&self.directory) else { return };
        let now = SystemTime::now();
        let mut entries = Vec::new();
        for file in files.flatten() {
            let Ok(metadata) = file.metadata() else { continue };
            let (path, used) = (file.path(), metadata.modified().unwrap_or(now));
            let name = file.file_name();
            let name = name.as_encoded_bytes();
            if name.starts_with(b".new-") && now.duration_since(used).is_ok_and(|age| age > UNFINISHED_AFTER) {
                // If it cannot be removed, the next `prune` tries again.
                let _ = fs::remove_file(path);
            } else if name.len() == 64 {
                entries.push((used, metadata.len(), path));
            }
        }
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        entries.sort();
        for (_, bytes, path) in entries {
            if total <= MAX_BYTES {
                return;
            }
            total -= bytes;
            // If it cannot be removed, the next `prune` tries again.
            let _ = fs::remove_file(path);
        }
    }
}

/// The secret key of this cache, created at its first use. Anyone who has it can make the host run arbitrary code.
fn read_key(path: &Path) -> io::Result<[u8; 32]> {
    let read = || -> io::Result<[u8; 32]> {
        let (mut file, _) = open_regular(path)?;
        let metadata = file.metadata()?;
        if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o077 != 0 {
            return Err(io::Error::other("others can read it; remove the file `key`, and another is made"));
        }
        let mut key = [0; 32];
        file.read_exact(&mut key).map_err(|_| io::Error::other("it is damaged; remove the file `key`"))?;
        Ok(key)
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let mut key = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    // Write a complete file first, then give it its name. Another host that starts at the same time may have created
    // the key already.
    let unfinished = path.with_extension(format!("new-{}", std::process::id()));
    let made = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&key)?;
        match fs::hard_link(&unfinished, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    })();
    let _ = fs::remove_file(&unfinished);
    made?;
    read()
}

/// Opens a regular file and returns its length. Does not follow symbolic links and does not block on pipes.
fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok((file, metadata.len()))
}

/// Feeds what describes the compiler into a keyed hash.
struct Keyed(blake3::Hasher);

impl Hasher for Keyed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // `Hash` implementations only write. If called, this returns the first 64 bits of the hash.
        let hash = self.0.finalize();
        hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}
