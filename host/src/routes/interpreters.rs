//! The interpreters of scripts: finds the component of each language, and keeps it while it is the same file.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use super::disk::{self, FileVersion};
use super::script::Language;
use crate::guest::{Effort, Engine, Interpreter, LoadContext, LoadError, NotLoaded};
use crate::regular_file::{self, ReadError};

/// Maximum bytes of the file of an interpreter.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// Limits of the start of an interpreter.
const MEMORY: usize = 1024 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;

/// Loads interpreters, each when the first script needs it.
#[derive(Debug, Default)]
pub(crate) struct Interpreters {
    /// Where their files are looked for, in this order.
    directories: Vec<PathBuf>,
    python: Slot,
    javascript: Slot,
}

/// What is known of the interpreter of one language. It is locked while that is loaded.
type Slot = Mutex<Option<(FileVersion, LoadedInterpreter)>>;

/// An interpreter, or why its file is refused as long as it stays the same.
type LoadedInterpreter = Result<Arc<Interpreter>, Arc<[LoadError]>>;

/// Why there is no interpreter.
#[derive(Debug)]
pub(super) enum NoInterpreter {
    /// None of the directories has its file.
    Missing(String),
    /// Its file cannot be read.
    Unread(PathBuf, ReadError),
    /// It is refused.
    Refused(PathBuf, Arc<[LoadError]>),
    /// It has to be compiled, or is being loaded by another thread, and the effort excludes to wait for that.
    Uncached,
    /// The attempt was stopped.
    Stopped,
}

impl Interpreters {
    pub(crate) fn new(directories: Vec<PathBuf>) -> Self {
        Self { directories, ..Self::default() }
    }

    /// The interpreter of a language. The first time it may be compiled, which takes many seconds. Whoever asks for it
    /// meanwhile with [`Effort::Cached`] is told that it is not there yet, and does not wait.
    pub(super) fn get(
        &self,
        engine: &Engine,
        language: Language,
        effort: &Effort,
    ) -> Result<Arc<Interpreter>, NoInterpreter> {
        let files = self.directories.iter().map(|directory| directory.join(language.interpreter()));
        let found = files.filter_map(|file| Some((disk::version(&file)?, file))).next();
        let (version, file) = found.ok_or_else(|| NoInterpreter::Missing(self.looked_in()))?;
        let mut slot = self.lock(language, effort).ok_or(NoInterpreter::Uncached)?;
        if let Some((known, loaded)) = &*slot
            && *known == version
        {
            return loaded.clone().map_err(|errors| NoInterpreter::Refused(file, errors));
        }
        let bytes = regular_file::read(&file, MAX_BYTES);
        let bytes = bytes.map_err(|error| NoInterpreter::Unread(file.clone(), error))?;
        let name = Arc::from(format!("the interpreter of {}", language.name()));
        let context = LoadContext { name: &name, memory: MEMORY, timeout: TIMEOUT, effort };
        let loaded: LoadedInterpreter = match Interpreter::load(engine, &bytes.into(), context) {
            Ok(interpreter) => Ok(Arc::new(interpreter)),
            Err(NotLoaded::Refused(errors)) => Err(Arc::from(errors)),
            Err(NotLoaded::Uncached) => return Err(NoInterpreter::Uncached),
            Err(NotLoaded::Stopped) => return Err(NoInterpreter::Stopped),
        };
        // What does not pass by itself is not tried again for each script.
        if !loaded.as_ref().is_err_and(|errors| errors.iter().any(LoadError::is_transient)) {
            *slot = Some((version, loaded.clone()));
        }
        loaded.map_err(|errors| NoInterpreter::Refused(file, errors))
    }

    /// Locks what is known of a language. `None` if another thread has it and the effort excludes to wait.
    fn lock(
        &self,
        language: Language,
        effort: &Effort,
    ) -> Option<MutexGuard<'_, Option<(FileVersion, LoadedInterpreter)>>> {
        let slot = match language {
            Language::Python => &self.python,
            Language::JavaScript => &self.javascript,
        };
        match effort {
            Effort::Full(_) => Some(slot.lock().unwrap_or_else(PoisonError::into_inner)),
            Effort::Cached(_) => match slot.try_lock() {
                Ok(slot) => Some(slot),
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            },
        }
    }

    fn looked_in(&self) -> String {
        let shown: Vec<String> = self.directories.iter().map(|directory| directory.display().to_string()).collect();
        shown.join(" or ")
    }
}
