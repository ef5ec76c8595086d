//! Handlers and middleware: components loaded, and called for a request each time in a fresh instance, or in one that is
//! reused.
//!
//! Owns everything of wasmtime: the engine, compiling and linking, the host functions of `wit/world.wit`, the limits
//! of an invocation. It must not know sockets, routes or options' origin: a handler sees an exchange.

mod address_space;
mod clocks;
mod compile_cache;
mod compile_process;
mod compile_threads;
mod component;
mod component_facts;
mod engine;
mod epoch;
mod error_text;
mod grants;
mod imports;
mod instance;
mod instance_pool;
mod limits;
mod load_attempt;
mod log;
mod message;
mod meter;
mod middleware;
mod missing_imports;
mod native;
mod prepare;
mod proposals;
pub(crate) mod scheduler;
mod snapshot;
mod state;
mod thread_hooks;
mod types;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use thiserror::Error;

use crate::exchange::Exchange;
use crate::options::Options;

pub use compile_process::child::compile_for;
pub use component::{Declaration, Handler, LoadError};
pub use engine::{Engine, EngineError, EngineOptions, InvocationPermit};
pub use grants::Grants;
pub use load_attempt::{Effort, LoadAttempt};
pub use message::MessageReply;
pub use middleware::{Middleware, Step};
pub use prepare::NotLoaded;
pub(crate) use thread_hooks::{at_end, spins, when_idle};

use instance::Instance;
use state::GuestState;

/// The bytes of a returned body past which its instance does not outlive the call.
const LARGE_BODY: usize = 1024 * 1024;

/// How an invocation ended (see `outcome` in `wit/world.wit`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Send these bytes and end the response.
    Body(Bytes),
    /// Close the connection.
    Close,
    /// Leave the connection open.
    Manual,
}

/// What one invocation needs.
#[derive(Debug)]
pub struct Invocation {
    /// The request and its response.
    pub exchange: Arc<Exchange>,
    /// The options of the route, or of the middleware.
    pub options: Arc<Options>,
    /// What it may reach.
    pub grants: Grants,
    /// The name of one or the other, for the log.
    pub route: Arc<str>,
    /// The number of the handler whose request it is ([`Handler::number`]): it gets its share of the processor.
    pub handler: u64,
    /// The request's number, for the log.
    pub id: u64,
}

/// Why an invocation gave no outcome. The texts are for the log, not for the client.
#[derive(Debug, Error)]
pub enum CallError {
    /// The engine's pool has no place for another instance, or the system no memory for it.
    #[error("no instance is free: {0}")]
    Busy(String),
    /// The handler used up its time; with the backtrace where it was running Wasm.
    #[error("passed its timeout{backtrace}")]
    Deadline {
        /// Where it was, in lines, or nothing.
        backtrace: String,
    },
    /// The handler used up its processor time, with the backtrace.
    #[error("used up its cpu of {limit:?}{backtrace}")]
    ProcessorTime {
        /// The option `cpu`.
        limit: Duration,
        /// Where it was, in lines.
        backtrace: String,
    },
    /// The handler trapped, with the memory limit where it had hit that.
    #[error("{limit}{report}")]
    Trap {
        /// The limit that was hit before, or nothing.
        limit: String,
        /// The trap and its backtrace.
        report: String,
    },
    /// The handler gave up, and says why.
    #[error("failed: {0}")]
    Failed(String),
}

impl CallError {
    /// The status that tells the client (RFC 9110 section 15.6).
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Busy(_) => 503,
            Self::Deadline { .. } | Self::ProcessorTime { .. } => 504,
            Self::Trap { .. } | Self::Failed(_) => 500,
        }
    }
}

impl Handler {
    /// Calls the handler in an instance of its own, which is gone when the future ends or is dropped; where the route
    /// allows `reuse`, in one that has served before, and will again.
    ///
    /// # Errors
    /// See [`CallError`]. The time limit is checked where the guest runs; a guest that waits is for the caller to
    /// drop at the deadline of the exchange.
    pub async fn call(&self, invocation: Invocation) -> Result<Outcome, CallError> {
        if let Some(meter) = invocation.exchange.meter().cloned() {
            return Box::pin(meter::call(self, invocation, &meter)).await;
        }
        let reuse = invocation.options.settings.reuse;
        let mut instance = self.instance(invocation).await?;
        let outcome = instance.call().await?;
        match &outcome {
            // Until the instance ends, its memory has the body too.
            Outcome::Body(body) if reuse == 1 && body.len() > LARGE_BODY => drop(instance),
            Outcome::Body(_) | Outcome::Close | Outcome::Manual => self.keep(instance, reuse),
        }
        Ok(outcome)
    }

    /// An instance for an invocation: one that waits, where its route allows `reuse`, or a new one.
    async fn instance(&self, invocation: Invocation) -> Result<Instance, CallError> {
        let settings = &invocation.options.settings;
        let (memory, reuse) = (settings.memory, settings.reuse);
        if let Some(slice) = scheduler::start(invocation.handler, &invocation.exchange) {
            wait_to_start(slice, &invocation.exchange).await?;
        }
        let fits = |instance: &Instance| instance.served() < reuse && instance.memory() <= memory;
        let waiting = if reuse > 1 { instance_pool::take(self.number()).filter(fits) } else { None };
        match waiting {
            Some(mut instance) => {
                instance.begin(invocation, memory);
                Ok(instance)
            }
            // In a box: what making one holds would else be part of every call's future, and be moved with it.
            None => Box::pin(Instance::new(self, GuestState::new(invocation, memory))).await,
        }
    }

    /// Lets an instance that has served wait for the next invocation, or end.
    fn keep(&self, instance: Instance, reuse: u32) {
        if instance.served() < reuse {
            instance_pool::put(self.number(), instance);
        } else {
            instance_pool::end(instance);
        }
    }
}

/// Waits for the slice in which an invocation starts.
async fn wait_to_start(slice: scheduler::NextSlice, exchange: &Exchange) -> Result<(), CallError> {
    Box::pin(exchange.wait_elsewhere(slice)).await;
    if exchange.is_expired(Instant::now()) {
        return Err(CallError::Deadline { backtrace: "; it was waiting for its first time slice".to_owned() });
    }
    Ok(())
}
