//! Too few file descriptors: the host takes what it may, says what does not fit, and serves what does.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Client, Process, RoutesDir, TIMEOUT, compile_cache, guest, host};

/// `host run` under a limit of open files, as `ulimit` takes it.
fn limited(ulimit: &str, routes: &RoutesDir, arguments: &[&str]) -> Command {
    let run = host(&["run", "--listen", "127.0.0.1:0"]);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit {ulimit} && exec \"$0\" \"$@\"")]);
    command.arg(run.get_program()).args(run.get_args()).env_remove("RUST_LOG");
    command.arg("--cache-dir").arg(compile_cache()).arg("--routes").arg(routes.path()).args(arguments);
    command
}

#[track_caller]
fn probe(client: &mut Client) {
    client.send(get!("/hello"));
    assert!(client.read_response().ends_with("\r\n\r\n5\r\nHello\r\n6\r\nWorld!\r\n0\r\n\r\n"));
}

#[test]
fn a_soft_limit_is_raised() {
    let process =
        Process::spawn(limited("-S -n 64", &RoutesDir::new().with(guest::HELLO), &["--max-connections", "200"]), 1);
    let mut clients: Vec<Client> = (0..100).map(|_| process.connect()).collect();
    clients.iter_mut().for_each(probe);
    assert_eq!(process.stderr().with(&["the limit of open files"]), [""; 0]);
}

#[test]
fn a_limit_below_max_connections_is_logged() {
    let process =
        Process::spawn(limited("-n 300", &RoutesDir::new().with(guest::HELLO), &["--max-connections", "200"]), 1);
    process.stderr().wait_for(&[
        " WARN ",
        " limit=300 needed=456: the limit of open files is too low for --max-connections 200; raise it \
         (`ulimit -n`), or lower --max-connections\n",
    ]);
    probe(&mut process.connect());
}

#[test]
fn past_the_limit_the_log_says_so_once_a_second_and_serving_recovers() {
    const TOLD: &str = "cannot accept a connection: Too many open files";
    let start = Instant::now();
    let process = Process::spawn(limited("-n 64", &RoutesDir::new().with(guest::HELLO), &["--workers", "1"]), 1);
    // What compiles needs some of them too.
    process.stderr().wait_for(&["routes loaded"]);
    let mut clients: Vec<Client> = (0..100).map(|_| process.connect()).collect();
    while process.stderr().with(&[TOLD]).len() < 3 {
        probe(&mut clients[0]);
        assert!(start.elapsed() < TIMEOUT, "it is not told");
    }
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    clients.truncate(10);
    clients.iter_mut().for_each(probe);
    probe(&mut process.connect());
}

#[test]
fn workers_that_cannot_be_made_are_an_error_before_it_listens() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let output = limited("-n 64", &routes, &["--workers", "100"]).output().expect("the binary can be run");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.ends_with("error: cannot start to serve: Too many open files (os error 24)\n"), "{told}");
    assert_eq!((output.stdout.as_slice(), output.status.code()), (b"".as_slice(), Some(2)));
}
