//! A host that may start few threads: it says so, and panics nowhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{plain, run, skip, text};

/// A user whom no limit of ours is for: root has none.
const NOBODY: &str = "65534";

#[test]
fn a_host_that_may_start_few_threads_says_so_and_does_not_panic() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can become another user, whose threads are limited");
    }
    // Where that user can read it.
    let place = TempDir::new().expect("a temporary directory can be made");
    let open = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755)).expect("it is ours");
    open(place.path());
    let (program, component) = (place.path().join("host"), place.path().join("plain.wasm"));
    fs::copy(env!("CARGO_BIN_EXE_host"), &program).expect("the binary can be copied");
    let plain = plain();
    fs::write(&component, plain).expect("a file can be written");
    open(&program);
    open(&component);
    let mut checked = 0;
    for threads in 1..=12 {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid",
            NOBODY,
            "--regid",
            NOBODY,
            "--clear-groups",
            "prlimit",
            &format!("--nproc={threads}"),
        ]);
        command.arg(&program).arg("check").arg(&component).arg("--no-cache").current_dir("/");
        let output = run(&mut command);
        let said = text(&output.stdout).to_owned() + text(&output.stderr);
        assert!(!said.contains("panicked") && !said.contains("defect"), "{threads} threads: {said}");
        match output.status.code() {
            Some(0) => checked += 1,
            Some(_) => assert!(said.contains(" thread"), "{threads} threads: {said}"),
            None => panic!("{threads} threads: it was killed: {said}"),
        }
    }
    assert!(checked > 0, "with as many threads as it needs it checks");
}
