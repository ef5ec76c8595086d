//! Compiles a component in a child process, as seen by the parent: sends the request, receives the result, and enforces
//! the limits of the process.
//!
//! The child sends the compiled code before it runs anything of the component. Everything it sends later is untrusted,
//! so it is bounded and checked.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value as Json;

use super::component_facts::{ComponentFacts, MAX_FACTS_BYTES};
use super::error_text;
use super::load_attempt::LoadAttempt;
use super::load_error::LoadError;
use super::native::NativeCode;
use crate::config::Compiling;

pub(super) mod child;
pub(super) mod wire;

use wire::{ChildFrame, CompileRequest};

/// How long the parent waits past the deadline that the child enforces itself.
const GRACE: Duration = Duration::from_secs(1);

/// Maximum number of bytes kept of the child's stderr, and of the component's output in the log.
const MAX_STDERR_BYTES: u64 = 4096;
const MAX_PRINTED_BYTES: usize = 256 * 1024;

/// Names of the signals that end a process, for error messages.
const SIGNALS: [(i32, &str); 8] = [
    (4, "SIGILL"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (15, "SIGTERM"),
    (24, "SIGXCPU"),
    (25, "SIGXFSZ"),
];
const SIGXCPU: i32 = 24;

/// Starts child processes that compile components.
#[derive(Debug)]
pub(super) struct CompileProcess {
    limits: Compiling,
    running: AtomicUsize,
}

/// Events for the thread that waits for a child process.
#[derive(Debug)]
pub(super) enum ChildEvent {
    /// The child has sent a frame.
    Frame(ChildFrame),
    /// The child's stdout has ended, or reading it failed.
    End(io::Result<()>),
    /// All of the child's stderr, truncated.
    Stderr(String),
    /// The attempt to load the component was stopped.
    Stop,
}

/// Why a child process returned no compiled component.
pub(super) enum ChildFailure {
    /// The attempt was stopped.
    Stopped,
    /// The component was refused.
    Refused(Vec<LoadError>),
}

/// A child process, killed on drop.
struct RunningChild<'p> {
    child: Child,
    running: &'p AtomicUsize,
}

impl Drop for RunningChild<'_> {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl CompileProcess {
    /// Compiles with the program and the limits in `limits`.
    pub(super) fn new(limits: Compiling) -> Self {
        Self { limits, running: AtomicUsize::new(0) }
    }

    /// Compiles a component, passes its code to `accept`, and then waits for the component's facts unless `accept`
    /// refuses the code.
    pub(super) fn run<T>(
        &self,
        request: &CompileRequest,
        component: &Bytes,
        attempt: &LoadAttempt,
        accept: impl FnOnce(&NativeCode) -> Result<T, Vec<LoadError>>,
    ) -> Result<(T, NativeCode, ComponentFacts), ChildFailure> {
        let (sender, events) = channel();
        let mut process = self
            .start(request, component, &sender)
            .map_err(|error| ChildFailure::Refused(vec![LoadError::NoProcess(error.to_string())]))?;
        attempt.notify_stop(sender);
        let (mut accept, mut accepted) = (Some(accept), None);
        let mut deadline = Instant::now() + self.limits.timeout;
        let (mut printed, mut stderr) = (MAX_PRINTED_BYTES, None);
        loop {
            let event = match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(ChildFailure::Refused(vec![self.timeout_error(accepted.is_some(), request)]));
                }
            };
            match event {
                ChildEvent::Stop => return Err(ChildFailure::Stopped),
                ChildEvent::Frame(ChildFrame::Code(code)) => {
                    // Only the first code frame was sent before code of the component ran, so ignore any other.
                    let Some(accept) = accept.take() else { continue };
                    let code = NativeCode::from_compiler(code);
                    accepted = Some((accept(&code).map_err(ChildFailure::Refused)?, code));
                    attempt.note_compiled();
                    deadline = Instant::now() + request.wall_timeout() + GRACE;
                }
                ChildEvent::Frame(ChildFrame::Printed(line)) => log(&line, &request.name, &mut printed),
                ChildEvent::Frame(ChildFrame::Refused(errors)) => return Err(ChildFailure::Refused(errors)),
                ChildEvent::Frame(ChildFrame::Facts(facts)) => {
                    let Some((accepted, code)) = accepted else {
                        return Err(ChildFailure::Refused(vec![LoadError::Crashed("it sent no code".to_owned())]));
                    };
                    return Ok((accepted, code, facts));
                }
                // Keep it for the error message; the end of the process follows.
                ChildEvent::Stderr(said) => stderr = Some(said),
                ChildEvent::End(ended) => {
                    let status = process.child.wait();
                    let stderr = stderr.unwrap_or_else(|| wait_for_stderr(&events));
                    let error = self.explain(accepted.is_some(), status, ended, &stderr, request);
                    return Err(ChildFailure::Refused(vec![error]));
                }
            }
        }
    }

    /// Starts a child process and the threads that talk to it.
    fn start(
        &self,
        request: &CompileRequest,
        component: &Bytes,
        events: &Sender<ChildEvent>,
    ) -> io::Result<RunningChild<'_>> {
        let program = self.limits.program.as_deref().ok_or(io::ErrorKind::NotFound)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        let mut command = Command::new(program);
        command.arg0("host").arg("compile").arg(std::process::id().to_string());
        // Do not show the operator's environment to the component. These variables only configure wasmtime and the
        // allocator.
        command.env_clear();
        for name in ["WASMTIME_BACKTRACE_DETAILS", "LD_LIBRARY_PATH"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("RAYON_NUM_THREADS", cores.div_ceil(running).to_string());
        // Memory that is only reserved must not count against the memory limit.
        command.env("MIMALLOC_ARENA_EAGER_COMMIT", "0");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().inspect_err(|_| {
            self.running.fetch_sub(1, Ordering::Relaxed);
        })?;
        let mut process = RunningChild { child, running: &self.running };
        let (stdin, stdout) = (process.child.stdin.take(), process.child.stdout.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, process.child.stderr.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (request, component) = (request.encode(&self.limits), component.clone());
        let (frames, stderr_events) = (events.clone(), events.clone());
        let max_code_bytes = self.limits.memory;
        let thread = |name: &str| Builder::new().name(name.to_owned());
        thread("compile")
            .spawn(move || exchange_frames(stdin, stdout, &request, &component, max_code_bytes, &frames))?;
        thread("compile-stderr").spawn(move || read_stderr(stderr, &stderr_events))?;
        Ok(process)
    }

    /// The error for a child process that took too long.
    fn timeout_error(&self, is_compiled: bool, request: &CompileRequest) -> LoadError {
        if is_compiled {
            return LoadError::Describe(format!("it took longer than {:?}", request.timeout));
        }
        LoadError::Costly { limit: format!("{} s", self.limits.timeout.as_secs_f64()), flag: "--compile-timeout" }
    }

    /// The error for a child process that ended before it was done.
    fn explain(
        &self,
        is_compiled: bool,
        status: io::Result<ExitStatus>,
        ended: io::Result<()>,
        stderr: &str,
        request: &CompileRequest,
    ) -> LoadError {
        let signal = status.as_ref().ok().and_then(ExitStatusExt::signal);
        let out_of_memory = ["memory allocation of", "os error 12", "Cannot allocate memory"];
        if out_of_memory.iter().any(|said| stderr.contains(said)) {
            let bytes = self.limits.memory;
            return LoadError::Costly { limit: format!("{bytes} bytes of memory"), flag: "--compile-memory" };
        }
        if stderr.contains("os error 11") {
            return LoadError::NoProcess(error_text::reason(stderr.lines().next().unwrap_or_default()));
        }
        if signal == Some(SIGXCPU) {
            if is_compiled {
                return self.timeout_error(true, request);
            }
            let seconds = self.limits.cpu.as_secs();
            return LoadError::Costly { limit: format!("{seconds} s of processor time"), flag: "--compile-cpu" };
        }
        let mut how = match (signal, status, ended) {
            (Some(signal), ..) => {
                let name = SIGNALS.iter().find(|(number, _)| *number == signal).map(|(_, name)| *name);
                let name = name.map_or_else(|| format!("signal {signal}"), str::to_owned);
                let killed = if name == "SIGKILL" { ", as the system does where memory runs out" } else { "" };
                format!("{name}{killed}")
            }
            (None, Ok(status), Err(error)) => format!("{status}; {error}"),
            (None, Ok(status), Ok(())) => status.to_string(),
            (None, Err(error), _) => error.to_string(),
        };
        if let Some(line) = stderr.lines().find(|line| !line.trim().is_empty()) {
            how += &format!("; it said: {}", error_text::reason(line));
        }
        if is_compiled { LoadError::StartCrashed(how) } else { LoadError::Crashed(how) }
    }
}

