//! The engine, one per process: owns the engines of wasmtime and the compile cache, and counts invocations.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use thiserror::Error;

use super::compile_cache::CompileCache;
use super::compile_process::CompileProcess;
use super::epoch::EpochTicker;
use super::instance_pool::MAX_IDLE;
use super::wasm_engine::{EngineKind, WasmEngine};
use crate::config::{CodeQuality, Compiling};

/// Maximum number of components that describe themselves at the same time: one per core.
const MAX_DESCRIBING: u32 = 256;

/// Maximum number of concurrent invocations of components of `wasi:http` 0.3. Their pool reserves address space beside
/// that of all others.
const MAX_CONCURRENT_KIND: u32 = 512;

/// Options of an engine.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Maximum number of concurrent invocations.
    pub max_invocations: u32,
    /// Number of worker threads.
    pub workers: u32,
    /// Directory of the compile cache. `None` compiles every component at every start.
    pub cache_directory: Option<PathBuf>,
    /// How components are compiled.
    pub compiling: Compiling,
    /// Whether components of `wasi:http` 0.3 are served.
    pub wasi_http_03: bool,
}

impl EngineOptions {
    /// Slots in the pool: for running invocations, for idle and retired instances of each thread, and for components
    /// that describe themselves if that happens in this process.
    fn pool_size(&self, kind: EngineKind) -> u32 {
        let describing = if self.compiling.program.is_some() { 0 } else { MAX_DESCRIBING };
        let running = match kind {
            EngineKind::Serial => self.max_invocations,
            EngineKind::Concurrent => self.max_invocations.min(MAX_CONCURRENT_KIND),
        };
        self.workers.saturating_mul(MAX_IDLE + 1).saturating_add(running).saturating_add(describing)
    }
}

/// Why the engine could not be created.
#[derive(Debug, Error)]
pub enum EngineError {
    /// wasmtime rejects its configuration on this machine.
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
    /// The epoch thread did not start.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// Components of `wasi:http` 0.3 are not served.
    #[error("components of wasi:http 0.3 are switched off")]
    SwitchedOff,
}

/// The engine. Clones share one engine; the epoch thread stops when the last clone is dropped.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<EngineShared>,
}

struct EngineShared {
    serial: WasmEngine,
    /// Made when the first component needs it.
    concurrent: OnceLock<WasmEngine>,
    /// Held while the concurrent engine is made.
    making: Mutex<()>,
    /// The size of the concurrent engine's pool. `None` if there must be no such engine.
    concurrent_pool: Option<u32>,
    cache: Option<CompileCache>,
    compile_process: Option<CompileProcess>,
    code: CodeQuality,
    cache_hits: AtomicUsize,
    cache_misses: AtomicUsize,
    compile_nanoseconds: AtomicU64,
    running: AtomicU32,
    max_invocations: u32,
    ticker: EpochTicker,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Creates an engine.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn new(options: &EngineOptions) -> Result<Self, EngineError> {
        let (serial, instances) =
            WasmEngine::with_largest_pool(EngineKind::Serial, options.pool_size(EngineKind::Serial))?;
        let ticker = EpochTicker::start(serial.wasmtime().clone())?;
        let process = options.compiling.program.is_some().then(|| CompileProcess::new(options.compiling.clone()));
        Ok(Self {
            shared: Arc::new(EngineShared {
                serial,
                concurrent: OnceLock::new(),
                making: Mutex::new(()),
                concurrent_pool: options.wasi_http_03.then(|| options.pool_size(EngineKind::Concurrent)),
                cache: options.cache_directory.as_deref().and_then(open_cache),
                compile_process: process,
                code: process_code(&options.compiling),
                cache_hits: AtomicUsize::new(0),
                cache_misses: AtomicUsize::new(0),
                compile_nanoseconds: AtomicU64::new(0),
                running: AtomicU32::new(0),
                max_invocations: options.max_invocations.min(instances),
                ticker,
            }),
        })
    }

