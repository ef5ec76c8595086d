//! What cannot be read. The rest needs a whole directory: `tests/it/routes/directory_contents.rs`.

use super::*;

#[test]
fn what_cannot_be_read_is_reported_by_its_own_name_and_what_is_gone_is_not() {
    let root = tempfile::tempdir().expect("a directory can be made");
    let (gone, file) = (root.path().join("gone"), root.path().join("file"));
    fs::write(&file, b"").expect("a file can be written");
    let disk = Disk::new(root.path());
    let mut walk = Walk::new(&disk);
    for directory in [&gone, &file] {
        walk.descend(directory, &mut vec![root.path().to_owned()]);
    }
    let reason = "it cannot be read: Not a directory (os error 20)";
    let remedy = "make it readable, or begin its name with `_`";
    assert_eq!(walk.listing.diagnostics, [Diagnostic::error(file.display(), reason, remedy)]);
    assert_eq!(walk.listing.unread, [Unread { path: "file".into(), location: file.display().to_string() }]);
}

#[test]
fn a_directory_in_the_place_of_another_is_told_from_it() {
    let root = tempfile::tempdir().expect("a directory can be made");
    let (routes, link) = (root.path().join("routes"), root.path().join("link"));
    std::os::unix::fs::symlink(&routes, &link).expect("a link can be made");
    assert_eq!(DirectoryIdentity::at(&link), None);
    fs::create_dir(&routes).expect("a directory can be made");
    let first = DirectoryIdentity::at(&routes);
    assert!(first.is_some());
    assert_eq!(DirectoryIdentity::at(&link), first);
    fs::write(routes.join("file"), b"").expect("a file can be written");
    assert_eq!(DirectoryIdentity::at(&routes), first);
    let aside = root.path().join("aside");
    fs::rename(&routes, &aside).and_then(|()| fs::create_dir(&routes)).expect("a directory can be replaced");
    assert_ne!(DirectoryIdentity::at(&link), first);
    assert_eq!(DirectoryIdentity::at(&aside), first);
}

#[test]
fn a_root_that_cannot_be_read_is_an_error() {
    let root = tempfile::tempdir().expect("a directory can be made");
    let found = Disk::new(&root.path().join("gone")).list().map(|listing| listing.components);
    assert_eq!(found.map_err(|error| error.kind()), Err(io::ErrorKind::NotFound));
}

#[test]
fn whatever_becomes_of_a_file_shows_in_its_look() {
    let root = tempfile::tempdir().expect("a directory can be made");
    let (component, route_file) = (root.path().join("a.wasm"), root.path().join("a.toml"));
    let other = root.path().join("other");
    let look = || fingerprint(&component, root.path()).expect("the system says");
    let mut looks = vec![look()];
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
        let seen = look();
        assert!(!looks.contains(&seen) && !seen.is_gone(), "{seen:?} after {looks:?}");
        assert_eq!(seen, look());
        looks.push(seen);
    }
}

#[test]
fn links_that_lead_back_do_not_keep_the_library_of_a_script_from_being_listed() {
    let root = tempfile::tempdir().expect("a directory can be made");
    let folder = root.path().join("lib/in");
    fs::create_dir_all(&folder).expect("directories can be made");
    fs::write(folder.join("a.py"), "").expect("a file can be written");
    for name in ["b", "c", "d", "e", "f", "g", "h", "i"] {
        std::os::unix::fs::symlink(root.path().join("lib"), folder.join(name)).expect("a link can be made");
    }
    assert_eq!(library(&root.path().join("x.py"), root.path()), [folder.join("a.py")]);
}
