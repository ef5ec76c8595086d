//! One attempt to load a component: how far it may go, and how another thread stops it.

use std::fmt;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::compile_process::ChildEvent;

/// How far loading may go.
#[derive(Debug, Clone)]
pub enum Effort {
    /// Only what the compile cache has: this takes milliseconds, and runs nothing of the component.
    Cached,
    /// As far as it takes.
    Full(LoadAttempt),
}

/// An attempt that may be stopped. A clone is the same attempt.
#[derive(Clone)]
pub struct LoadAttempt {
    shared: Arc<AttemptShared>,
}

struct AttemptShared {
    state: Mutex<AttemptState>,
    on_compiled: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct AttemptState {
    is_stopped: bool,
    wake: Option<Sender<ChildEvent>>,
}

impl LoadAttempt {
    /// An attempt that calls `on_compiled` once the component is compiled, and only what it says of itself is waited for.
    pub fn new(on_compiled: impl Fn() + Send + Sync + 'static) -> Self {
        Self { shared: Arc::new(AttemptShared { state: Mutex::default(), on_compiled: Box::new(on_compiled) }) }
    }

    /// Ends the attempt at once, where a process compiles; what is compiled in this process goes on to its end.
    pub fn stop(&self) {
        let mut state = self.state();
        state.is_stopped = true;
        if let Some(wake) = state.wake.take() {
            // Where nobody listens any more it has ended already.
            let _ = wake.send(ChildEvent::Stop);
        }
    }

    /// Tells `wake` when it is to be stopped, also where it is by now.
    pub(super) fn listen(&self, wake: Sender<ChildEvent>) {
        let mut state = self.state();
        match state.is_stopped {
            true => drop(wake.send(ChildEvent::Stop)),
            false => state.wake = Some(wake),
        }
    }

    /// The component is compiled.
    pub(super) fn note_compiled(&self) {
        (self.shared.on_compiled)();
    }

    fn state(&self) -> MutexGuard<'_, AttemptState> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LoadAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("is_stopped", &self.state().is_stopped).finish_non_exhaustive()
    }
}