    /// Takes permits for `count` invocations. `None` if fewer are free.
    #[must_use]
    pub fn try_acquire(&self, count: u32) -> Option<InvocationPermit<'_>> {
        let in_use = self.shared.running.fetch_add(count, Ordering::Relaxed).saturating_add(count);
        let permit = InvocationPermit { running: &self.shared.running, count, in_use };
        (in_use <= self.shared.max_invocations).then_some(permit)
    }

    /// Releases permits that an [`InvocationPermit`] was made to keep.
    pub(crate) fn release(&self, count: u32) {
        self.shared.running.fetch_sub(count, Ordering::Relaxed);
    }

    /// Maximum number of concurrent invocations.
    #[must_use]
    pub fn max_invocations(&self) -> u32 {
        self.shared.max_invocations
    }

    /// How many components were found in the compile cache, and how many had to be compiled.
    #[must_use]
    pub fn cache_hits_and_misses(&self) -> (usize, usize) {
        (self.shared.cache_hits.load(Ordering::Relaxed), self.shared.cache_misses.load(Ordering::Relaxed))
    }

    /// How long components were compiled, started and asked for their description, all together.
    #[must_use]
    pub fn compile_time(&self) -> Duration {
        Duration::from_nanos(self.shared.compile_nanoseconds.load(Ordering::Relaxed))
    }

    pub(super) fn count_compile_time(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.shared.compile_nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(super) fn count_cache_hit(&self) {
        self.shared.cache_hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_cache_miss(&self) {
        self.shared.cache_misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn cache(&self) -> Option<&CompileCache> {
        self.shared.cache.as_ref()
    }

    /// Starts the child processes that compile. `None` if this process compiles.
    pub(super) fn compile_process(&self) -> Option<&CompileProcess> {
        self.shared.compile_process.as_ref()
    }

    /// How much the compiler does for the speed of the code of a handler or middleware.
    pub(super) fn code_quality(&self) -> CodeQuality {
        self.shared.code
    }

    /// The engine of wasmtime that runs one call after the other.
    pub(super) fn serial(&self) -> &WasmEngine {
        &self.shared.serial
    }

    /// The engine of wasmtime of a kind. The concurrent one is made if there is none yet.
    ///
    /// # Errors
    /// [`EngineError::SwitchedOff`] if there must be no such engine, and what keeps it from being made.
    pub(super) fn of(&self, kind: EngineKind) -> Result<&WasmEngine, EngineError> {
        let shared = &self.shared;
        if kind == EngineKind::Serial {
            return Ok(&shared.serial);
        }
        if let Some(made) = shared.concurrent.get() {
            return Ok(made);
        }
        let instances = shared.concurrent_pool.ok_or(EngineError::SwitchedOff)?;
        let _making = shared.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = shared.concurrent.get() {
            return Ok(made);
        }
        let (engine, _) = WasmEngine::with_largest_pool(kind, instances)?;
        shared.ticker.add(engine.wasmtime().clone());
        Ok(shared.concurrent.get_or_init(|| engine))
    }
}

/// A permit for a number of concurrent invocations, released on drop.
#[derive(Debug)]
pub struct InvocationPermit<'e> {
    running: &'e AtomicU32,
    count: u32,
    in_use: u32,
}

impl InvocationPermit<'_> {
    /// How many invocations held permits in all when this permit was taken.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.in_use
    }

    /// Keeps the permits, and returns how many there are. The caller has to [release](Engine::release) them.
    pub(crate) fn keep(self) -> u32 {
        let count = self.count;
        std::mem::forget(self);
        count
    }
}

impl Drop for InvocationPermit<'_> {
    fn drop(&mut self) {
        self.running.fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// How much the compiler does for the speed of the code. In this process it always does what it can.
fn process_code(compiling: &Compiling) -> CodeQuality {
    if compiling.program.is_some() { compiling.code } else { CodeQuality::Optimized }
}

/// Opens the compile cache. If that fails, logs a warning and goes on without one.
fn open_cache(directory: &Path) -> Option<CompileCache> {
    let opened = CompileCache::open(directory);
    let warn = |reason: &String| {
        let directory = directory.display();
        tracing::warn!(
            target: "engine",
            "cannot use {directory} as the compile cache, so components are compiled at every start: {reason}"
        );
    };
    opened.inspect_err(warn).ok()
}
