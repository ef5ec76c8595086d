//! The engine: one for the process. Configures wasmtime, has what compiles and the cache of it, counts invocations.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use thiserror::Error;
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::address_space::{self, MEMORIES_OF_A_PLACE, Plan, SCARCE_GUARD_BYTES};
use super::compile_cache::CompileCache;
use super::compile_process::CompileProcess;
use super::epoch::EpochTicker;
use super::instance_pool::MAX_WAITING;
use super::limits::{CORE_INSTANCES, INSTANCE_BYTES, MEMORIES, MEMORY_BYTES, TABLES};
use super::state::{GuestState, MAX_TABLE_ELEMENTS};
use super::{imports, proposals};
use crate::config::Compiling;

/// An instance's pages that stay with its slot, so that the next instance finds them without a page fault: 1 MiB of
/// stack that a Rust guest has by default, and its data.
const MEMORY_KEEP_RESIDENT: usize = 1280 * 1024;
const TABLE_KEEP_RESIDENT: usize = 64 * 1024;
const STACK_KEEP_RESIDENT: usize = 64 * 1024;

/// The stack that Wasm may use, and the whole of a fiber's.
const WASM_STACK: usize = 512 * 1024;
const FIBER_STACK: usize = 1024 * 1024;

/// Routes that describe themselves at once, at most: one for each core.
const DESCRIBING: u32 = 256;

/// How an engine is made.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The most invocations at once.
    pub max_invocations: u32,
    /// The threads that call handlers.
    pub workers: u32,
    /// Where compiled code is kept; none compiles at every start.
    pub cache_directory: Option<PathBuf>,
    /// How components are compiled.
    pub compiling: Compiling,
}

impl EngineOptions {
    /// Instances at once: beside those that are called, some wait for each thread, one comes to its end there, and
    /// some describe themselves, where this process has them do that.
    fn places(&self) -> u32 {
        let describing = if self.compiling.program.is_some() { 0 } else { DESCRIBING };
        self.workers.saturating_mul(MAX_WAITING + 1).saturating_add(self.max_invocations).saturating_add(describing)
    }
}

/// Why no engine could be made.
#[derive(Debug, Error)]
pub enum EngineError {
    /// wasmtime refuses its configuration on this machine.
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
    /// The thread that ticks the epoch did not start.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// The engine. A clone is the same engine; with the last one its ticking ends.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<EngineShared>,
}

struct EngineShared {
    engine: wasmtime::Engine,
    reservation: u64,
    linker: Linker<GuestState>,
    cache: Option<CompileCache>,
    compile_process: Option<CompileProcess>,
    cached: AtomicUsize,
    compiled: AtomicUsize,
    running: AtomicU32,
    max_invocations: u32,
    _ticker: EpochTicker,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Makes an engine.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn new(options: &EngineOptions) -> Result<Self, EngineError> {
        let (engine, plan) = pooled(options.places())?;
        let cache = options.cache_directory.as_deref().and_then(open_cache);
        let process = options.compiling.program.is_some().then(|| CompileProcess::new(options.compiling.clone()));
        Self::of(engine, plan.memory, cache, process, options.max_invocations.min(plan.places))
    }

    /// Makes the engine of a process that compiles for another, which has `reservation` bytes of address space for each
    /// memory.
    pub(super) fn for_compiling(reservation: u64) -> Result<Self, EngineError> {
        Self::of(wasmtime::Engine::new(&Config::base(reservation)).map_err(refused)?, reservation, None, None, 1)
    }

    fn of(
        engine: wasmtime::Engine,
        reservation: u64,
        cache: Option<CompileCache>,
        compile_process: Option<CompileProcess>,
        max_invocations: u32,
    ) -> Result<Self, EngineError> {
        let mut linker = Linker::new(&engine);
        imports::add_to_linker(&mut linker).map_err(refused)?;
        let ticker = EpochTicker::start(engine.clone())?;
        Ok(Self {
            shared: Arc::new(EngineShared {
                engine,
                reservation,
                linker,
                cache,
                compile_process,
                cached: AtomicUsize::new(0),
                compiled: AtomicUsize::new(0),
                running: AtomicU32::new(0),
                max_invocations,
                _ticker: ticker,
            }),
        })
    }

    /// Takes as many of the places for invocations; none where fewer are left.
    #[must_use]
    pub fn permit(&self, places: u32) -> Option<InvocationPermit<'_>> {
        let taken = self.shared.running.fetch_add(places, Ordering::Relaxed).saturating_add(places);
        let permit = InvocationPermit { running: &self.shared.running, places, taken };
        (taken <= self.shared.max_invocations).then_some(permit)
    }

    /// The most places for invocations.
    #[must_use]
    pub fn max_invocations(&self) -> u32 {
        self.shared.max_invocations
    }

    /// How many components came out of the cache, and how many had to be compiled.
    #[must_use]
    pub fn cache_hits_and_misses(&self) -> (usize, usize) {
        (self.shared.cached.load(Ordering::Relaxed), self.shared.compiled.load(Ordering::Relaxed))
    }

    pub(super) fn note_cached(&self) {
        self.shared.cached.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_compiled(&self) {
        self.shared.compiled.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn cache(&self) -> Option<&CompileCache> {
        self.shared.cache.as_ref()
    }

    /// What compiles; none where this process does.
    pub(super) fn compile_process(&self) -> Option<&CompileProcess> {
        self.shared.compile_process.as_ref()
    }

    /// The bytes of address space for each memory.
    pub(super) fn reservation(&self) -> u64 {
        self.shared.reservation
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.shared.engine
    }

    pub(super) fn linker(&self) -> &Linker<GuestState> {
        &self.shared.linker
    }
}

/// Places for invocations, given back when dropped.
#[derive(Debug)]
pub struct InvocationPermit<'e> {
    running: &'e AtomicU32,
    places: u32,
    taken: u32,
}

