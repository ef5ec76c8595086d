//! Reads regular files whole, up to a bound, and nothing else: reading a pipe or a device may never end.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use thiserror::Error;

/// Why a file cannot be read.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// The error of the system.
    #[error("it cannot be read: {0}")]
    System(#[from] io::Error),
    /// It is a pipe, a device or a directory.
    #[error("it is not a regular file")]
    NotRegular,
    /// It has more bytes than this.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
}

/// The bytes of a regular file.
///
/// # Errors
/// If it cannot be read, is not a regular file, or has more than `max_bytes`.
pub(crate) fn read(file: &Path, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    // Checked before it is opened, which a device may notice, and after, since it may be another file by then.
    if !fs::metadata(file)?.is_file() {
        return Err(ReadError::NotRegular);
    }
    let opened = open(file)?;
    if !opened.metadata()?.is_file() {
        return Err(ReadError::NotRegular);
    }
    let mut bytes = Vec::new();
    opened.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes { Err(ReadError::TooLarge(max_bytes)) } else { Ok(bytes) }
}

/// Opens a file for reading, without waiting for the other end of a pipe.
fn open(file: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_not_waited_for() {
        let root = tempfile::tempdir().expect("a directory can be made");
        let pipe = root.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("there is a mkfifo command").success());
        assert!(matches!(read(&pipe, 10), Err(ReadError::NotRegular)));
        let opened = open(&pipe).and_then(|opened| opened.metadata());
        assert!(!opened.expect("opening does not wait").is_file());
    }

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let root = tempfile::tempdir().expect("a directory can be made");
        let file = root.path().join("file");
        fs::write(&file, b"abc").expect("a file can be written");
        for (most, expected) in [(4, Ok(3)), (3, Ok(3)), (2, Err("it is larger than 2 bytes".to_owned()))] {
            let length = read(&file, most).map(|bytes| bytes.len()).map_err(|error| error.to_string());
            assert_eq!(length, expected, "{most}");
        }
        // Linux says of this one that it has no bytes.
        if cfg!(target_os = "linux") {
            assert!(matches!(read(Path::new("/proc/self/status"), 10), Err(ReadError::TooLarge(10))));
        }
    }
}
