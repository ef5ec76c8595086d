use std::fs;

use super::*;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("it is in a directory")).expect("directories can be made");
    fs::write(path, text).expect("a file can be written");
}

/// What has changed, as paths below the root.
fn scan(tree: &mut SourceTree) -> Vec<String> {
    let root = tree.root.clone();
    let changed = tree.scan().into_iter();
    changed.map(|path| path.strip_prefix(&root).expect("it is below the root").display().to_string()).collect()
}

#[test]
fn what_is_written_by_a_person_is_a_source_and_what_a_build_makes_is_none() {
    let root = tempfile::tempdir().expect("a directory can be made");
    write(root.path(), ".gitignore", "/made\n*.log\n");
    let mut tree = SourceTree::new(root.path());
    for path in [
        "target/release/a.rs",
        "a.wasm",
        "a.core",
        ".git/index",
        ".venv/x.py",
        "venv/x.py",
        "node_modules/x.js",
        "deep/__pycache__/x.pyc",
        ".tools/x",
        "made/x.c",
        "x.log",
        ".app.py.swp",
        "app.py~",
        ".#app.py",
    ] {
        write(root.path(), path, "x");
        assert_eq!(scan(&mut tree), [""; 0], "{path}");
    }
    for path in
        ["src/lib.rs", "Cargo.toml", ".cargo/config.toml", "build", "bindings/x.o", "deep/down/app.py", "wit/a.wit"]
    {
        write(root.path(), path, "x");
        assert_eq!(scan(&mut tree), [path]);
        assert_eq!(scan(&mut tree), [""; 0], "{path}");
    }
    fs::remove_file(root.path().join("build")).expect("it is there");
    assert_eq!(scan(&mut tree), ["build"]);
}

#[test]
fn a_file_that_is_written_anew_with_the_same_content_has_not_changed() {
    let root = tempfile::tempdir().expect("a directory can be made");
    write(root.path(), "a.rs", "one");
    let mut tree = SourceTree::new(root.path());
    fs::remove_file(root.path().join("a.rs")).expect("it is there");
    write(root.path(), "a.rs", "one");
    assert_eq!(scan(&mut tree), [""; 0]);
    write(root.path(), "a.rs", "two");
    assert_eq!(scan(&mut tree), ["a.rs"]);
}

#[test]
fn links_out_of_the_tree_are_not_followed() {
    let (root, elsewhere) =
        (tempfile::tempdir().expect("it can be made"), tempfile::tempdir().expect("it can be made"));
    write(elsewhere.path(), "x.rs", "x");
    std::os::unix::fs::symlink(elsewhere.path(), root.path().join("link")).expect("a link can be made");
    std::os::unix::fs::symlink(root.path(), root.path().join("loop")).expect("a link can be made");
    let tree = SourceTree::new(root.path());
    assert_eq!(tree.files.len(), 0, "{:?}", tree.files);
}

#[test]
fn a_wait_ends_with_what_has_changed_also_before_it_began_and_in_new_directories() {
    let root = tempfile::tempdir().expect("a directory can be made");
    let mut tree = SourceTree::new(root.path());
    write(root.path(), "new/deep/a.rs", "one");
    assert_eq!(tree.wait(), Some(vec![root.path().join("new/deep/a.rs")]));
    let path = root.path().join("new/deep/a.rs");
    let writer = std::thread::spawn({
        let path = path.clone();
        move || fs::write(path, "two")
    });
    assert_eq!(tree.wait(), Some(vec![path]));
    assert!(writer.join().expect("it does not panic").is_ok());
}

#[test]
fn a_wait_can_be_ended() {
    let root = tempfile::tempdir().expect("a directory can be made");
    let mut tree = SourceTree::new(root.path());
    let stop = tree.stop_handle();
    let stopper = std::thread::spawn(move || stop.stop());
    assert_eq!(tree.wait(), None);
    stopper.join().expect("it does not panic");
}
