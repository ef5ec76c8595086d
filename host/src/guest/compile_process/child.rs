//! Compiling in a process of its own, as that process sees it: it limits itself, compiles, sends the code, and only then
//! lets the component start and describe itself.

use std::fmt::{Debug, Write as _};
use std::io::{self, Read, Stdout};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{
    Resource, Rlimit, Signal, getpid, getppid, getrlimit, nice, set_parent_process_death_signal, setpriority_process,
    setrlimit,
};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::wire::{ChildFrame, CompileRequest, ProcessBounds};
use crate::guest::component::{self, LoadError};
use crate::guest::component_facts::{ComponentFacts, MAX_FACTS_BYTES};
use crate::guest::engine::Engine;
use crate::guest::middleware;
use crate::guest::state::GuestState;

/// How much lower its priority is: beside threads that serve it gets a quarter of a processor.
const NICE: i32 = 5;

/// How long the component may run with that; then it gets what others leave.
const BRIEF: Duration = Duration::from_millis(200);
const LOWEST: i32 = 19;

/// What is left of the time for the processor once it is compiled.
const AFTER_COMPILING: Duration = Duration::from_secs(10);

/// Compiles the component that stdin brings, for the host that has started this process, whose number is `parent`: see
/// `host compile`, which nobody types.
///
/// # Errors
/// Where stdin has no request, stdout takes no answer, or the process cannot be limited.
pub fn compile_for(parent: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before that.
    if getppid().map(|pid| pid.as_raw_nonzero().get().cast_unsigned()) != Some(parent) {
        return Err(io::Error::other("this command is for the host itself"));
    }
    let mut stdin = io::stdin().lock();
    let (request, bounds) = CompileRequest::read(&mut stdin)?;
    limit(bounds, &request)?;
    let mut component = Vec::new();
    stdin.read_to_end(&mut component)?;
    let frames = Frames(Arc::new(Mutex::new(io::stdout())));
    let printed = tracing_subscriber::registry().with(PrintForwarder(frames.clone()));
    let last = tracing::subscriber::with_default(printed, || match compile(&request, &component, &frames) {
        Ok(facts) if facts.encode().len() > MAX_FACTS_BYTES => {
            ChildFrame::Refused(vec![LoadError::Describe(format!("it declares more than {MAX_FACTS_BYTES} bytes"))])
        }
        Ok(facts) => ChildFrame::Facts(facts),
        Err(errors) => ChildFrame::Refused(errors),
    });
    frames.send(&last)
}

/// Where frames are written, each whole.
#[derive(Clone)]
struct Frames(Arc<Mutex<Stdout>>);

impl Frames {
    fn send(&self, frame: &ChildFrame) -> io::Result<()> {
        let mut stdout = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        frame.write(&mut *stdout)
    }
}

fn compile(request: &CompileRequest, bytes: &[u8], frames: &Frames) -> Result<ComponentFacts, Vec<LoadError>> {
    let engine = Engine::for_compiling(request.reservation);
    let engine = engine.map_err(|error| vec![LoadError::Threads(error.to_string())])?;
    let compiled = component::compile(&engine, bytes)?;
    let code = compiled.serialize().map_err(|error| vec![LoadError::Broken(format!("{error:#}"))])?;
    // All of it has left this process before anything of the component runs.
    let sent = frames.send(&ChildFrame::Code(code));
    sent.map_err(|error| vec![LoadError::Broken(format!("its code cannot be sent: {error}"))])?;
    limit_start().map_err(|error| vec![LoadError::Start(error.to_string())])?;
    let describe = match request.is_handler {
        true => component::describe_index(&engine, &compiled)?,
        false => middleware::check(&engine, &compiled).map(|_| None)?,
    };
    let pre = component::link(&engine, &compiled)?;
    let (timeout, wall) = (request.timeout, request.wall());
    lower_later();
    let state = GuestState::alone_in_process(Arc::from(request.name.as_str()), request.memory, timeout, wall);
    component::start(&engine, &pre, describe.as_ref(), state, timeout, wall).map_err(|error| vec![error])
}

/// Limits this process: what it takes, what it leaves behind, and what it may do to others.
fn limit(bounds: ProcessBounds, request: &CompileRequest) -> io::Result<()> {
    // What is reserved does not count, what can be written does.
    set(Resource::Data, bounds.memory, request.memory as u64)?;
    set(Resource::Cpu, bounds.cpu_seconds, AFTER_COMPILING.as_secs())?;
    set(Resource::Core, 0, 0)?;
    set(Resource::Fsize, bounds.memory, 0)?;
    nice(NICE)?;
    // Where memory runs out this process is to go, not the host.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

/// Sets a limit, and how much more there is once it is compiled. What this process has is not raised.
fn set(resource: Resource, most: u64, more: u64) -> io::Result<()> {
    let allowed = |most: u64| getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
    let (current, maximum) = (allowed(most), allowed(most.saturating_add(more)));
    Ok(setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) })?)
}

/// Gives the component its own memory and time, beside what compiling has taken.
fn limit_start() -> io::Result<()> {
    for resource in [Resource::Data, Resource::Cpu] {
        let maximum = getrlimit(resource).maximum;
        setrlimit(resource, Rlimit { current: maximum, maximum })?;
    }
    Ok(())
}

/// Lowers the priority of the component once it has run for long: others that are asked for their routes are before it.
fn lower_later() {
    let lower = || {
        std::thread::sleep(BRIEF);
        // Of the first thread, which the component runs in and which has the number of the process.
        let _ = setpriority_process(Some(getpid()), LOWEST);
    };
    // Without it the component only runs at the priority that it has.
    let _ = std::thread::Builder::new().name("lower".to_owned()).spawn(lower);
}

/// Sends on what the component prints.
struct PrintForwarder(Frames);

impl<S: Subscriber> Layer<S> for PrintForwarder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "guest" {
            let mut line = PrintedLine::default();
            event.record(&mut line);
            // What cannot be sent nobody waits for.
            let _ = self.0.send(&ChildFrame::Printed(json!({ "stream": line.stream, "text": line.text })));
        }
    }
}

#[derive(Default)]
struct PrintedLine {
    stream: String,
    text: String,
}

impl Visit for PrintedLine {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Writing to a string does not fail.
            let _ = write!(self.text, "{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "stream" {
            value.clone_into(&mut self.stream);
        }
    }
}
