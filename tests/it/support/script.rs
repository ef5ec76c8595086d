//! Scripts for tests: where their interpreters are, and the same script in each language.

use std::path::{Path, PathBuf};

use super::{RoutesDir, TestServer, skip};

/// Where the interpreters are that `make interpreters` builds: beside the program.
pub fn interpreters() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_host")).with_file_name("interpreters")
}

/// Whether scripts can run. If not, the test says so and tests nothing.
pub fn can_run() -> bool {
    let is_there = |name: &str| interpreters().join(name).is_file();
    let can_run = is_there("python.wasm") && is_there("javascript.wasm");
    if !can_run {
        let missing = "scripts are not tested: `make interpreters` builds what runs them";
        assert!(std::env::var_os("VIBRATO_LANGUAGES").is_none_or(|wanted| wanted != "all"), "{missing}");
        skip(missing);
    }
    can_run
}

/// Serves scripts by the names of their files. All of them can be loaded.
#[track_caller]
pub fn serve(files: &[(&str, &str)]) -> TestServer {
    let server = TestServer::start(routes(files));
    assert_eq!(server.diagnostics(), []);
    server
}

/// A directory of scripts.
pub fn routes(files: &[(&str, &str)]) -> RoutesDir {
    files.iter().fold(RoutesDir::new(), |routes, (place, text)| routes.with_file(place, text))
}
