//! What is read back, and what of a damaged file.

use super::*;

fn record(root: &Path, shape: &str, file: &str, methods: &[&str]) -> HolderRecord {
    let methods = methods.iter().map(|method| (*method).to_owned()).collect();
    HolderRecord { shape: shape.to_owned(), key: ComponentKey::in_directory(root, Path::new(file)), methods }
}

fn store(directory: &Path, root: &Path) -> HolderStore {
    HolderStore::new(&HolderStoreSetup { directory: directory.join("memory"), writes: true }, root)
}

#[test]
fn what_is_written_is_read_back_by_the_same_directory_alone() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let root = directory.path().join("routes");
    let records = vec![record(&root, "/u/{}", "in/a b.wasm", &["GET", "PURGE"]), record(&root, "/x", "b.wasm", &[])];
    let mut one = store(directory.path(), &root);
    assert_eq!(one.read().ok(), Some(vec![]), "it never was written");
    one.write(records.clone()).map_err(io::Error::other)?;
    assert_eq!(store(directory.path(), &root).read().ok(), Some(records.clone()));
    assert_eq!(store(directory.path(), &directory.path().join("other")).read().ok(), Some(vec![]));
    let left: Vec<_> = fs::read_dir(directory.path().join("memory"))?.collect::<io::Result<_>>()?;
    assert_eq!(left.len(), 1, "nothing else is left behind");
    // What has not changed is not written again.
    fs::remove_file(&one.file)?;
    one.write(records).map_err(io::Error::other)?;
    assert!(!one.file.exists());
    Ok(())
}

#[test]
fn a_file_that_is_damaged_or_of_another_version_is_not_believed() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let root = directory.path().join("routes");
    let mut store = store(directory.path(), &root);
    store.write(vec![record(&root, "/x", "a.wasm", &["GET"])]).map_err(io::Error::other)?;
    let whole = fs::read_to_string(&store.file)?;
    assert!(store.read().is_ok());
    let entry = |path: &str, file: &str, methods: &str| {
        format!("{{\"version\":1,\"held\":[{{\"path\":\"{path}\",\"file\":\"{file}\",\"methods\":{methods}}}]}}")
    };
    let damaged = [
        String::new(),
        whole[..whole.len() / 2].to_owned(),
        whole.replace("\"version\":1", "\"version\":2"),
        "[]".to_owned(),
        "[".repeat(100_000),
        entry("x", "a.wasm", "[]"),
        entry(&"/".repeat(MAX_PATTERN_BYTES + 1), "a.wasm", "[]"),
        entry("/x", "../a.wasm", "[]"),
        entry("/x", "/a.wasm", "[]"),
        entry("/x", "", "[]"),
        entry("/x", "a.wasm", "[1]"),
        entry("/x", "a.wasm", "[\"GET IT\"]"),
    ];
    for text in damaged {
        fs::write(&store.file, &text)?;
        assert!(store.read().is_err(), "{text:.100}");
    }
    fs::write(&store.file, entry("/x", "a.wasm", "[\"GET\"]"))?;
    assert!(store.read().is_ok());
    fs::remove_file(&store.file)?;
    fs::create_dir(&store.file)?;
    assert!(store.read().is_err());
    let written = store.write(Vec::new()).expect_err("a directory is in its place");
    assert!(written.to_string().starts_with("who holds which path will not be remembered: "));
    Ok(())
}

#[test]
fn one_that_only_reads_writes_nothing() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let memory = HolderStoreSetup { directory: directory.path().join("memory"), writes: false };
    let mut store = HolderStore::new(&memory, directory.path());
    store.write(vec![record(directory.path(), "/x", "a.wasm", &[])]).map_err(io::Error::other)?;
    assert!(!memory.directory.exists());
    Ok(())
}
