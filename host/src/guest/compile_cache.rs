//! The compile cache: for each component its machine code, and what it has said of itself when it was compiled.
//!
//! An entry is native code from a disk, so it counts only if a keyed hash says that this user's host has written it, for
//! this component, this compiler and these settings. Everything else is a miss, and is replaced. No failure of the cache is
//! a failure of a component.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use super::component_facts::ComponentFacts;
use super::native::NativeCode;

/// What an entry begins with. Another layout has another number.
const MAGIC: &[u8; 8] = b"vbrcode1";

/// The largest entry that is read, and written.
const MAX_ENTRY_BYTES: u64 = 1 << 30;

/// What all entries may take together; past it those that were not used for longest go.
const MAX_BYTES: u64 = 1 << 30;

/// After how many new entries it is looked whether they take too much.
const PRUNE_EVERY: usize = 32;

/// How old the mark of an entry's last use may become.
const MARK_AFTER: Duration = Duration::from_secs(86_400);

/// How long a file that is being written may be.
const UNFINISHED_AFTER: Duration = Duration::from_secs(3600);

/// A directory of entries, which only this user can write.
#[derive(Debug)]
pub(super) struct CompileCache {
    directory: PathBuf,
    key: [u8; 32],
    written: AtomicUsize,
    has_told: AtomicBool,
}

/// Which entry: of one component, one version of the host, one compiler and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryName([u8; 32]);

impl CompileCache {
    /// Opens the cache in `directory`, and makes it where it is not there.
    ///
    /// # Errors
    /// Why it cannot be used, in words: what the system says, or that others can write there.
    pub(super) fn open(directory: &Path) -> Result<Self, String> {
        let entries = directory.join("components");
        for directory in [directory, &entries] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(|error| error.to_string())?;
            check_owner(directory, &fs::metadata(directory).map_err(|error| error.to_string())?)?;
        }
        let key = read_key(&entries.join("key")).map_err(|error| format!("its key cannot be had: {error}"))?;
        Ok(Self { directory: entries, key, written: AtomicUsize::new(0), has_told: AtomicBool::new(false) })
    }

    /// The entry of a component.
    pub(super) fn name(&self, engine: &wasmtime::Engine, component: &[u8]) -> EntryName {
        let mut hasher = Keyed(self.hasher("name"));
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.0.update(component);
        EntryName(hasher.0.finalize().into())
    }

    /// What was kept of a component, if it is what was written.
    pub(super) fn get(&self, name: EntryName) -> Option<(ComponentFacts, NativeCode)> {
        let (mut file, length) = open_regular(&self.path(name)).ok()?;
        if length > MAX_ENTRY_BYTES {
            return None;
        }
        let mut entry = Vec::with_capacity(usize::try_from(length).ok()?);
        Read::by_ref(&mut file).take(MAX_ENTRY_BYTES).read_to_end(&mut entry).ok()?;
        let body = entry.strip_prefix(MAGIC)?;
        let (tag, body) = body.split_first_chunk::<32>()?;
        // In constant time: the type compares so.
        if self.tag(name, body) != blake3::Hash::from_bytes(*tag) {
            tracing::warn!(
                target: "engine",
                "an entry of the compile cache is not what was written, and is replaced: {}",
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

    /// Keeps a component's code and what it has said of itself. Where that fails it is told, once.
    pub(super) fn put(&self, name: EntryName, facts: &ComponentFacts, code: &NativeCode) {
        let written = self.write(name, facts, code);
        if let Err(error) = written
            && !self.has_told.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(target: "engine", "compiled code cannot be kept in {}: {error}", self.directory.display());
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
            // Where it cannot be removed it is found later, by its age.
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

    /// The keyed hash of an entry: of its content, and of what it was made from, which its name says.
    fn tag(&self, name: EntryName, body: &[u8]) -> blake3::Hash {
        self.hasher("entry").update(&name.0).update(body).finalize()
    }

    /// Marks an entry as used, now and then: those that were not used for longest go first.
    fn mark_used(&self, file: &File) {
        let now = SystemTime::now();
        let is_old = |marked: SystemTime| now.duration_since(marked).is_ok_and(|age| age > MARK_AFTER);
        if file.metadata().and_then(|metadata| metadata.modified()).is_ok_and(is_old) {
            // Without the mark it goes earlier than it should.
            let _ = file.set_modified(now);
        }
    }

    /// Removes what was not used for longest, where all entries take too much together, and what was left unfinished.
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
                // What cannot be removed is tried again the next time.
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
            // What cannot be removed is tried again the next time.
            let _ = fs::remove_file(path);
        }
    }
}

/// Whether others than this user, and the machine's administrator, can write there.
fn check_owner(directory: &Path, metadata: &fs::Metadata) -> Result<(), String> {
    let directory = directory.display();
    if metadata.uid() != rustix::process::geteuid().as_raw() && metadata.uid() != 0 {
        return Err(format!("{directory} belongs to another user, who could put code there; name another directory"));
    }
    // In a directory with the sticky bit, such as /tmp, nobody else can move what is there.
    if metadata.mode() & 0o022 != 0 && metadata.mode() & 0o1000 == 0 {
        return Err(format!(
            "others can write in {directory}, and so put code there; `chmod go-w {directory}` stops them"
        ));
    }
    Ok(())
}

/// The secret of this cache, made at its first use. Whoever has it can have the host run any code.
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
    // Whole before it has its name, and another host that starts at this moment may be first.
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

/// Opens a regular file and says how long it is: neither a link is followed nor a pipe waited for.
fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok((file, metadata.len()))
}

/// Takes what describes the compiler into a keyed hash.
struct Keyed(blake3::Hasher);

impl Hasher for Keyed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // Nobody asks a hash of 64 bits of it; were it asked, it would be the first bytes of the whole.
        let hash = self.0.finalize();
        hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}