impl InvocationPermit<'_> {
    /// How many places were taken in all once these were.
    #[must_use]
    pub fn taken(&self) -> u32 {
        self.taken
    }
}

impl Drop for InvocationPermit<'_> {
    fn drop(&mut self) {
        self.running.fetch_sub(self.places, Ordering::Relaxed);
    }
}

/// An engine with a pool, as large as the system has address space for it.
fn pooled(places: u32) -> Result<(wasmtime::Engine, Plan), EngineError> {
    let full = Plan::full(places);
    let limit = address_space::limit();
    let why = match limit {
        Some(limit) if !full.fits(limit) => format!("it has {limit} bytes of address space (`ulimit -v`)"),
        _ => match wasmtime::Engine::new(&Config::with_pool(full)) {
            Ok(engine) => return Ok((engine, full)),
            Err(error) => format!("{error:#}"),
        },
    };
    // What a machine without a limit has refused all the same it may have in parts.
    let spaces = limit.into_iter().chain([1 << 40, 1 << 36, 1 << 33]);
    for plan in spaces.map(|space| Plan::scarce(places, space)) {
        if let Ok(engine) = wasmtime::Engine::new(&Config::with_pool(plan)) {
            let Plan { places, memory } = plan;
            tracing::warn!(
                target: "engine",
                "the host runs with little address space: {places} instances at once at most, past that requests get \
                 503; no memory of a handler grows past {memory} bytes; and handlers run slower: {why}"
            );
            return Ok((engine, plan));
        }
    }
    tracing::warn!(target: "engine", "instances are not pooled, which costs speed: {why}");
    let plan = Plan::scarce(places, limit.unwrap_or(u64::MAX));
    Ok((wasmtime::Engine::new(&Config::base(plan.memory)).map_err(refused)?, plan))
}

fn refused(error: wasmtime::Error) -> EngineError {
    EngineError::Engine(format!("{error:#}"))
}

/// Opens the cache; without one all is compiled at every start, which is told.
fn open_cache(directory: &Path) -> Option<CompileCache> {
    let opened = CompileCache::open(directory);
    let told = |reason: &String| {
        let directory = directory.display();
        tracing::warn!(
            target: "engine",
            "{directory} is not used for compiled code, and components are compiled at every start: {reason}"
        );
    };
    opened.inspect_err(told).ok()
}

/// The two configurations of wasmtime.
trait HostConfig {
    fn base(memory: u64) -> Self;
    fn with_pool(plan: Plan) -> Self;
}

impl HostConfig for Config {
    /// For memories of so many bytes of address space.
    fn base(memory: u64) -> Self {
        let mut config = Self::new();
        proposals::restrict(&mut config);
        if memory < MEMORY_BYTES {
            config.memory_reservation(memory);
            config.memory_guard_size(SCARCE_GUARD_BYTES);
            config.memory_reservation_for_growth(0);
        }
        config.epoch_interruption(true);
        config.max_wasm_stack(WASM_STACK);
        config.async_stack_size(FIBER_STACK);
        config.concurrency_support(false);
        config
    }

    fn with_pool(plan: Plan) -> Self {
        let places = plan.places;
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(places);
        pool.total_core_instances(places.saturating_mul(CORE_INSTANCES));
        pool.total_memories(places.saturating_mul(MEMORIES_OF_A_PLACE));
        pool.total_tables(places.saturating_mul(TABLES));
        pool.total_stacks(places);
        pool.max_core_instances_per_component(CORE_INSTANCES);
        pool.max_memories_per_component(MEMORIES);
        pool.max_tables_per_component(TABLES);
        pool.max_memories_per_module(MEMORIES);
        pool.max_tables_per_module(TABLES);
        pool.max_component_instance_size(INSTANCE_BYTES);
        pool.max_core_instance_size(INSTANCE_BYTES);
        pool.table_elements(MAX_TABLE_ELEMENTS);
        // The bound of an instance is its route's `memory`, which a limiter counts over all its memories.
        pool.max_memory_size(usize::try_from(plan.memory).unwrap_or(usize::MAX));
        pool.linear_memory_keep_resident(MEMORY_KEEP_RESIDENT);
        pool.table_keep_resident(TABLE_KEEP_RESIDENT);
        pool.async_stack_keep_resident(STACK_KEEP_RESIDENT);
        pool.pagemap_scan(Enabled::Auto);
        let mut config = Self::base(plan.memory);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        config
    }
}
