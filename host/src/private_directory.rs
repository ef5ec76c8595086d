//! Directories that only this user can write: whoever could write there could put code into the host.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

/// Makes the directory if it does not exist, and checks who can write to it.
///
/// # Errors
/// A message that says why it cannot be used: the system's error, or that other users can write to it.
pub(crate) fn open(directory: &Path) -> Result<(), String> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| error.to_string())?;
    check_owner(directory, &fs::metadata(directory).map_err(|error| error.to_string())?)
}

/// Fails if users other than this one and root can write to the directory.
fn check_owner(directory: &Path, metadata: &fs::Metadata) -> Result<(), String> {
    let directory = directory.display();
    if metadata.uid() != rustix::process::geteuid().as_raw() && metadata.uid() != 0 {
        return Err(format!("{directory} belongs to another user, who could put code there; name another directory"));
    }
    // In a directory with the sticky bit, such as /tmp, other users cannot rename or remove what is in it.
    if metadata.mode() & 0o022 != 0 && metadata.mode() & 0o1000 == 0 {
        return Err(format!(
            "others can write in {directory}, and so put code there; `chmod go-w {directory}` stops them"
        ));
    }
    Ok(())
}
