//! Handlers and middleware: loads components and calls them, for each request in a fresh instance or in a reused one.
//!
//! Owns everything that touches wasmtime: the engine, compiling and linking, the host functions of `wit/world.wit`, and
//! the limits of an invocation.

mod address_space;
mod clocks;
mod compile_cache;
mod compile_process;
mod compile_threads;
mod component;
mod component_facts;
mod config;
mod engine;
mod epoch;
mod error_text;
mod files;
mod grantable_imports;
mod http_client;
mod imports;
mod instance;
mod instance_pool;
mod interpreter;
mod key_value;
mod limits;
mod load_attempt;
mod load_error;
mod log;
mod memory_wait;
mod message;
mod meter;
mod middleware;
mod missing_imports;
mod native;
mod preemption;
mod prepare;
mod proposals;
pub mod request_fields;
pub(crate) mod scheduler;
mod snapshot;
mod state;
mod thread_hooks;
mod types;
mod upstream_call;
mod wasi_http;
mod wasi_http_03;
mod wasm_engine;
mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use thiserror::Error;

use crate::exchange::Exchange;
use crate::grants::Grants;
use crate::memory_budget::{self, MemoryShortage};
use crate::options::Options;

pub use compile_process::child::compile_for;
pub use component::{Declaration, Handler};
pub use engine::{Engine, EngineError, EngineOptions, InvocationPermit};
pub use grantable_imports::GrantableImports;
pub use interpreter::{Function, Interpreter, PreparedScript, SourceFile};
pub use load_attempt::{Effort, LoadAttempt};
pub use load_error::LoadError;
pub use message::MessageReply;
pub use middleware::{Middleware, Step};
pub(crate) use preemption::was_preempted;
pub use prepare::{LoadContext, Loadable, NotLoaded};
pub use request_fields::{FieldSource, RequestField, RequestFields};
pub(crate) use thread_hooks::{drop_unused, on_idle};
pub use wasi_http::NoResponse;
pub use world::World;

use instance::Instance;
use state::GuestState;

/// If a returned body is larger than this, in bytes, its instance is dropped right after the call.
const LARGE_BODY: usize = 1024 * 1024;

/// How an invocation ended (see `outcome` in `wit/world.wit`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Send these bytes and end the response.
    Body(Bytes),
    /// Close the connection.
    Close,
    /// Park the response: the connection stays open after the handler has returned.
    Manual,
}

/// What one invocation needs.
#[derive(Debug)]
pub struct Invocation {
    /// The request and its response.
    pub exchange: Arc<Exchange>,
    /// The options of the route, or of the middleware.
    pub options: Arc<Options>,
    /// What it may reach. `None`: nothing beyond its request.
    pub grants: Option<Arc<Grants>>,
    /// The fields that the host sets in the request, for a handler of wasi:http.
    pub request_fields: Option<Arc<RequestFields>>,
    /// The name of that route or middleware, for the log.
    pub route: Arc<str>,
    /// The id of the request's handler ([`Handler::id`]), which is charged for the processor time.
    pub handler: u64,
    /// The request id, for the log.
    pub id: u64,
}

/// Why an invocation returned no outcome. The messages are for the log, not for the client.
#[derive(Debug, Error)]
pub enum CallError {
    /// The engine's pool has no free slot, or the system has no memory for another instance.
    #[error("no instance is free: {0}")]
    Busy(String),
    /// Its route is in quarantine.
    #[error("was not run: its route is in quarantine")]
    Quarantined,
    /// There is no memory for it.
    #[error("was not run: {0}")]
    NoMemory(#[from] MemoryShortage),
    /// The handler passed its deadline. With a backtrace if Wasm was running.
    #[error(
        "passed its timeout{backtrace}\nremedy: raise `timeout` in its NAME.toml; to send something later, return `Manual` \
         and publish it then, as by a `[timer]`"
    )]
    Deadline {
        /// Empty, or the lines of the backtrace.
        backtrace: String,
    },
    /// The handler used up its processor time. With a backtrace.
    #[error("used up its cpu of {limit:?}{backtrace}")]
    ProcessorTime {
        /// The route's option `cpu`.
        limit: Duration,
        /// The lines of the backtrace.
        backtrace: String,
    },
    /// The handler trapped. Names the memory limit if that was reached.
    #[error("{limit}{report}")]
    Trap {
        /// Empty, or the limit that was reached before the trap.
        limit: String,
        /// The trap and its backtrace.
        report: String,
    },
    /// A handler of wasi:http made no whole response.
    #[error(transparent)]
    NoResponse(#[from] NoResponse),
    /// The handler called `fail`, with this reason.
    #[error("failed: {0}")]
    Failed(String),
}

