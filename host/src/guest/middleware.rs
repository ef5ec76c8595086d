//! Middleware: components that see a request before its handler, or a response before its head is sent.
//!
//! Each call has an instance of its own. It must not know of a chain: who is called when is another's to decide.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift};

use super::component::{check_export, exports, link};
use super::engine::Engine;
use super::instance::{explain, store};
use super::load_attempt::Effort;
use super::meter::timed;
use super::prepare::{LoadRequest, NotLoaded};
use super::state::GuestState;
use super::types::GuestStep;
use super::{CallError, Invocation, LoadError, Outcome, missing_imports, prepare, scheduler, wait_to_start};
use crate::meter::Stage;

/// A loaded middleware, ready to be called.
pub struct Middleware {
    engine: Engine,
    pre: InstancePre<GuestState>,
    exports: MiddlewareExports,
    start_memory: usize,
}

/// How `on-request` ended (see `step` in `wit/world.wit`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The next of the chain is called.
    Next,
    /// The chain has ended.
    End(Outcome),
}

impl Middleware {
    /// Loads a middleware, with `effort`. `name` is for its log lines; `memory` and `timeout` bound its start.
    ///
    /// This may compile, and so takes from milliseconds to many seconds: not for a thread that serves.
    ///
    /// # Errors
    /// Everything that is wrong with it: see [`LoadError`]; or that it was not to be compiled, or was stopped.
    pub fn load(
        engine: &Engine,
        name: &Arc<str>,
        bytes: &Bytes,
        memory: usize,
        timeout: Duration,
        effort: &Effort,
    ) -> Result<Self, NotLoaded> {
        let asked = LoadRequest { name, is_handler: false, memory, timeout };
        let loaded = prepare::prepare(engine, bytes, asked, effort, |component| {
            let exports = MiddlewareExports::of(engine, component)?;
            let pre = link(engine, component)?;
            Ok(((pre.clone(), exports), pre, None))
        })?;
        let ((pre, exports), facts) = loaded;
        Ok(Self { engine: engine.clone(), pre, exports, start_memory: facts.memory })
    }

    /// The bytes that its memories take once it has started; with less `memory` it cannot serve.
    #[must_use]
    pub fn start_memory(&self) -> usize {
        self.start_memory
    }

    /// Whether it sees requests.
    #[must_use]
    pub fn sees_requests(&self) -> bool {
        self.exports.on_request.is_some()
    }

    /// Whether it sees responses.
    #[must_use]
    pub fn sees_responses(&self) -> bool {
        self.exports.on_response.is_some()
    }

    /// Shows it the request; [`Step::Next`] where it does not want to see it.
    ///
    /// # Errors
    /// See [`CallError`]. Time is limited as for [`super::Handler::call`].
    pub async fn on_request(&self, invocation: Invocation) -> Result<Step, CallError> {
        let Some(export) = &self.exports.on_request else { return Ok(Step::Next) };
        let (step,): (GuestStep,) = self.call(export, invocation).await?;
        Ok(step.into())
    }

    /// Shows it the head of the response, if it wants to see it.
    ///
    /// # Errors
    /// See [`CallError`]. Time is limited as for [`super::Handler::call`].
    pub async fn on_response(&self, invocation: Invocation) -> Result<(), CallError> {
        match &self.exports.on_response {
            Some(export) => self.call(export, invocation).await,
            None => Ok(()),
        }
    }

    /// Calls an export in an instance of its own.
    async fn call<R>(&self, export: &ComponentExportIndex, invocation: Invocation) -> Result<R, CallError>
    where
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let exchange = invocation.exchange.clone();
        let memory = invocation.options.settings.memory;
        if let Some(slice) = scheduler::start(invocation.handler, &exchange) {
            wait_to_start(slice, &exchange).await?;
        }
        let mut store = store(self.engine.wasmtime(), GuestState::new(invocation, memory));
        let called = async {
            let made = self.pre.instantiate_async(&mut store);
            let instance = timed(exchange.meter(), Stage::Instantiate, made).await?;
            let function = instance.get_typed_func::<(), R>(&mut store, export)?;
            timed(exchange.meter(), Stage::Run, function.call_async(&mut store, ())).await
        };
        let returned = called.await.map_err(|error| explain(&error, &mut store));
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

/// Whether a component is middleware.
pub(super) fn check(engine: &Engine, component: &Component) -> Result<(), Vec<LoadError>> {
    MiddlewareExports::of(engine, component).map(|_| ())
}

/// The exports that a host calls.
struct MiddlewareExports {
    on_request: Option<ComponentExportIndex>,
    on_response: Option<ComponentExportIndex>,
}

impl MiddlewareExports {
    /// Finds them; where both are missing or one is another, says so, and which imports the host does not have either.
    fn of(engine: &Engine, component: &Component) -> Result<Self, Vec<LoadError>> {
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