/// Sends the request to a child process and forwards its frames until its stdout ends.
fn exchange_frames(
    mut to: ChildStdin,
    from: ChildStdout,
    request: &[u8],
    component: &[u8],
    max_code_bytes: u64,
    events: &Sender<ChildEvent>,
) {
    let asked = to.write_all(request).and_then(|()| to.write_all(component));
    drop(to);
    if asked.is_err() {
        // The exit status of the child explains the failure.
        let _ = events.send(ChildEvent::End(Ok(())));
        return;
    }
    let mut from = io::BufReader::new(from);
    let ended = loop {
        match ChildFrame::read(&mut from, max_code_bytes) {
            Ok(Some(frame)) => {
                if events.send(ChildEvent::Frame(frame)).is_err() {
                    return;
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    // If nobody receives the event, the attempt was stopped.
    let _ = events.send(ChildEvent::End(ended));
}

/// Keeps the beginning of a child's stderr and discards the remainder, so that the child does not block on a full pipe.
fn read_stderr(mut from: ChildStderr, events: &Sender<ChildEvent>) {
    let mut said = Vec::new();
    // Keep what could be read, even if reading failed.
    let _ = Read::by_ref(&mut from).take(MAX_STDERR_BYTES).read_to_end(&mut said);
    let _ = io::copy(&mut from, &mut io::sink());
    let _ = events.send(ChildEvent::Stderr(String::from_utf8_lossy(&said).into_owned()));
}

/// The stderr of a child process that has ended.
fn wait_for_stderr(events: &Receiver<ChildEvent>) -> String {
    let deadline = Instant::now() + GRACE;
    while let Ok(event) = events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let ChildEvent::Stderr(said) = event {
            return said;
        }
    }
    String::new()
}

/// Logs a line of the component's output if the remaining budget allows it.
fn log(line: &Json, route: &str, left: &mut usize) {
    let (Some(stream), Some(text)) = (line["stream"].as_str(), line["text"].as_str()) else { return };
    let stream = if stream == "stdout" { "stdout" } else { "stderr" };
    let Some(rest) = left.checked_sub(text.len().max(1)) else { return };
    *left = rest;
    tracing::info!(target: "guest", route, stream, "{}", error_text::line(text));
}

/// Maximum size of a frame that is not code, in bytes.
const MAX_FRAME_BYTES: u64 = MAX_FACTS_BYTES as u64;
