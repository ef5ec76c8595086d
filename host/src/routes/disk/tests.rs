//! What cannot be read, and what is too large. The rest needs a whole directory: `tests/it/disk.rs`.

use super::*;

#[test]
fn a_directory_that_cannot_be_read_is_reported_by_its_own_name() {
    let root = tempfile::tempdir().expect("a directory can be made");
    let gone = root.path().join("gone");
    let mut files = Files::default();
    files.descend(&gone, &mut vec![root.path().to_owned()]);
    let reason = "it cannot be read: No such file or directory (os error 2)";
    let remedy = "make it readable, or begin its name with `_`";
    assert_eq!(files.diagnostics, [error(&gone, reason, remedy)]);
}

#[test]
fn a_root_that_cannot_be_read_is_an_error() {
    let root = tempfile::tempdir().expect("a directory can be made");
    let found = Files::find(&root.path().join("gone")).map(|files| files.components);
    assert_eq!(found.map_err(|error| error.kind()), Err(io::ErrorKind::NotFound));
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
