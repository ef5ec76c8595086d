//! A host whose terminal is closed, or whose log cannot be written.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::support::{Process, RoutesDir, TIMEOUT, compile_cache, host, plain};

fn routes() -> RoutesDir {
    RoutesDir::new().with_bytes("plain.wasm", &plain())
}

/// `host run` of `routes` as `sh` starts it, which finds it in `"$0" "$@"`.
fn run_by(script: &str, routes: &RoutesDir) -> Process {
    let run = host(&["run", "--listen", "127.0.0.1:0"]);
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .arg(run.get_program())
        .args(run.get_args())
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command.arg("--cache-dir").arg(compile_cache()).arg("--routes").arg(routes.path());
    Process::spawn(command, 1)
}

#[test]
fn a_host_whose_log_cannot_be_written_goes_on_and_reloads() {
    let routes = routes();
    let process = run_by("exec \"$0\" \"$@\" 2> /dev/full", &routes);
    for status in ["201", "202"] {
        routes.write("plain.toml", format!("status = {status}"));
        process.wait_for("/plain", status);
    }
}

#[test]
fn a_host_whose_terminal_is_closed_stops() {
    let routes = routes();
    let in_terminal = "run=$(printf \"'%s' \" \"$0\" \"$@\")\n\
                       exec script -qfc \"stty -opost; exec $run 2> /dev/null\" /dev/null";
    let process = run_by(in_terminal, &routes);
    assert!(process.get("/plain").starts_with("HTTP/1.1 200 "));
    // What holds the other end of the terminal.
    process.signal("KILL");
    let start = Instant::now();
    while TcpStream::connect(process.addresses()[0]).is_ok() {
        assert!(start.elapsed() < TIMEOUT, "the host goes on without a terminal");
    }
}
