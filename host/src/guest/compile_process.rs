//! Compiling in a process of its own, as its parent sees it: what is asked, what comes back, and what becomes of a process
//! that takes too much or ends.
//!
//! The process compiles first and sends the code, before anything of the component runs in it. From then on it is as
//! strange as the component: what it says after that is data, bounded and checked.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value as Json;

use super::component::LoadError;
use super::component_facts::{ComponentFacts, MAX_FACTS_BYTES};
use super::error_text;
use super::load_attempt::LoadAttempt;
use super::native::NativeCode;
use crate::config::Compiling;

pub(super) mod child;
pub(super) mod wire;

use wire::{ChildFrame, CompileRequest};

/// How much longer than its time what a component says of itself is waited for: the process ends that itself.
const GRACE: Duration = Duration::from_secs(1);

/// The most bytes of its stderr that are kept, and of what the component prints that is logged.
const MAX_STDERR_BYTES: u64 = 4096;
const MAX_PRINTED_BYTES: usize = 256 * 1024;

/// The names of the signals that end a process, for messages.
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

/// Compiles components in processes.
#[derive(Debug)]
pub(super) struct CompileProcess {
    limits: Compiling,
    running: AtomicUsize,
}

/// What the thread that waits for a process is told.
#[derive(Debug)]
pub(super) enum ChildEvent {
    /// The process has sent something.
    Frame(ChildFrame),
    /// It sends nothing more, for this reason if it is one.
    End(io::Result<()>),
    /// All that it has printed on stderr, cut.
    Stderr(String),
    /// It is to be stopped.
    Stop,
}

/// Why a process has given nothing.
pub(super) enum ChildFailure {
    /// It was stopped.
    Stopped,
    /// The component is no good.
    Refused(Vec<LoadError>),
}

/// A process that is killed when it is no longer waited for.
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
    /// Compiles with the program that `limits` name.
    pub(super) fn new(limits: Compiling) -> Self {
        Self { limits, running: AtomicUsize::new(0) }
    }

    /// Compiles a component, gives the code to `accept`, and waits for what the component says of itself, unless
    /// `accept` refuses it.
    pub(super) fn run<T>(
        &self,
        request: &CompileRequest,
        component: &Bytes,
        attempt: &LoadAttempt,
        accept: impl FnOnce(&NativeCode) -> Result<T, Vec<LoadError>>,
    ) -> Result<(T, NativeCode, ComponentFacts), ChildFailure> {
        let (sender, told) = channel();
        let mut process = self
            .start(request, component, &sender)
            .map_err(|error| ChildFailure::Refused(vec![LoadError::NoProcess(error.to_string())]))?;
        attempt.listen(sender);
        let (mut accept, mut accepted) = (Some(accept), None);
        let mut deadline = Instant::now() + self.limits.timeout;
        let (mut printed, mut stderr) = (MAX_PRINTED_BYTES, None);
        loop {
            let event = match told.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(ChildFailure::Refused(vec![self.late(accepted.is_some(), request)]));
                }
            };
            match event {
                ChildEvent::Stop => return Err(ChildFailure::Stopped),
                ChildEvent::Frame(ChildFrame::Code(code)) => {
                    // Only the first was sent before code of the component ran.
                    let Some(accept) = accept.take() else { continue };
                    let code = NativeCode::from_compiler(code);
                    accepted = Some((accept(&code).map_err(ChildFailure::Refused)?, code));
                    attempt.note_compiled();
                    deadline = Instant::now() + request.wall() + GRACE;
                }
                ChildEvent::Frame(ChildFrame::Printed(line)) => log(&line, &request.name, &mut printed),
                ChildEvent::Frame(ChildFrame::Refused(errors)) => return Err(ChildFailure::Refused(errors)),
                ChildEvent::Frame(ChildFrame::Facts(facts)) => {
                    let Some((accepted, code)) = accepted else {
                        return Err(ChildFailure::Refused(vec![LoadError::Crashed("it sent no code".to_owned())]));
                    };
                    return Ok((accepted, code, facts));
                }
                // Alone it says nothing: the end of the process does.
                ChildEvent::Stderr(said) => stderr = Some(said),
                ChildEvent::End(ended) => {
                    let status = process.child.wait();
                    let stderr = stderr.unwrap_or_else(|| told_on_stderr(&told));
                    let error = self.explain(accepted.is_some(), status, ended, &stderr, request);
                    return Err(ChildFailure::Refused(vec![error]));
                }
            }
        }
    }

    /// Starts a process and the threads that talk to it.
    fn start(
        &self,
        request: &CompileRequest,
        component: &Bytes,
        told: &Sender<ChildEvent>,
    ) -> io::Result<RunningChild<'_>> {
        let program = self.limits.program.as_deref().ok_or(io::ErrorKind::NotFound)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        let mut command = Command::new(program);
        command.arg0("host").arg("compile").arg(std::process::id().to_string());
        // The operator's environment is none of a component's business; these say how wasmtime and the allocator work.
        command.env_clear();
        for name in ["WASMTIME_BACKTRACE_DETAILS", "LD_LIBRARY_PATH"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("RAYON_NUM_THREADS", cores.div_ceil(running).to_string());
        // Memory that is only reserved is not to count as used.
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
        let (frames, words) = (told.clone(), told.clone());
        let most = self.limits.memory;
        let thread = |name: &str| Builder::new().name(name.to_owned());
        thread("compile").spawn(move || talk(stdin, stdout, &request, &component, most, &frames))?;
        thread("compile-stderr").spawn(move || listen(stderr, &words))?;
        Ok(process)
    }

    /// Why a process has taken too long.
    fn late(&self, is_compiled: bool, request: &CompileRequest) -> LoadError {
        if is_compiled {
            return LoadError::Describe(format!("it took longer than {:?}", request.timeout));
        }
        LoadError::Costly { limit: format!("{} s", self.limits.timeout.as_secs_f64()), flag: "--compile-timeout" }
    }

    /// Why a process has ended before it was done.
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
                return self.late(true, request);
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

