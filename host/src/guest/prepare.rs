//! From the bytes of a component to code that can be called: out of the compile cache, or compiled, by a process of its own
//! where there is a program for that.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use super::compile_cache::EntryName;
use super::compile_process::ChildFailure;
use super::compile_process::wire::CompileRequest;
use super::component::{self, LoadError};
use super::component_facts::ComponentFacts;
use super::engine::Engine;
use super::load_attempt::Effort;
use super::native::NativeCode;
use super::state::GuestState;

/// What a component is loaded for.
#[derive(Clone, Copy)]
pub(super) struct LoadRequest<'a> {
    pub(super) name: &'a Arc<str>,
    pub(super) is_handler: bool,
    pub(super) memory: usize,
    pub(super) timeout: Duration,
}

/// Why a component was not loaded.
#[derive(Debug)]
pub enum NotLoaded {
    /// It is wrong.
    Refused(Vec<LoadError>),
    /// It has to be compiled, which was not wanted.
    Uncached,
    /// The attempt was stopped.
    Stopped,
}

/// What is made of a component that is accepted: the result, and how it is started and asked to describe itself.
type AcceptedComponent<T> = (T, InstancePre<GuestState>, Option<ComponentExportIndex>);

/// Loads a component, and makes of it what `accept` does; with that comes what was found out when it was compiled.
pub(super) fn prepare<T>(
    engine: &Engine,
    bytes: &Bytes,
    asked: LoadRequest<'_>,
    effort: &Effort,
    accept: impl Fn(&Component) -> Result<AcceptedComponent<T>, Vec<LoadError>>,
) -> Result<(T, ComponentFacts), NotLoaded> {
    component::check_preamble(bytes).map_err(|error| NotLoaded::Refused(vec![error]))?;
    let name = engine.cache().map(|cache| cache.name(engine.wasmtime(), bytes));
    if let Some((component, facts)) = name.and_then(|name| cached(engine, name)) {
        engine.note_cached();
        let (accepted, ..) = accept(&component).map_err(NotLoaded::Refused)?;
        return Ok((accepted, facts));
    }
    let attempt = match effort {
        Effort::Cached => return Err(NotLoaded::Uncached),
        Effort::Full(attempt) => attempt,
    };
    engine.note_compiled();
    let (accepted, code, facts) = match engine.compile_process() {
        Some(process) => {
            let request = CompileRequest {
                name: asked.name.to_string(),
                is_handler: asked.is_handler,
                memory: asked.memory,
                timeout: asked.timeout,
                reservation: engine.reservation(),
            };
            let accept = |code: &NativeCode| {
                let loaded = code.load(engine.wasmtime());
                let component = loaded.map_err(|error| vec![component::refused(bytes, &error)])?;
                accept(&component).map(|(accepted, ..)| accepted)
            };
            process.run(&request, bytes, attempt, accept).map_err(|ending| match ending {
                ChildFailure::Stopped => NotLoaded::Stopped,
                ChildFailure::Refused(errors) => NotLoaded::Refused(errors),
            })?
        }
        None => here(engine, bytes, asked, accept).map_err(NotLoaded::Refused)?,
    };
    if let (Some(cache), Some(name)) = (engine.cache(), name) {
        cache.put(name, &facts, &code);
    }
    Ok((accepted, facts))
}

/// What the cache has, if the engine takes it.
fn cached(engine: &Engine, name: EntryName) -> Option<(Component, ComponentFacts)> {
    let (facts, code) = engine.cache()?.get(name)?;
    Some((code.load(engine.wasmtime()).ok()?, facts))
}

/// Compiles in this process.
fn here<T>(
    engine: &Engine,
    bytes: &[u8],
    asked: LoadRequest<'_>,
    accept: impl Fn(&Component) -> Result<AcceptedComponent<T>, Vec<LoadError>>,
) -> Result<(T, NativeCode, ComponentFacts), Vec<LoadError>> {
    let component = component::compile(engine, bytes)?;
    let (accepted, pre, describe) = accept(&component)?;
    let state = GuestState::alone(asked.name.clone(), asked.memory, asked.timeout);
    let facts = component::start(engine, &pre, describe.as_ref(), state, asked.timeout, asked.timeout);
    let facts = facts.map_err(|error| vec![error])?;
    let code = match engine.cache() {
        Some(_) => component.serialize().map_err(|error| vec![LoadError::Broken(format!("{error:#}"))])?,
        None => Vec::new(),
    };
    Ok((accepted, NativeCode::from_compiler(code), facts))
}
