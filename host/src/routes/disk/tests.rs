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

impl Look {
    /// A look that differs from those of other numbers.
    pub(crate) fn numbered(number: u64) -> Self {
        let stamp = Stamp { device: 0, inode: 0, length: number, modified: (0, 0), changed: (0, 0) };
        Self { component: Some(stamp), route_file: None }
    }
}

#[test]
fn whatever_becomes_of_a_file_shows_in_its_look() {
    let root = tempfile::tempdir().expect("a directory can be made");
    let (component, route_file) = (root.path().join("a.wasm"), root.path().join("a.toml"));
    let other = root.path().join("other");
    let mut looks = vec![Look::at(&component)];
    assert!(looks[0].is_gone());
    let steps: [&dyn Fn() -> io::Result<()>; 6] = [
        &|| fs::write(&component, b"abc"),
        &|| fs::write(&component, b"abcd"),
        &|| fs::write(&route_file, b""),
        // Of the same length, and at the place of the other.
        &|| fs::write(&other, b"efgh").and_then(|()| fs::rename(&other, &component)),
        &|| fs::remove_file(&route_file),
        &|| fs::remove_file(&component).and_then(|()| std::os::unix::fs::symlink("nowhere", &component)),
    ];
    for step in steps {
        step().expect("the directory can be changed");
        let look = Look::at(&component);
        assert!(!looks.contains(&look) && !look.is_gone(), "{look:?} after {looks:?}");
        assert_eq!(look, Look::at(&component));
        looks.push(look);
    }
}
