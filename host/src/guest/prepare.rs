//! Obtains the native code of a component: from the compile cache, from a child process that compiles, or, if no
//! program is configured for that, by compiling in this process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use super::compile_cache::EntryName;
use super::compile_process::ChildFailure;
use super::compile_process::wire::CompileRequest;
use super::component;
use super::component_facts::ComponentFacts;
use super::engine::Engine;
use super::interpreter::{Interpreter, PreparedScript};
use super::load_attempt::Effort;
use super::load_error::LoadError;
use super::native::NativeCode;
use super::state::GuestState;
use super::wasm_engine::WasmEngine;
use crate::config::CodeQuality;

/// What loading a component or a script needs beside its bytes. Compiling takes from milliseconds to many seconds, so a
/// worker's thread must not load.
#[derive(Debug, Clone, Copy)]
pub struct LoadContext<'a> {
    /// For its log lines.
    pub name: &'a Arc<str>,
    /// Maximum bytes of its memories at its start and while it describes itself.
    pub memory: usize,
    /// Limits its start, and then its description of itself.
    pub timeout: Duration,
    /// Whether it may be compiled.
    pub effort: &'a Effort,
}

/// What is made of a component, or of a script and the interpreter of its language.
pub trait Loadable: Sized {
    /// Loads a component.
    ///
    /// # Errors
    /// Every [`LoadError`] that was found; or that the component is not in the compile cache, or that the attempt was
    /// stopped.
    fn load(engine: &Engine, bytes: &Bytes, context: LoadContext<'_>) -> Result<Self, NotLoaded>;

    /// Takes the functions of a script.
    ///
    /// # Errors
    /// [`LoadError::NoScriptHandler`] or [`LoadError::NoScriptMiddleware`] if it has none of them.
    fn of_script(engine: &Engine, interpreter: &Interpreter, script: PreparedScript) -> Result<Self, LoadError>;
}

/// What to load and with which limits.
#[derive(Clone, Copy)]
pub(super) struct LoadRequest<'a> {
    pub(super) context: LoadContext<'a>,
    pub(super) is_handler: bool,
    /// How much the compiler does for the speed of the code.
    pub(super) code: CodeQuality,
}

/// Why a component was not loaded.
#[derive(Debug)]
pub enum NotLoaded {
    /// The component was refused.
    Refused(Vec<LoadError>),
    /// The component is not in the compile cache and must not be compiled now.
    Uncached,
    /// The attempt was stopped.
    Stopped,
}

/// The result of `accept`: what is made of the component, and how it is started and described.
type AcceptedComponent<T> = (T, InstancePre<GuestState>, Option<ComponentExportIndex>);

/// Loads a component into the engine `wasm` and passes it to `accept`. Returns the result with the component's facts.
pub(super) fn prepare<T>(
    engine: &Engine,
    wasm: &WasmEngine,
    bytes: &Bytes,
    load_request: LoadRequest<'_>,
    accept: impl Fn(&Component) -> Result<AcceptedComponent<T>, Vec<LoadError>>,
) -> Result<(T, ComponentFacts), NotLoaded> {
    component::check_preamble(bytes).map_err(|error| NotLoaded::Refused(vec![error]))?;
    let name = engine.cache().map(|cache| cache.name(wasm.wasmtime(), load_request.code, bytes));
    if let Some((component, facts)) = name.and_then(|name| cached(engine, wasm, name)) {
        engine.count_cache_hit();
        let (accepted, ..) = accept(&component).map_err(NotLoaded::Refused)?;
        return Ok((accepted, facts));
    }
    let attempt = match load_request.context.effort {
        Effort::Cached(_) => return Err(NotLoaded::Uncached),
        Effort::Full(attempt) => attempt,
    };
    engine.count_cache_miss();
    let _timed = CompileTimer { engine, begun: Instant::now() };
    let (accepted, code, facts) = match engine.compile_process() {
        Some(process) => {
            let request = CompileRequest {
                name: load_request.context.name.to_string(),
                is_handler: load_request.is_handler,
                memory: load_request.context.memory,
                timeout: load_request.context.timeout,
                reservation: wasm.reservation(),
                code: load_request.code,
            };
            let accept = |code: &NativeCode| {
                let loaded = code.load(wasm.wasmtime());
                let component = loaded.map_err(|error| vec![component::compile_error(bytes, wasm.kind(), &error)])?;
                accept(&component).map(|(accepted, ..)| accepted)
            };
            process.run(&request, bytes, attempt, accept).map_err(|ending| match ending {
                ChildFailure::Stopped => NotLoaded::Stopped,
                ChildFailure::Refused(errors) => NotLoaded::Refused(errors),
            })?
        }
        None => compile_here(engine, wasm, bytes, load_request, accept).map_err(NotLoaded::Refused)?,
    };
    if let (Some(cache), Some(name)) = (engine.cache(), name) {
        cache.put(name, &facts, &code);
    }
    Ok((accepted, facts))
}

/// Counts how long a component is compiled, however that ends.
struct CompileTimer<'e> {
    engine: &'e Engine,
    begun: Instant,
}

impl Drop for CompileTimer<'_> {
    fn drop(&mut self) {
        self.engine.count_compile_time(self.begun.elapsed());
    }
}

/// Looks a component up in the compile cache. `None` if the engine rejects the code.
fn cached(engine: &Engine, wasm: &WasmEngine, name: EntryName) -> Option<(Component, ComponentFacts)> {
    let (facts, code) = engine.cache()?.get(name)?;
    Some((code.load(wasm.wasmtime()).ok()?, facts))
}

/// Compiles in this process.
fn compile_here<T>(
    engine: &Engine,
    wasm: &WasmEngine,
    bytes: &[u8],
    load_request: LoadRequest<'_>,
    accept: impl Fn(&Component) -> Result<AcceptedComponent<T>, Vec<LoadError>>,
) -> Result<(T, NativeCode, ComponentFacts), Vec<LoadError>> {
    let component = component::compile(wasm, bytes)?;
    let (accepted, pre, describe) = accept(&component)?;
    let state = GuestState::without_request(
        load_request.context.name.clone(),
        load_request.context.memory,
        load_request.context.timeout,
    );
    let facts =
        component::start(&pre, describe.as_ref(), state, load_request.context.timeout, load_request.context.timeout);
    let facts = facts.map_err(|error| vec![error])?;
    let code = match engine.cache() {
        Some(_) => component.serialize().map_err(|error| vec![LoadError::Broken(format!("{error:#}"))])?,
        None => Vec::new(),
    };
    Ok((accepted, NativeCode::from_compiler(code), facts))
}
