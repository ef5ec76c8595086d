//! Handlers: components loaded, and called once per request in a fresh instance.
//!
//! Owns everything of wasmtime: the engine, compiling and linking, the host functions of `wit/world.wit`, the limits
//! of an invocation. It must not know sockets, routes or options' origin: a handler sees an exchange.

mod component;
mod engine;
mod imports;
mod log;
mod report;
mod state;
mod types;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use thiserror::Error;
use wasmtime::Store;

use crate::exchange::Exchange;
use crate::options::Options;

pub use component::{Declaration, Handler, LoadError};
pub use engine::{Engine, EngineError, EngineOptions, Permit};

use state::State;
use types::Returned;

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
    /// The route's options.
    pub options: Arc<Options>,
    /// The route's name, for the log.
    pub route: Arc<str>,
    /// The request's number, for the log.
    pub id: u64,
}

/// Why an invocation gave no outcome. The texts are for the log, not for the client.
#[derive(Debug, Error)]
pub enum CallError {
    /// The engine's pool has no place for another instance.
    #[error("no instance is free: {0}")]
    Busy(String),
    /// The handler used up its time; with the backtrace where it was running Wasm.
    #[error("passed its timeout{backtrace}")]
    Deadline {
        /// Where it was, in lines, or nothing.
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
}

impl CallError {
    /// The status that tells the client (RFC 9110 section 15.6).
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Busy(_) => 503,
            Self::Deadline { .. } => 504,
            Self::Trap { .. } => 500,
        }
    }
}

impl Handler {
    /// Calls the handler in an instance of its own, which is gone when the future ends or is dropped.
    ///
    /// # Errors
    /// See [`CallError`]. The time limit is checked where the guest runs; a guest that waits is for the caller to
    /// drop at the deadline of the exchange.
    pub async fn call(&self, invocation: Invocation) -> Result<Outcome, CallError> {
        let memory = invocation.options.settings.memory;
        let mut store = self.store(State::new(invocation, memory));
        let called: wasmtime::Result<Returned> = async {
            let instance = self.pre().instantiate_async(&mut store).await?;
            let handle = instance.get_typed_func::<(), (Returned,)>(&mut store, self.handle_index())?;
            Ok(handle.call_async(&mut store, ()).await?.0)
        }
        .await;
        let outcome = match called {
            Ok(Returned::Body(bytes)) => Ok(Outcome::Body(bytes)),
            Ok(Returned::Close) => Ok(Outcome::Close),
            Ok(Returned::Manual) => Ok(Outcome::Manual),
            Err(error) => Err(explain(&error, &store)),
        };
        if outcome.is_err() {
            store.data_mut().finish_log();
        }
        outcome
    }

    fn store(&self, state: State) -> Store<State> {
        let mut store = Store::new(self.engine(), state);
        store.limiter(|state| &mut state.memory);
        // What a guest hands over at once is copied once: never more than it can have itself.
        store.set_hostcall_fuel(store.data().memory.limit());
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            if store.data().is_expired(Instant::now()) {
                return Err(state::Expired.into());
            }
            // Not plain `Yield`: tokio would run a guest that spins many times before it looks at the sockets again.
            Ok(wasmtime::UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store
    }
}

fn explain(error: &wasmtime::Error, store: &Store<State>) -> CallError {
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return CallError::Busy(report::chain(error));
    }
    let backtrace = report::backtrace(error);
    if error.is::<state::Expired>() {
        return CallError::Deadline { backtrace };
    }
    let limit = store.data().memory.explain().unwrap_or_default();
    CallError::Trap { limit, report: report::cause(error) + &backtrace }
}
