//! The interpreters of scripts: finds the component of each language, and keeps it while it is the same file.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
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

/// Loads interpreters, each when the first script needs it.
#[derive(Debug, Default)]
pub(crate) struct Interpreters {
    /// Where their files are looked for, in this order.
    directories: Vec<PathBuf>,
    loaded: Mutex<HashMap<Language, (FileVersion, Arc<Interpreter>)>>,
}

/// Why there is no interpreter.
#[derive(Debug)]
pub(super) enum NoInterpreter {
    /// None of the directories has its file.
    Missing(String),
    /// Its file cannot be read.
    Unread(PathBuf, ReadError),
    /// It is refused.
    Refused(PathBuf, Vec<LoadError>),
    /// It has to be compiled, which the effort excludes.
    Uncached,
    /// The attempt was stopped.
    Stopped,
}

impl Interpreters {
    pub(crate) fn new(directories: Vec<PathBuf>) -> Self {
        Self { directories, loaded: Mutex::default() }
    }

    /// The interpreter of a language. The first time it may be compiled, which takes many seconds; who asks for one
    /// meanwhile waits.
    pub(super) fn get(
        &self,
        engine: &Engine,
        language: Language,
        effort: &Effort,
    ) -> Result<Arc<Interpreter>, NoInterpreter> {
        let files = self.directories.iter().map(|directory| directory.join(language.interpreter()));
        let found = files.filter_map(|file| Some((disk::version(&file)?, file))).next();
        let (version, file) = found.ok_or_else(|| NoInterpreter::Missing(self.looked_in()))?;
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, interpreter)) = loaded.get(&language)
            && *known == version
        {
            return Ok(interpreter.clone());
        }
        let bytes = regular_file::read(&file, MAX_BYTES);
        let bytes = bytes.map_err(|error| NoInterpreter::Unread(file.clone(), error))?;
        let name = Arc::from(format!("the interpreter of {}", language.name()));
        let context = LoadContext { name: &name, memory: MEMORY, timeout: TIMEOUT, effort };
        let interpreter = Interpreter::load(engine, &bytes.into(), context);
        let interpreter = Arc::new(interpreter.map_err(|reason| match reason {
            NotLoaded::Refused(errors) => NoInterpreter::Refused(file, errors),
            NotLoaded::Uncached => NoInterpreter::Uncached,
            NotLoaded::Stopped => NoInterpreter::Stopped,
        })?);
        loaded.insert(language, (version, interpreter.clone()));
        Ok(interpreter)
    }

    fn looked_in(&self) -> String {
        let shown: Vec<String> = self.directories.iter().map(|directory| directory.display().to_string()).collect();
        shown.join(" or ")
    }
}
