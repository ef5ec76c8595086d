//! A directory of routes that lives as long as its test.

use std::fs;
use std::path::Path;

use artifacts::Guest;
use tempfile::TempDir;

/// A temporary routes directory.
#[derive(Debug)]
pub struct RoutesDir(TempDir);

impl RoutesDir {
    /// An empty one.
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory can be made"))
    }

    /// Adds a guest under its own name, as `NAME.wasm`.
    pub fn with(self, guest: Guest) -> Self {
        self.with_as(&format!("{guest}.wasm"), guest)
    }

    /// Adds a guest at a place of its own: `users/[id].wasm`.
    pub fn with_as(self, place: &str, guest: Guest) -> Self {
        self.with_bytes(place, &guest.bytes())
    }

    /// Adds a text file: `hello.toml`.
    pub fn with_file(self, place: &str, text: &str) -> Self {
        self.with_bytes(place, text.as_bytes())
    }

    /// Adds a file of any bytes.
    pub fn with_bytes(self, place: &str, bytes: &[u8]) -> Self {
        self.write(place, bytes);
        self
    }

    /// Writes a file where it is, as an editor or a slow copy does.
    pub fn write(&self, place: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path().join(place);
        let directory = path.parent().expect("a place has a directory");
        fs::create_dir_all(directory).expect("directories can be made");
        fs::write(&path, bytes).expect("a file can be written");
    }

    /// Puts a whole file in the place of another, as a careful copy does.
    pub fn replace(&self, place: &str, bytes: impl AsRef<[u8]>) {
        self.write("_new", bytes);
        fs::rename(self.path().join("_new"), self.path().join(place)).expect("a file can be renamed");
    }

    /// Removes a file.
    pub fn remove(&self, place: &str) {
        fs::remove_file(self.path().join(place)).expect("the file is there");
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
