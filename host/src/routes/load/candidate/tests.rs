use std::path::Path;
use std::{fs, io};

use super::*;
use crate::routes::disk::Disk;
use crate::routes::load::Retry;

#[test]
fn a_route_file_that_changes_while_it_is_read_is_not_believed() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let (source, key) =
        (Disk::new(directory.path()), ComponentKey::in_directory(directory.path(), Path::new("a.wasm")));
    let route_file = directory.path().join("a.toml");
    fs::write(directory.path().join("a.wasm"), "")?;
    fs::write(&route_file, "middleware = ['auth']")?;
    let fingerprint = source.fingerprint(&key)?;
    assert!(Candidate::read(&source, key.clone(), fingerprint).route_file.is_ok());
    fs::write(&route_file, "")?;
    let failure = Candidate::read(&source, key, fingerprint).route_file.err();
    assert_eq!(failure.map(|failure| failure.retry), Some(Retry::AtNextScan));
    Ok(())
}
