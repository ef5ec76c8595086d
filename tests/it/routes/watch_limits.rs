//! A system that can report no more changes. The log says so, and changes are still found.

use std::fs;
use std::process::Command;

use crate::support::{Process, RoutesDir, compile_cache, plain};

/// `host run` in a user namespace in which this many directories can be watched.
fn limited(routes: &RoutesDir, watches: u32) -> Process {
    let limit = format!("echo {watches} > /proc/sys/user/max_inotify_watches && exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["-Ur", "sh", "-c", &limit, "sh", env!("CARGO_BIN_EXE_host"), "run", "--listen", "127.0.0.1:0"]);
    command.arg("--routes").arg(routes.path()).arg("--cache-dir").arg(compile_cache());
    let process = Process::spawn(command, 1);
    process.stderr().wait_for(&["routes loaded"]);
    process
}

#[test]
fn watches_that_run_out_are_logged_and_later_directories_are_served() {
    let routes = RoutesDir::new().with_bytes("one.wasm", &plain()).with_bytes("in/two.wasm", &plain());
    let process = limited(&routes, 3);
    process.wait_for("/in/two", "200");
    for name in ["three", "four"] {
        routes.write(&format!("{name}/new.wasm"), plain());
        process.wait_for(&format!("/{name}/new"), "200");
    }
    process.stderr().wait_for(&["WARN", "changes in ", "are not noticed: ", "it is looked at every second instead"]);
    // What lies in the one that is not watched changes, and comes and goes.
    for name in ["three", "four"] {
        routes.write(&format!("{name}/new.toml"), "status = 201");
        process.wait_for(&format!("/{name}/new"), "201");
        routes.write(&format!("{name}/deep/er.wasm"), plain());
        process.wait_for(&format!("/{name}/deep/er"), "200");
    }
    // With room for all of them they are watched again.
    for name in ["four", "in"] {
        fs::remove_dir_all(routes.path().join(name)).expect("a directory can be removed");
    }
    process.stderr().wait_for(&["INFO", "are noticed again"]);
    routes.write("three/deep/er.toml", "status = 202");
    process.wait_for("/three/deep/er", "202");
}

#[test]
fn a_host_that_can_watch_nothing_serves_what_changes_too() {
    let routes = RoutesDir::new().with_bytes("one.wasm", &plain());
    let process = limited(&routes, 0);
    process.stderr().wait_for(&["WARN", "are not noticed: ", "it is looked at every second instead"]);
    routes.write("in/two.wasm", plain());
    process.wait_for("/in/two", "200");
    routes.write("in/two.toml", "status = 201");
    process.wait_for("/in/two", "201");
}
