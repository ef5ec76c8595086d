//! What `make install` puts where.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{RoutesDir, run, text};

/// Runs a target of the Makefile with the binary of this test, which is not built again.
fn make(target: &str, prefix: &Path) {
    let mut make = Command::new("make");
    make.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args(["-o", "host", target]);
    // What started this test may be a `make` too.
    make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env_remove("DESTDIR");
    make.arg(concat!("HOST=", env!("CARGO_BIN_EXE_host"))).arg(format!("PREFIX={}", prefix.display()));
    let output = run(&mut make);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn an_installed_host_runs_and_has_its_pages_and_completions() {
    let directory = RoutesDir::new();
    let prefix = directory.path().join("prefix");
    make("install", &prefix);
    let version = run(Command::new(prefix.join("bin/host")).arg("--version"));
    assert!(text(&version.stdout).starts_with("host "), "{version:?}");
    for (file, part) in [
        ("share/man/man1/host.1", ".TH host 1"),
        ("share/man/man1/host-run.1", ".TH host-run 1"),
        ("share/man/man1/host-check.1", "compile\\-memory"),
        ("share/bash-completion/completions/host", "_host"),
        ("share/zsh/site-functions/_host", "#compdef host"),
        ("share/fish/vendor_completions.d/host.fish", "complete -c host"),
    ] {
        let installed = fs::read_to_string(prefix.join(file)).unwrap_or_default();
        assert!(installed.contains(part), "{file}: {installed}");
    }
    make("uninstall", &prefix);
    assert!(!prefix.join("bin/host").exists() && !prefix.join("share/man/man1/host-run.1").exists());
}
