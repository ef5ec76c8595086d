//! An instance of a handler, from instantiation to drop.

use std::time::Instant;

use wasmtime::component::{self, ComponentExportIndex, TypedFunc};
use wasmtime::{Store, UpdateDeadline};

use super::message::{GuestMessage, GuestReply};
use super::state::{Expired, GuestState, ProcessorTimeUsed};
use super::types::Returned;
use super::wasi_http::IncomingHandler;
use super::wasi_http_03::AsyncHandler;
use super::world::World;
use super::{CallError, Handler, Invocation, Outcome, error_text, preemption, scheduler, wasi_http, wasi_http_03};

/// Maximum bytes that a guest passes or returns in one call: the default limit of a body. They are copied in one go,
/// which blocks the thread.
const MAX_CALL_BYTES: usize = 64 * 1024 * 1024;

/// How wasmtime reports that a guest has passed more. The error's type is private.
const CALL_BYTES_ERROR: &str = "too much data is being copied between the host and the guest";

/// An instance in a store of its own.
pub(super) struct Instance {
    store: Store<GuestState>,
    instance: component::Instance,
    handle: Handle,
    served: u32,
}

/// The function that answers a request, in the world of the component.
enum Handle {
    /// `handle` of `vibrato:handler`.
    Vibrato(TypedFunc<(), (Returned,)>),
    /// `handle` of `wasi:http/incoming-handler`.
    WasiHttp02(IncomingHandler),
    /// `handle` of `wasi:http/handler`.
    WasiHttp03(AsyncHandler),
}

impl Instance {
    /// Instantiates a handler. Its start functions run with `state`.
    pub(super) async fn new(handler: &Handler, state: GuestState) -> Result<Self, CallError> {
        let mut store = store(handler.pre().engine(), state);
        let made = async {
            let instance = handler.pre().instantiate_async(&mut store).await?;
            let index = handler.handle_index();
            let handle = match handler.world() {
                World::Vibrato => Handle::Vibrato(instance.get_typed_func(&mut store, index)?),
                World::WasiHttp02 => Handle::WasiHttp02(instance.get_typed_func(&mut store, index)?),
                World::WasiHttp03 => Handle::WasiHttp03(instance.get_typed_func(&mut store, index)?),
            };
            Ok((instance, handle))
        };
        match made.await {
            Ok((instance, handle)) => {
                store.data_mut().memory.has_started();
                Ok(Self { store, instance, handle, served: 0 })
            }
            // It has not begun, and may come again.
            Err(error) => match store.data().memory.shortage() {
                Some(shortage) => Err(shortage.into()),
                None => Err(call_error(&error, &mut store)),
            },
        }
    }

    /// Starts an invocation in a reused instance. Its memories may take `memory` bytes together.
    pub(super) fn begin_invocation(&mut self, invocation: Invocation, memory: usize) {
        self.store.data_mut().begin_invocation(invocation, memory);
        reset_limits(&mut self.store);
    }

    /// Calls the handler. After an error, drop the instance.
    pub(super) async fn call(&mut self) -> Result<Outcome, CallError> {
        self.served = self.served.saturating_add(1);
        let called = match &self.handle {
            Handle::Vibrato(handle) => {
                let called = handle.call_async(&mut self.store, ()).await;
                called.map(|(returned,)| Ok(self.store.data().count_body(returned.into())))
            }
            // Boxed, so that the state of one world does not enlarge the future of the other.
            Handle::WasiHttp02(handle) => Box::pin(wasi_http::call(&mut self.store, handle)).await,
            Handle::WasiHttp03(handle) => Box::pin(wasi_http_03::call(&mut self.store, handle)).await,
        };
        match called {
            Ok(outcome) => {
                self.store.data_mut().end_invocation();
                Ok(outcome?)
            }
            Err(error) => Err(call_error(&error, &mut self.store)),
        }
    }

    /// Calls the handler's `on-message`. After an error, drop the instance.
    pub(super) async fn deliver(
        &mut self,
        on_message: &ComponentExportIndex,
        message: GuestMessage,
    ) -> Result<GuestReply, CallError> {
        self.served = self.served.saturating_add(1);
        let called = async {
            let on_message = self.instance.get_typed_func::<_, (GuestReply,)>(&mut self.store, on_message)?;
            on_message.call_async(&mut self.store, (message,)).await
        };
        match called.await {
            Ok((reply,)) => {
                self.store.data_mut().end_invocation();
                Ok(reply)
            }
            Err(error) => Err(call_error(&error, &mut self.store)),
        }
    }

    /// How many invocations it has served.
    pub(super) fn served(&self) -> u32 {
        self.served
    }

    /// Bytes of its memories.
    pub(super) fn memory(&self) -> usize {
        self.store.data().memory.used()
    }
}

/// Creates a store for an instance.
pub(super) fn store(engine: &wasmtime::Engine, state: GuestState) -> Store<GuestState> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| state);
    reset_limits(&mut store);
    let is_concurrent = engine.get_concurrency_support();
    store.epoch_deadline_callback(move |mut store| {
        if is_concurrent {
            wasi_http_03::check_tasks(&mut store)?;
        }
        let state = store.data_mut();
        if state.is_expired(Instant::now()) {
            return Err(Expired.into());
        }
        let Some(ran) = scheduler::ran_for() else { return Ok(UpdateDeadline::Continue(1)) };
        state.charge_cpu(ran)?;
        preemption::note();
        let exchange = state.exchange().cloned();
        // A deadline of 0 calls this again as soon as the guest resumes, because its time may be used up by then.
        let slice = scheduler::interrupted(state.handler(), ran, exchange.clone());
        Ok(UpdateDeadline::YieldCustom(
            0,
            match exchange {
                Some(exchange) => Box::pin(async move { exchange.wait_elsewhere(slice).await }),
                None => Box::pin(slice),
            },
        ))
    });
    store
}

/// Resets the limits that apply until the next interruption.
fn reset_limits(store: &mut Store<GuestState>) {
    // wasmtime checks this before it copies.
    store.set_hostcall_fuel(store.data().memory.limit().min(MAX_CALL_BYTES));
    store.set_epoch_deadline(1);
}

/// Maps an error of wasmtime. Logs the incomplete last line of the guest's output first.
pub(super) fn call_error(error: &wasmtime::Error, store: &mut Store<GuestState>) -> CallError {
    store.data_mut().finish_log();
    if error.is::<wasmtime::PoolConcurrencyLimitError>() || error_text::is_out_of_memory(error) {
        return CallError::Busy(error_text::chain(error));
    }
    let backtrace = error_text::backtrace(error);
    if error.is::<Expired>() {
        return CallError::Deadline { backtrace };
    }
    if let Some(&ProcessorTimeUsed { limit }) = error.downcast_ref() {
        return CallError::ProcessorTime { limit, backtrace };
    }
    let limit = store.data().memory.explain().unwrap_or_default();
    let cause = error_text::cause(error);
    if cause.starts_with(CALL_BYTES_ERROR) {
        let report = format!("passed more than {} bytes in one call{backtrace}", store.hostcall_fuel());
        return CallError::Trap { limit, report };
    }
    CallError::Trap { limit, report: cause + &backtrace }
}