impl CallError {
    /// The status code of the response (RFC 9110 section 15.6).
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Busy(_) | Self::NoMemory(_) | Self::Quarantined => 503,
            Self::Deadline { .. } | Self::ProcessorTime { .. } => 504,
            Self::NoResponse(reason) => reason.status(),
            Self::Trap { .. } | Self::Failed(_) => 500,
        }
    }
}

impl Handler {
    /// Calls the handler in an instance of its own, which is dropped when the future completes or is dropped. If the
    /// route allows `reuse`, an idle instance is taken from the pool and returned to it.
    ///
    /// # Errors
    /// See [`CallError`]. The deadline is checked while the guest runs. While the guest waits, the caller must drop the
    /// future at the deadline of the exchange.
    #[expect(clippy::manual_async_fn, reason = "the future of an async fn holds what it is given twice")]
    pub fn call(&self, invocation: Invocation) -> impl Future<Output = Result<Outcome, CallError>> + Send + '_ {
        async move {
            if let Some(meter) = invocation.exchange.meter().cloned() {
                return Box::pin(meter::call(self, invocation, &meter)).await;
            }
            let reuse = invocation.options.settings.reuse;
            let mut instance = self.instance(invocation).await?;
            let outcome = instance.call().await?;
            self.end(instance, reuse, &outcome);
            Ok(outcome)
        }
    }

    /// Ends or keeps an instance that has served.
    fn end(&self, instance: Instance, reuse: u32, outcome: &Outcome) {
        match outcome {
            // A large body is also in the memory of its instance, so do not keep both.
            Outcome::Body(body) if reuse == 1 && body.len() > LARGE_BODY => drop(instance),
            Outcome::Body(_) | Outcome::Close | Outcome::Manual => self.keep(instance, reuse),
        }
    }

    /// An instance for an invocation: an idle one if the route allows `reuse`, or a new one.
    #[expect(clippy::manual_async_fn, reason = "the future of an async fn holds what it is given twice")]
    fn instance(&self, invocation: Invocation) -> impl Future<Output = Result<Instance, CallError>> + Send + '_ {
        async move {
            let settings = &invocation.options.settings;
            let (memory, reuse) = (settings.memory, settings.reuse);
            if let Some(slice) = scheduler::start(invocation.handler, &invocation.exchange) {
                wait_to_start(slice, &invocation.exchange).await?;
            }
            let fits = |instance: &Instance| {
                let used = instance.memory();
                let owner = invocation.options.memory_owner();
                instance.served() < reuse && used <= memory && memory_budget::check_reserved(used, owner).is_ok()
            };
            let idle = if reuse > 1 { instance_pool::take(self.id()).filter(fits) } else { None };
            match idle {
                Some(mut instance) => {
                    instance.begin_invocation(invocation, memory);
                    Ok(instance)
                }
                None => {
                    memory_wait::wait_for(self.start_memory(), &invocation.options).await?;
                    // Boxed, so that the state of instantiation does not enlarge the future of every call.
                    let state = GuestState::new(invocation, memory).running(self.program());
                    Box::pin(Instance::new(self, state)).await
                }
            }
        }
    }

    /// Returns an instance to the pool, or retires it after its last invocation.
    fn keep(&self, instance: Instance, reuse: u32) {
        match instance.served() < reuse {
            true if memory_budget::is_short() => drop(instance),
            true => instance_pool::put(self.id(), instance),
            false => instance_pool::retire(instance),
        }
    }
}

/// Waits for the time slice in which an invocation starts.
async fn wait_to_start(slice: scheduler::NextSlice, exchange: &Exchange) -> Result<(), CallError> {
    Box::pin(exchange.wait_elsewhere(slice)).await;
    if exchange.is_expired(Instant::now()) {
        return Err(CallError::Deadline { backtrace: "; it was waiting for its first time slice".to_owned() });
    }
    Ok(())
}
