//! A directory of routes that lives as long as its test.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// A temporary routes directory.
#[derive(Debug)]
pub struct RoutesDir(TempDir);

impl RoutesDir {
    /// An empty one.
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory can be made"))
    }

    /// Adds a component under its own name, as `NAME.wasm`.
    pub fn with(self, component: &str) -> Self {
        self.with_as(&format!("{component}.wasm"), component)
    }

    /// Adds a component at a place of its own: `users/[id].wasm`.
    pub fn with_as(self, place: &str, component: &str) -> Self {
        let bytes = fs::read(artifacts::component(component)).expect("the component is built");
        self.with_bytes(place, &bytes)
    }

    /// Adds a text file: `hello.toml`.
    pub fn with_file(self, place: &str, text: &str) -> Self {
        self.with_bytes(place, text.as_bytes())
    }

    /// Adds a file of any bytes.
    pub fn with_bytes(self, place: &str, bytes: &[u8]) -> Self {
        let path = self.path().join(place);
        let directory = path.parent().expect("a place has a directory");
        fs::create_dir_all(directory).expect("directories can be made");
        fs::write(&path, bytes).expect("a file can be written");
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
