//! What was fetched, in a directory of the cache: manifests and components by their digests, and what each tag has meant last.
//!
//! Nothing that is read is trusted: what has another digest than its name is removed, and fetched again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use super::digest::{ContentDigest, ContentHasher};
use super::error::OciError;
use super::reference::ComponentReference;
use crate::private_directory;
use crate::regular_file::{self, ReadError};

/// How many bytes all files may have. Past it, the least recently used ones are removed.
const MAX_BYTES: u64 = 1 << 30;

/// A temporary file older than this is a leftover and is removed.
const UNFINISHED_AFTER: Duration = Duration::from_secs(3600);

/// The largest file that says what a tag has meant, in bytes.
const MAX_TAG_FILE: u64 = 256;

/// A directory that only this user can write.
#[derive(Debug, Clone)]
pub(super) struct OciStore {
    blobs: PathBuf,
    tags: PathBuf,
    signatures: PathBuf,
}

impl OciStore {
    /// Opens the store in `directory`, and makes what is missing of it.
    pub(super) fn open(directory: &Path) -> Result<Self, OciError> {
        let store = Self {
            blobs: directory.join("sha256"),
            tags: directory.join("tags"),
            signatures: directory.join("signatures"),
        };
        for part in [directory, &store.blobs, &store.tags, &store.signatures] {
            private_directory::open(part).map_err(|reason| OciError::Cache { directory: part.to_owned(), reason })?;
        }
        Ok(store)
    }

    /// The bytes of a digest. `None` if they are not there.
    ///
    /// # Errors
    /// They are others than the digest says, or cannot be read.
    pub(super) fn read(&self, digest: &ContentDigest, max_bytes: u64) -> Result<Option<Vec<u8>>, OciError> {
        let file = self.blobs.join(digest.hex());
        let Some(bytes) = read(&file, max_bytes)? else { return Ok(None) };
        if ContentDigest::of(&bytes) == *digest {
            mark_used(&file);
            return Ok(Some(bytes));
        }
        remove(&file);
        Err(OciError::Altered { digest: *digest, place: "in the cache" })
    }

    /// Begins to write the bytes of a digest.
    pub(super) fn write(&self, digest: ContentDigest) -> io::Result<BlobWriter> {
        let unfinished = Unfinished::new(&self.blobs)?;
        Ok(BlobWriter { digest, hasher: ContentHasher::new(), unfinished, file: self.blobs.join(digest.hex()) })
    }

    /// Writes all bytes of a digest.
    pub(super) fn put(&self, digest: ContentDigest, bytes: &[u8]) -> Result<(), OciError> {
        let mut writer = self.write(digest)?;
        writer.write(bytes)?;
        writer.finish()
    }

    /// What a tag has meant last. `None` if that is not known.
    pub(super) fn tag(&self, reference: &ComponentReference) -> Option<ContentDigest> {
        let bytes = read(&self.tag_file(reference), MAX_TAG_FILE).ok()??;
        String::from_utf8(bytes).ok()?.trim_end().parse().ok()
    }

    /// Notes what a tag means.
    pub(super) fn set_tag(&self, reference: &ComponentReference, digest: ContentDigest) -> Result<(), OciError> {
        replace(&self.tags, &self.tag_file(reference), format!("{digest}\n").as_bytes())
    }

    /// The signature that was accepted for a manifest, with what it signs.
    pub(super) fn signature(&self, digest: &ContentDigest, max_bytes: u64) -> Option<Vec<u8>> {
        read(&self.signatures.join(digest.hex()), max_bytes).ok()?
    }

    /// Notes the signature of a manifest.
    pub(super) fn set_signature(&self, digest: &ContentDigest, signature: &[u8]) -> Result<(), OciError> {
        replace(&self.signatures, &self.signatures.join(digest.hex()), signature)
    }

    fn tag_file(&self, reference: &ComponentReference) -> PathBuf {
        self.tags.join(ContentDigest::of(reference.to_string().as_bytes()).hex())
    }

    /// Removes leftover temporary files, and the least recently used blobs while all are too large.
    pub(super) fn prune(&self) {
        self.prune_to(MAX_BYTES);
    }

    fn prune_to(&self, max_bytes: u64) {
        let Ok(files) = fs::read_dir(&self.blobs) else { return };
        let now = SystemTime::now();
        let mut blobs = Vec::new();
        for file in files.flatten() {
            let Ok(metadata) = file.metadata() else { continue };
            let used = metadata.modified().unwrap_or(now);
            match file.file_name().as_encoded_bytes().starts_with(b".new-") {
                true if now.duration_since(used).is_ok_and(|age| age > UNFINISHED_AFTER) => remove(&file.path()),
                true => {}
                false => blobs.push((used, metadata.len(), file.path())),
            }
        }
        let mut total: u64 = blobs.iter().map(|(_, bytes, _)| bytes).sum();
        blobs.sort();
        for (_, bytes, path) in blobs {
            if total <= max_bytes {
                return;
            }
            total -= bytes;
            remove(&path);
        }
    }
}

/// Writes the bytes of a digest. They are there once it is finished.
pub(super) struct BlobWriter {
    digest: ContentDigest,
    hasher: ContentHasher,
    unfinished: Unfinished,
    file: PathBuf,
}

