//! One instance of a handler, from its making to its end. It must not know where it is kept between two calls.

use std::time::Instant;

use wasmtime::component::{self, ComponentExportIndex, TypedFunc};
use wasmtime::{Store, UpdateDeadline};

use super::message::{GuestMessage, GuestReply};
use super::state::{Expired, GuestState, ProcessorTimeUsed};
use super::types::Returned;
use super::{CallError, Handler, Invocation, Outcome, error_text, scheduler, thread_hooks};

/// The most bytes that a guest hands over in one call, or returns: they are copied at once, and nothing else runs on the
/// thread meanwhile. As many as a body may have by default.
const MAX_HANDED_OVER: usize = 64 * 1024 * 1024;

/// What wasmtime says if a guest hands over more. Its type is private.
const HANDED_OVER_TOO_MUCH: &str = "too much data is being copied between the host and the guest";

/// An instance in a store of its own.
pub(super) struct Instance {
    store: Store<GuestState>,
    instance: component::Instance,
    handle: TypedFunc<(), (Returned,)>,
    served: u32,
}

impl Instance {
    /// Instantiates a handler. What its start functions do is done with `state`.
    pub(super) async fn new(handler: &Handler, state: GuestState) -> Result<Self, CallError> {
        let mut store = store(handler.engine(), state);
        let made = async {
            let instance = handler.pre().instantiate_async(&mut store).await?;
            Ok((instance, instance.get_typed_func(&mut store, handler.handle_index())?))
        };
        match made.await {
            Ok((instance, handle)) => Ok(Self { store, instance, handle, served: 0 }),
            Err(error) => Err(explain(&error, &mut store)),
        }
    }

    /// Takes up an invocation, whose memories may take `memory` bytes together.
    pub(super) fn begin(&mut self, invocation: Invocation, memory: usize) {
        self.store.data_mut().begin(invocation, memory);
        allow(&mut self.store);
    }

    /// Calls the handler. After an error the instance is of no more use.
    pub(super) async fn call(&mut self) -> Result<Outcome, CallError> {
        self.served = self.served.saturating_add(1);
        match self.handle.call_async(&mut self.store, ()).await {
            Ok((returned,)) => {
                self.store.data_mut().rest();
                Ok(returned.into())
            }
            Err(error) => Err(explain(&error, &mut self.store)),
        }
    }

    /// Calls the handler's `on-message`. After an error the instance is of no more use.
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
                self.store.data_mut().rest();
                Ok(reply)
            }
            Err(error) => Err(explain(&error, &mut self.store)),
        }
    }

    /// How many invocations it has served.
    pub(super) fn served(&self) -> u32 {
        self.served
    }

    /// The bytes of its memories.
    pub(super) fn memory(&self) -> usize {
        self.store.data().memory.used()
    }
}

/// A store for an instance.
pub(super) fn store(engine: &wasmtime::Engine, state: GuestState) -> Store<GuestState> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.memory);
    allow(&mut store);
    store.epoch_deadline_callback(|mut store| {
        let state = store.data_mut();
        if state.is_expired(Instant::now()) {
            return Err(Expired.into());
        }
        let Some(ran) = scheduler::ran_for() else { return Ok(UpdateDeadline::Continue(1)) };
        state.use_processor(ran)?;
        thread_hooks::note_spin();
        let exchange = state.exchange().cloned();
        // It is asked again as soon as it goes on: its time may be up by then.
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

/// What a call may take until it is looked at again.
fn allow(store: &mut Store<GuestState>) {
    // Checked before anything is copied.
    store.set_hostcall_fuel(store.data().memory.limit().min(MAX_HANDED_OVER));
    store.set_epoch_deadline(1);
}

/// Why an instance could not be made, or its call gave nothing.
pub(super) fn explain(error: &wasmtime::Error, store: &mut Store<GuestState>) -> CallError {
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
    if cause.starts_with(HANDED_OVER_TOO_MUCH) {
        let report = format!("handed over more than {} bytes in one call{backtrace}", store.hostcall_fuel());
        return CallError::Trap { limit, report };
    }
    CallError::Trap { limit, report: cause + &backtrace }
}
