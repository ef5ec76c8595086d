//! Stores in a file who holds which path, so that it is known after a restart.
//!
//! Owns the format of the file. A file that cannot be read, or has another version, counts as missing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use thiserror::Error;

use super::component::ComponentKey;
use super::holders::HolderRecord;
use super::method;
use super::pattern::MAX_PATTERN_BYTES;
use super::site::shape_in_site;
use crate::regular_file::{self, ReadError};

#[cfg(test)]
mod tests;

/// The version of the format.
const VERSION: u64 = 1;

/// The largest file that is read or written, in bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Where it is stored who holds which path.
#[derive(Debug, Clone)]
pub struct HolderStoreSetup {
    /// The directory of the file. It is made if it is missing.
    pub directory: PathBuf,
    /// Whether the file is written too, and not only read.
    pub writes: bool,
}

/// Why the file cannot be read or written.
#[derive(Debug, Error)]
pub enum HolderStoreError {
    /// It cannot be read.
    #[error("who held which path is not remembered: {}: {reason}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says, or what is wrong with the file.
        reason: String,
    },
    /// It cannot be written.
    #[error("who holds which path will not be remembered: {}: {reason}", .file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: String,
    },
}

/// The file of one routes directory.
#[derive(Debug)]
pub(crate) struct HolderStore {
    file: PathBuf,
    root: PathBuf,
    /// What the file has, if that is known.
    written: Option<Vec<HolderRecord>>,
    writes: bool,
}

impl HolderStore {
    /// The file of the routes directory `root`, which need not be there yet.
    pub(super) fn new(memory: &HolderStoreSetup, root: &Path) -> Self {
        let real = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let digest = Sha1::digest(real.as_os_str().as_encoded_bytes());
        let name: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
        let file = memory.directory.join(format!("{name}.json"));
        Self { file, root: root.to_owned(), written: None, writes: memory.writes }
    }

    /// What was written last. Empty if there is no file.
    pub(super) fn read(&mut self) -> Result<Vec<HolderRecord>, HolderStoreError> {
        let failed = |reason: String| HolderStoreError::Read { file: self.file.clone(), reason };
        let bytes = match regular_file::read(&self.file, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(ReadError::System(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error.to_string())),
        };
        let value = serde_json::from_slice(&bytes).map_err(|error| failed(format!("it is damaged: {error}")))?;
        let records = parse(&value, &self.root);
        let mut records = records.ok_or_else(|| failed("it is damaged, or of another version".to_owned()))?;
        records.sort();
        self.written = Some(records.clone());
        Ok(records)
    }

    /// Writes who holds what if that has changed. The file is replaced as a whole.
    pub(super) fn write(&mut self, mut records: Vec<HolderRecord>) -> Result<(), HolderStoreError> {
        records.sort();
        if !self.writes || self.written.as_ref() == Some(&records) {
            return Ok(());
        }
        let written = self
            .replace(&records)
            .map_err(|error| HolderStoreError::Write { file: self.file.clone(), reason: error.to_string() });
        // After a failure it is not tried again until something else is to be written.
        self.written = Some(records);
        written
    }

    fn replace(&self, records: &[HolderRecord]) -> io::Result<()> {
        let held: Vec<Value> = records.iter().filter_map(|record| self.entry(record)).collect();
        let text = json!({ "version": VERSION, "held": held }).to_string();
        if text.len() as u64 > MAX_BYTES {
            return Err(io::Error::other(format!("it would be larger than {MAX_BYTES} bytes")));
        }
        let directory = self.file.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(directory)?;
        let new = self.file.with_extension(format!("{}.new", std::process::id()));
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &self.file)
        };
        write().inspect_err(|_| drop(fs::remove_file(&new)))
    }

    /// What is written of one holder. `None` if its path is not UTF-8.
    fn entry(&self, record: &HolderRecord) -> Option<Value> {
        let file = record.key.path().to_str()?;
        Some(json!({ "path": record.shape, "file": file, "methods": record.methods }))
    }
}

/// What a file says, with the components as they are named from the routes directory on.
fn parse(value: &Value, root: &Path) -> Option<Vec<HolderRecord>> {
    if value.get("version")?.as_u64()? != VERSION {
        return None;
    }
    value.get("held")?.as_array()?.iter().map(|value| record(value, root)).collect()
}

fn record(value: &Value, root: &Path) -> Option<HolderRecord> {
    let shape = value.get("path")?.as_str()?.to_owned();
    let file = PathBuf::from(value.get("file")?.as_str()?);
    let methods = value.get("methods")?.as_array()?.iter().map(|it| it.as_str().map(str::to_owned));
    let methods: Vec<String> = methods.collect::<Option<_>>()?;
    let in_site = shape_in_site(&shape);
    let is_shape = in_site.starts_with('/') && in_site.len() <= MAX_PATTERN_BYTES;
    let is_below = file.components().count() > 0 && file.components().all(|it| matches!(it, Component::Normal(_)));
    (is_shape && is_below && method::check(&methods).is_ok()).then(|| HolderRecord {
        shape,
        key: ComponentKey::in_directory(root, &file),
        methods,
    })
}
