//! Middleware: components that see a request before its handler, or a response before its head is sent.
//!
//! Each call gets an instance of its own.

use bytes::Bytes;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift};

use super::component::{check_export, exports, link};
use super::engine::Engine;
use super::grantable_imports::GrantableImports;
use super::instance::{call_error, store};
use super::interpreter::{Function, Interpreter, PreparedScript};
use super::meter::timed;
use super::prepare::{LoadContext, LoadRequest, Loadable, NotLoaded};
use super::state::GuestState;
use super::types::GuestStep;
use super::wasm_engine::WasmEngine;
use super::{
    CallError, Invocation, LoadError, Outcome, memory_wait, missing_imports, prepare, scheduler, wait_to_start,
};
use crate::meter::Stage;

/// A loaded middleware, ready to be called.
pub struct Middleware {
    /// Keeps the epochs advancing.
    _engine: Engine,
    pre: InstancePre<GuestState>,
    exports: MiddlewareExports,
    start_memory: usize,
    imports: GrantableImports,
    /// What the instances of an interpreter run. `None` if the component is no interpreter.
    program: Option<Bytes>,
}

/// What `on-request` returned (see `step` in `wit/world.wit`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Call the next component of the chain.
    Next,
    /// End the chain with this outcome.
    End(Outcome),
}

impl Loadable for Middleware {
    fn load(engine: &Engine, bytes: &Bytes, context: LoadContext<'_>) -> Result<Self, NotLoaded> {
        let request = LoadRequest { context, is_handler: false, code: engine.code_quality() };
        let wasm = engine.serial();
        let loaded = prepare::prepare(engine, wasm, bytes, request, |component| {
            let exports = MiddlewareExports::of(wasm, component)?;
            let pre = link(wasm, component)?;
            Ok(((pre.clone(), exports), pre, None))
        })?;
        let ((pre, exports), facts) = loaded;
        let imports = GrantableImports::of(&pre);
        Ok(Self { _engine: engine.clone(), pre, exports, start_memory: facts.memory, imports, program: None })
    }

    fn of_script(engine: &Engine, interpreter: &Interpreter, script: PreparedScript) -> Result<Self, LoadError> {
        let exports = MiddlewareExports {
            on_request: script.has(Function::OnRequest).then_some(interpreter.on_request),
            on_response: script.has(Function::OnResponse).then_some(interpreter.on_response),
        };
        if exports.on_request.is_none() && exports.on_response.is_none() {
            return Err(LoadError::NoScriptMiddleware);
        }
        Ok(Self {
            _engine: engine.clone(),
            pre: interpreter.pre.clone(),
            exports,
            start_memory: interpreter.start_memory,
            imports: interpreter.imports.clone(),
            program: Some(script.program),
        })
    }
}

impl Middleware {
    /// Whether it is a script, which an interpreter runs.
    #[must_use]
    pub fn is_script(&self) -> bool {
        self.program.is_some()
    }

    /// Its imports that need a grant.
    #[must_use]
    pub fn imports(&self) -> &GrantableImports {
        &self.imports
    }

    /// Bytes of its memories after its start. With a smaller option `memory` it cannot serve.
    #[must_use]
    pub fn start_memory(&self) -> usize {
        self.start_memory
    }

    /// Whether it exports `on-request`.
    #[must_use]
    pub fn sees_requests(&self) -> bool {
        self.exports.on_request.is_some()
    }

    /// Whether it exports `on-response`.
    #[must_use]
    pub fn sees_responses(&self) -> bool {
        self.exports.on_response.is_some()
    }

    /// Calls `on-request`. Returns [`Step::Next`] if the middleware does not export it.
    ///
    /// # Errors
    /// See [`CallError`]. Time is limited as for [`super::Handler::call`].
    pub async fn on_request(&self, invocation: Invocation) -> Result<Step, CallError> {
        let Some(export) = &self.exports.on_request else { return Ok(Step::Next) };
        let (step,): (GuestStep,) = self.call(export, invocation).await?;
        Ok(step.into())
    }

    /// Calls `on-response` if the middleware exports it.
    ///
    /// # Errors
    /// See [`CallError`]. Time is limited as for [`super::Handler::call`].
    pub async fn on_response(&self, invocation: Invocation) -> Result<(), CallError> {
        match &self.exports.on_response {
            Some(export) => self.call(export, invocation).await,
            None => Ok(()),
        }
    }

    /// Calls an export in a new instance.
    async fn call<R>(&self, export: &ComponentExportIndex, invocation: Invocation) -> Result<R, CallError>
    where
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let exchange = invocation.exchange.clone();
        let memory = invocation.options.settings.memory;
        if let Some(slice) = scheduler::start(invocation.handler, &exchange) {
            wait_to_start(slice, &exchange).await?;
        }
        memory_wait::wait_for(self.start_memory, &invocation.options).await?;
        let state = GuestState::new(invocation, memory).running(self.program.as_ref());
        let mut store = store(self.pre.engine(), state);
        let made = timed(exchange.meter(), Stage::Instantiate, self.pre.instantiate_async(&mut store)).await;
        if let (Err(_), Some(shortage)) = (&made, store.data().memory.shortage()) {
            return Err(shortage.into());
        }
        let called = async {
            let instance = made?;
            store.data_mut().memory.has_started();
            let function = instance.get_typed_func::<(), R>(&mut store, export)?;
            timed(exchange.meter(), Stage::Run, function.call_async(&mut store, ())).await
        };
        let returned = called.await.map_err(|error| call_error(&error, &mut store));
        store.data_mut().finish_log();
        match (returned, exchange.take_failure()) {
            (Ok(_), Some(reason)) => Err(CallError::Failed(reason)),
            (returned, Some(_) | None) => returned,
        }
    }
}

impl std::fmt::Debug for Middleware {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Middleware").finish_non_exhaustive()
    }
}

/// Checks that a component is a middleware.
pub(super) fn check(engine: &WasmEngine, component: &Component) -> Result<(), Vec<LoadError>> {
    MiddlewareExports::of(engine, component).map(|_| ())
}

/// The exports that the host calls.
struct MiddlewareExports {
    on_request: Option<ComponentExportIndex>,
    on_response: Option<ComponentExportIndex>,
}

impl MiddlewareExports {
    /// Finds the exports. The errors say that both are missing or which one is mistyped, and name each missing import.
    fn of(engine: &WasmEngine, component: &Component) -> Result<Self, Vec<LoadError>> {
        let mut errors = Vec::new();
        let mut found = |export: Result<Option<ComponentExportIndex>, LoadError>| {
            export.map_err(|error| errors.push(error)).ok().flatten()
        };
        let on_request = found(check_export::<(), (GuestStep,)>(component, "on-request", "middleware"));
        let on_response = found(check_export::<(), ()>(component, "on-response", "middleware"));
        if errors.is_empty() && on_request.is_none() && on_response.is_none() {
            errors.push(LoadError::NoMiddleware { found: exports(engine, component) });
        }
        if errors.is_empty() {
            return Ok(Self { on_request, on_response });
        }
        errors.extend(missing_imports::imports(engine, component));
        Err(errors)
    }
}