impl BlobWriter {
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.unfinished.file.write_all(bytes)
    }

    /// Puts them in their place.
    ///
    /// # Errors
    /// They are others than the digest says, or cannot be written.
    pub(super) fn finish(self) -> Result<(), OciError> {
        let Self { digest, hasher, unfinished, file } = self;
        match hasher.finish() == digest {
            true => Ok(unfinished.rename(&file)?),
            false => Err(OciError::Altered { digest, place: "from the registry" }),
        }
    }
}

/// A temporary file, removed when it is dropped.
struct Unfinished {
    file: File,
    path: PathBuf,
}

impl Unfinished {
    fn new(directory: &Path) -> io::Result<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!(".new-{}-{number}", std::process::id()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        Ok(Self { file, path })
    }

    /// Gives it its name, so that after a crash there is all of it or nothing.
    fn rename(self, to: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, to)?;
        File::open(to.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Puts a small file in the place of another.
fn replace(directory: &Path, file: &Path, bytes: &[u8]) -> Result<(), OciError> {
    let mut unfinished = Unfinished::new(directory)?;
    unfinished.file.write_all(bytes)?;
    Ok(unfinished.rename(file)?)
}

fn read(file: &Path, max_bytes: u64) -> Result<Option<Vec<u8>>, OciError> {
    match regular_file::read(file, max_bytes) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ReadError::System(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(ReadError::System(error)) => Err(error.into()),
        Err(error) => Err(io::Error::other(format!("{}: {error}", file.display())).into()),
    }
}

/// The time of modification marks the last use.
fn mark_used(file: &Path) {
    // If this fails, it is only removed earlier than it should be.
    let _ = File::open(file).and_then(|file| file.set_modified(SystemTime::now()));
}

fn remove(file: &Path) {
    // If it cannot be removed now, pruning does it later.
    let _ = fs::remove_file(file);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn store() -> (tempfile::TempDir, OciStore) {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let store = OciStore::open(&directory.path().join("oci")).expect("it can be made");
        (directory, store)
    }

    #[test]
    fn what_is_put_is_read_until_a_bit_of_it_flips() {
        let (_directory, store) = store();
        let digest = ContentDigest::of(b"abc");
        assert!(matches!(store.read(&digest, 10), Ok(None)));
        store.put(digest, b"abc").expect("it can be written");
        assert_eq!(store.read(&digest, 10).ok().flatten().as_deref(), Some(&b"abc"[..]));
        fs::write(store.blobs.join(digest.hex()), b"abb").expect("it can be written");
        assert!(matches!(store.read(&digest, 10), Err(OciError::Altered { .. })));
        assert!(matches!(store.read(&digest, 10), Ok(None)), "it is removed");
    }

    #[test]
    fn what_has_another_digest_is_never_put_in_its_place() {
        let (_directory, store) = store();
        let digest = ContentDigest::of(b"abc");
        assert!(matches!(store.put(digest, b"abb"), Err(OciError::Altered { .. })));
        drop(store.write(digest).map(|mut writer| writer.write(b"ab")));
        assert!(matches!(store.read(&digest, 10), Ok(None)));
        assert_eq!(fs::read_dir(&store.blobs).expect("it is there").count(), 0, "no temporary file stays");
    }

    #[test]
    fn a_tag_means_what_it_meant_last() {
        let (directory, store) = store();
        let reference: ComponentReference = "oci://a/b:c".parse().expect("it is one");
        let other: ComponentReference = "oci://a/b:d".parse().expect("it is one");
        assert_eq!(store.tag(&reference), None);
        let digests = [ContentDigest::of(b"1"), ContentDigest::of(b"2")];
        for digest in digests {
            store.set_tag(&reference, digest).expect("it can be written");
            assert_eq!((store.tag(&reference), store.tag(&other)), (Some(digest), None));
        }
        fs::write(store.tag_file(&reference), "sha256:0").expect("it can be written");
        assert_eq!(store.tag(&reference), None);
        let again = OciStore::open(&directory.path().join("oci")).expect("it is there");
        store.set_tag(&reference, digests[0]).expect("it can be written");
        assert_eq!(again.tag(&reference), Some(digests[0]));
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let (_directory, store) = store();
        let contents = [b"old", b"mid", b"new"];
        for (age, bytes) in [300, 200, 100].into_iter().zip(contents) {
            let digest = ContentDigest::of(bytes);
            store.put(digest, bytes).expect("it can be written");
            let file = File::open(store.blobs.join(digest.hex())).expect("it is there");
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).expect("it is ours");
        }
        assert!(matches!(store.read(&ContentDigest::of(b"old"), 10), Ok(Some(_))), "this marks it as used");
        store.prune_to(6);
        let left = contents.map(|bytes| store.read(&ContentDigest::of(bytes), 10).ok().flatten().is_some());
        assert_eq!(left, [true, false, true]);
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let open = directory.path().join("oci");
        fs::create_dir(&open).expect("it can be made");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("it is ours");
        let refused = OciStore::open(&open).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("others can write"), "{refused}");
    }
}
