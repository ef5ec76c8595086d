//! Compiles a component, as seen by the child process: limits itself, compiles, sends the code, and only then starts
//! the component and lets it describe itself.

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
use crate::guest::component;
use crate::guest::component_facts::{ComponentFacts, MAX_FACTS_BYTES};
use crate::guest::epoch::EpochTicker;
use crate::guest::load_error::LoadError;
use crate::guest::middleware;
use crate::guest::state::GuestState;
use crate::guest::wasm_engine::{EngineKind, WasmEngine};
use crate::guest::world;

/// The nice value of the process. With it, the process gets a quarter of a core that a worker thread also uses.
const NICE: i32 = 5;

/// How long the component runs with that nice value; after it, the lowest priority applies.
const FULL_PRIORITY_TIME: Duration = Duration::from_millis(200);
const LOWEST_PRIORITY: i32 = 19;

/// Additional processor time for starting the component after it was compiled.
const START_CPU_TIME: Duration = Duration::from_secs(10);

/// Compiles the component that stdin sends, for the host process whose id is `parent`. This is the hidden command `host
/// compile`.
///
/// # Errors
/// If stdin has no valid request, stdout cannot be written, or the process cannot be limited.
pub fn compile_for(parent: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before the call above.
    if getppid().map(|pid| pid.as_raw_nonzero().get().cast_unsigned()) != Some(parent) {
        return Err(io::Error::other("this command is for the host itself"));
    }
    let mut stdin = io::stdin().lock();
    let (request, bounds) = CompileRequest::read(&mut stdin)?;
    limit_process(bounds, &request)?;
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

/// The output for frames. Each frame is written as a whole.
#[derive(Clone)]
struct Frames(Arc<Mutex<Stdout>>);

impl Frames {
    fn send(&self, frame: &ChildFrame) -> io::Result<()> {
        let mut stdout = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        frame.write(&mut *stdout)
    }
}

fn compile(request: &CompileRequest, bytes: &[u8], frames: &Frames) -> Result<ComponentFacts, Vec<LoadError>> {
    let export = request.is_handler.then(|| world::detect(bytes)).transpose().map_err(|error| vec![error])?;
    let kind = export.as_ref().map_or(EngineKind::Serial, |export| EngineKind::of(export.world));
    let engine = WasmEngine::for_compiling(kind, request.code, request.reservation);
    let engine = engine.map_err(|error| vec![LoadError::Threads(error.to_string())])?;
    let ticker = EpochTicker::start(engine.wasmtime().clone());
    let _ticker = ticker.map_err(|error| vec![LoadError::Threads(error.to_string())])?;
    let compiled = component::compile(&engine, bytes)?;
    let code = compiled.serialize().map_err(|error| vec![LoadError::Broken(format!("{error:#}"))])?;
    // The code must leave this process before anything of the component runs.
    let sent = frames.send(&ChildFrame::Code(code));
    sent.map_err(|error| vec![LoadError::Broken(format!("its code cannot be sent: {error}"))])?;
    raise_limits().map_err(|error| vec![LoadError::Start(error.to_string())])?;
    let describe = match &export {
        Some(export) => component::describe_index(&engine, &compiled, export)?,
        None => middleware::check(&engine, &compiled).map(|_| None)?,
    };
    let pre = component::link(&engine, &compiled)?;
    let (timeout, wall) = (request.timeout, request.wall_timeout());
    lower_priority_later();
    let state = GuestState::without_request_in_process(Arc::from(request.name.as_str()), request.memory, timeout, wall);
    component::start(&pre, describe.as_ref(), state, timeout, wall).map_err(|error| vec![error])
}

/// Limits this process: its memory, processor time, files and priority.
fn limit_process(bounds: ProcessBounds, request: &CompileRequest) -> io::Result<()> {
    // `RLIMIT_DATA` counts memory that can be written, not address space that is only reserved.
    set_limit(Resource::Data, bounds.memory, request.memory as u64)?;
    set_limit(Resource::Cpu, bounds.cpu_seconds, START_CPU_TIME.as_secs())?;
    set_limit(Resource::Core, 0, 0)?;
    set_limit(Resource::Fsize, bounds.memory, 0)?;
    nice(NICE)?;
    // If the machine runs out of memory, the kernel must kill this process and not the host.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

/// Sets the soft limit for compiling, and a hard limit that is higher by `more` for starting the component. Existing
/// limits are never raised.
fn set_limit(resource: Resource, max: u64, more: u64) -> io::Result<()> {
    let allowed = |max: u64| getrlimit(resource).maximum.map_or(max, |maximum| maximum.min(max));
    let (current, maximum) = (allowed(max), allowed(max.saturating_add(more)));
    Ok(setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) })?)
}

/// Gives the component memory and processor time of its own, in addition to what compiling has used.
fn raise_limits() -> io::Result<()> {
    for resource in [Resource::Data, Resource::Cpu] {
        let maximum = getrlimit(resource).maximum;
        setrlimit(resource, Rlimit { current: maximum, maximum })?;
    }
    Ok(())
}

/// Lowers the priority of the component if it runs for long, so that components of other routes are compiled first.
fn lower_priority_later() {
    let lower = || {
        std::thread::sleep(FULL_PRIORITY_TIME);
        // The component runs in the first thread, whose id is the id of the process.
        let _ = setpriority_process(Some(getpid()), LOWEST_PRIORITY);
    };
    // If the thread cannot be started, the component keeps its priority.
    let _ = std::thread::Builder::new().name("lower".to_owned()).spawn(lower);
}

/// Forwards the component's output to the parent.
struct PrintForwarder(Frames);

impl<S: Subscriber> Layer<S> for PrintForwarder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "guest" {
            let mut line = PrintedLine::default();
            event.record(&mut line);
            // If it cannot be sent, the parent has ended.
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
            // Writing to a string cannot fail.
            let _ = write!(self.text, "{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "stream" {
            value.clone_into(&mut self.stream);
        }
    }
}