/// Asks a process and tells what comes back, until it ends.
fn talk(mut to: ChildStdin, from: ChildStdout, request: &[u8], component: &[u8], most: u64, told: &Sender<ChildEvent>) {
    let asked = to.write_all(request).and_then(|()| to.write_all(component));
    drop(to);
    if asked.is_err() {
        // Its end says why.
        let _ = told.send(ChildEvent::End(Ok(())));
        return;
    }
    let mut from = io::BufReader::new(from);
    let ended = loop {
        match ChildFrame::read(&mut from, most) {
            Ok(Some(frame)) => {
                if told.send(ChildEvent::Frame(frame)).is_err() {
                    return;
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    // Where nobody waits any more it was stopped.
    let _ = told.send(ChildEvent::End(ended));
}

/// Keeps the beginning of what a process says on stderr, and takes the rest so that it does not wait for that.
fn listen(mut from: ChildStderr, told: &Sender<ChildEvent>) {
    let mut said = Vec::new();
    // What can be had counts, however it ends.
    let _ = Read::by_ref(&mut from).take(MAX_STDERR_BYTES).read_to_end(&mut said);
    let _ = io::copy(&mut from, &mut io::sink());
    let _ = told.send(ChildEvent::Stderr(String::from_utf8_lossy(&said).into_owned()));
}

/// What a process that has ended has said on stderr.
fn told_on_stderr(told: &Receiver<ChildEvent>) -> String {
    let deadline = Instant::now() + GRACE;
    while let Ok(event) = told.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let ChildEvent::Stderr(said) = event {
            return said;
        }
    }
    String::new()
}

/// Logs a line that a component has printed, as long as there is room for it.
fn log(line: &Json, route: &str, left: &mut usize) {
    let (Some(stream), Some(text)) = (line["stream"].as_str(), line["text"].as_str()) else { return };
    let stream = if stream == "stdout" { "stdout" } else { "stderr" };
    let Some(rest) = left.checked_sub(text.len().max(1)) else { return };
    *left = rest;
    tracing::info!(target: "guest", route, stream, "{}", error_text::line(text));
}

/// The most bytes of a frame that is not code.
const MAX_FRAME_BYTES: u64 = MAX_FACTS_BYTES as u64;
