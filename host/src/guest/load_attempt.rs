//! One attempt to load a component: how far it goes, and how another thread stops it.

use std::fmt;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::compile_process::ChildEvent;

/// How far loading goes.
#[derive(Debug, Clone)]
pub enum Effort {
    /// Reads only the compile cache: takes milliseconds, but for the start of a script.
    Cached(LoadAttempt),
    /// Compiles if needed.
    Full(LoadAttempt),
}

impl Effort {
    /// Call this when all code is there, and only a start and a description remain.
    pub(crate) fn note_compiled(&self) {
        let (Self::Cached(attempt) | Self::Full(attempt)) = self;
        attempt.note_compiled();
    }
}

/// An attempt that can be stopped. Clones are the same attempt.
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
    on_stop: Option<Sender<ChildEvent>>,
}

impl LoadAttempt {
    /// Creates an attempt. `on_compiled` is called when the component is compiled and only its start and description
    /// remain.
    pub fn new(on_compiled: impl Fn() + Send + Sync + 'static) -> Self {
        Self { shared: Arc::new(AttemptShared { state: Mutex::default(), on_compiled: Box::new(on_compiled) }) }
    }

    /// Stops the attempt at once if a child process compiles. Compiling in this process runs to its end.
    pub fn stop(&self) {
        let mut state = self.state();
        state.is_stopped = true;
        if let Some(sender) = state.on_stop.take() {
            // If the receiver is gone, the attempt has ended already.
            let _ = sender.send(ChildEvent::Stop);
        }
    }

    /// Sends [`ChildEvent::Stop`] to `sender` when the attempt is stopped, or at once if it was stopped already.
    pub(super) fn notify_stop(&self, sender: Sender<ChildEvent>) {
        let mut state = self.state();
        match state.is_stopped {
            true => drop(sender.send(ChildEvent::Stop)),
            false => state.on_stop = Some(sender),
        }
    }

    /// Call this when the component is compiled.
    pub(super) fn note_compiled(&self) {
        (self.shared.on_compiled)();
    }

    fn state(&self) -> MutexGuard<'_, AttemptState> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LoadAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadAttempt").field("is_stopped", &self.state().is_stopped).finish_non_exhaustive()
    }
}
