//! Replaces the running host by a new process without losing a request: the new one gets the listening sockets, and when it
//! serves, the old one ends as after SIGTERM.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use host::admin::AdminServer;
use host::net::{Predecessor, Successor};
use host::server::RunningServer;

/// Tells the new process that its stdin is a socket of the old one.
const VARIABLE: &str = "VIBRATO_TAKES_OVER";

/// How long the new process may take before its routes are loaded.
const START: Duration = Duration::from_secs(60);

/// A new process that does not serve yet. If it is dropped, the process is killed.
#[derive(Debug)]
struct Starting(Option<Child>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The process whose place this one takes, if another host has started it for that.
pub(super) fn predecessor() -> anyhow::Result<Option<Predecessor>> {
    match std::env::var_os(VARIABLE) {
        Some(_) => Ok(Some(Predecessor::from_stdin()?)),
        None => Ok(None),
    }
}

/// Starts this program with the same arguments, and the listening sockets of `running`. Returns the number of its process once
/// it serves. If that takes longer than `load_timeout` and a minute, it is killed.
///
/// # Errors
/// Why there is no new process.
pub(super) async fn start(
    running: &RunningServer,
    admin: Option<&AdminServer>,
    load_timeout: Duration,
) -> Result<u32, String> {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_else(|| OsString::from("host"));
    let (successor, stdin) =
        Successor::new(running.listeners().chain(admin.into_iter().flat_map(AdminServer::listeners)))
            .map_err(|error| format!("cannot pass the listening sockets: {error}"))?;
    let mut command = Command::new(&program);
    // The watchdog is for one process, which the manager is told of.
    command.args(arguments).env(VARIABLE, "1").env_remove("WATCHDOG_PID").stdin(Stdio::from(stdin));
    let child = command.spawn().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    // Only the new process has the other end then, so that its end is noticed.
    drop(command);
    let mut starting = Starting(Some(child));
    let waited = tokio::time::timeout(load_timeout + START, successor.ready()).await;
    match waited {
        Ok(Ok(())) => match starting.0.take() {
            Some(child) => Ok(child.id()),
            None => Err("it is gone".to_owned()),
        },
        Ok(Err(error)) => Err(explain(&mut starting, &error)),
        Err(_) => Err("the new host did not serve in time; it was killed".to_owned()),
    }
}

/// Why a process does not serve.
fn explain(starting: &mut Starting, error: &io::Error) -> String {
    // It is reset if the process has not received all sockets.
    if !matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) {
        return format!("cannot hear of the new host: {error}");
    }
    let ended = starting.0.take().map(|mut child| {
        // It may have closed its side and go on.
        let _ = child.kill();
        child.wait()
    });
    match ended {
        Some(Ok(status)) => format!("the new host has ended ({status}); what it logged says why"),
        Some(Err(error)) => format!("the new host has ended: {error}"),
        None => "the new host has ended".to_owned(),
    }
}
