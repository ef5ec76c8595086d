//! The files of what an authority knows and issues: the account, and the certificates with their keys.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::settings::{AcmeDirectory, AcmeDomain};
use crate::certificates::CertificateFiles;

/// The directory in that of the state.
const DIRECTORY: &str = "acme";

/// The account at the authority.
const ACCOUNT: &str = "account.json";

/// Locked by the process that orders certificates.
const LOCK: &str = "lock";

/// The most bytes of the account's file.
const MAX_ACCOUNT: u64 = 64 * 1024;

/// The directory of one authority. The files in it are for the host's user alone, and are replaced as a whole.
#[derive(Debug, Clone)]
pub struct AcmeStore {
    directory: PathBuf,
}

/// Why something cannot be kept.
#[derive(Debug, Error)]
pub enum AcmeStoreError {
    /// The system says no.
    #[error("cannot keep certificates in {}: {error}; see that the directory belongs to the host's user, and that the disk has room", .directory.display())]
    Failed {
        /// The directory.
        directory: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
}

impl AcmeStore {
    /// The directory for an authority in the state directory, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or not be written to.
    pub fn open(state: &Path, authority: &AcmeDirectory) -> Result<Self, AcmeStoreError> {
        let hash = blake3::hash(authority.url().as_bytes()).to_hex();
        let name = format!("{}-{}", authority.origin().host.to_string().replace(['[', ']', ':'], "_"), &hash[..8]);
        let store = Self { directory: state.join(DIRECTORY).join(name) };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&store.directory);
        made.map_err(|error| store.failed(error))?;
        store.check()?;
        Ok(store)
    }

    /// Where the certificate for a name is, with its key in the same file: both are replaced at once.
    #[must_use]
    pub fn files(&self, domain: &AcmeDomain) -> CertificateFiles {
        // A domain has no character that means something in a path, and neither begins nor ends with a dot.
        let file = self.directory.join(format!("{domain}.pem"));
        CertificateFiles { certificate: file.clone(), key: file }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Checks that a file can be written, before something is ordered that could not be kept.
    pub(super) fn check(&self) -> Result<(), AcmeStoreError> {
        // Another process may check at the same time.
        let probe = self.directory.join(format!("probe-{}.new", std::process::id()));
        let written = self.write_new(&probe, b"").and_then(|()| fs::remove_file(&probe));
        written.map_err(|error| self.failed(error))
    }

    /// The account, as [`Self::store_account`] was given it. `None` if there is none.
    pub(super) fn account(&self) -> Option<Vec<u8>> {
        let path = self.directory.join(ACCOUNT);
        let size = fs::metadata(&path).ok()?.len();
        if size > MAX_ACCOUNT { None } else { fs::read(&path).ok() }
    }

    pub(super) fn store_account(&self, account: &[u8]) -> Result<(), AcmeStoreError> {
        self.write(&self.directory.join(ACCOUNT), account)
    }

    /// Forgets an account that the authority does not know.
    pub(super) fn forget_account(&self) {
        // If it stays, the next order finds that out once more.
        let _ = fs::remove_file(self.directory.join(ACCOUNT));
    }

    /// Replaces the certificate for a name, if the new one passes `check`, which is given the files of it.
    pub(super) fn store_certificate<E: From<AcmeStoreError>>(
        &self,
        domain: &AcmeDomain,
        pem: &str,
        check: impl FnOnce(&CertificateFiles) -> Result<(), E>,
    ) -> Result<(), E> {
        let target = self.files(domain).certificate;
        let new = target.with_extension("pem.new");
        self.write_new(&new, pem.as_bytes()).map_err(|error| self.failed(error))?;
        let checked = check(&CertificateFiles { certificate: new.clone(), key: new.clone() });
        if checked.is_err() {
            // The next attempt replaces it otherwise.
            let _ = fs::remove_file(&new);
            return checked;
        }
        self.put(&new, &target).map_err(|error| self.failed(error).into())
    }

    /// Locks the store for this process. `None` if another one has it, such as the one that this one replaces.
    pub(super) fn lock(&self) -> Result<Option<File>, AcmeStoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(self.directory.join(LOCK)).map_err(|error| self.failed(error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(self.failed(error)),
        }
    }

    fn failed(&self, error: io::Error) -> AcmeStoreError {
        AcmeStoreError::Failed { directory: self.directory.clone(), error }
    }

    fn write(&self, path: &Path, content: &[u8]) -> Result<(), AcmeStoreError> {
        let new = path.with_extension("new");
        let written = self.write_new(&new, content).and_then(|()| self.put(&new, path));
        written.map_err(|error| self.failed(error))
    }

    fn write_new(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        // One that was left by a process that was killed may have another mode.
        let _ = fs::remove_file(path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content)?;
        file.sync_all()
    }

    fn put(&self, new: &Path, path: &Path) -> io::Result<()> {
        fs::rename(new, path)?;
        File::open(&self.directory)?.sync_all()
    }
}
