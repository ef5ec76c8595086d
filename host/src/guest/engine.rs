//! The engine, one per process: configures wasmtime, owns the compiler and the compile cache, and counts invocations.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use thiserror::Error;
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::address_space::{self, MEMORIES_PER_INSTANCE, Plan, SCARCE_GUARD_BYTES};
use super::compile_cache::CompileCache;
use super::compile_process::CompileProcess;
use super::epoch::EpochTicker;
use super::instance_pool::MAX_IDLE;
use super::limits::{MAX_CORE_INSTANCES, MAX_INSTANCE_BYTES, MAX_MEMORIES, MAX_MEMORY_BYTES, MAX_TABLES};
use super::state::{GuestState, MAX_TABLE_ELEMENTS};
use super::{imports, proposals};
use crate::config::Compiling;

/// Bytes of a memory that stay resident in a slot, so that the next instance takes no page faults: the default stack of
/// a Rust guest (1 MiB) and its data.
const MEMORY_KEEP_RESIDENT: usize = 1280 * 1024;
const TABLE_KEEP_RESIDENT: usize = 64 * 1024;
const STACK_KEEP_RESIDENT: usize = 64 * 1024;

/// Bytes of stack that Wasm may use, and of the whole fiber.
const WASM_STACK: usize = 512 * 1024;
const FIBER_STACK: usize = 1024 * 1024;

/// Maximum number of components that describe themselves at the same time: one per core.
const MAX_DESCRIBING: u32 = 256;

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
}

impl EngineOptions {
    /// Slots in the pool: for running invocations, for idle and retired instances of each thread, and for components
    /// that describe themselves if that happens in this process.
    fn pool_size(&self) -> u32 {
        let describing = if self.compiling.program.is_some() { 0 } else { MAX_DESCRIBING };
        self.workers.saturating_mul(MAX_IDLE + 1).saturating_add(self.max_invocations).saturating_add(describing)
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
}

/// The engine. Clones share one engine; the epoch thread stops when the last clone is dropped.
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
    cache_hits: AtomicUsize,
    cache_misses: AtomicUsize,
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
    /// Creates an engine.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn new(options: &EngineOptions) -> Result<Self, EngineError> {
        let (engine, plan) = with_largest_pool(options.pool_size())?;
        let cache = options.cache_directory.as_deref().and_then(open_cache);
        let process = options.compiling.program.is_some().then(|| CompileProcess::new(options.compiling.clone()));
        Self::from_parts(engine, plan.memory, cache, process, options.max_invocations.min(plan.instances))
    }

    /// Creates the engine of a child process that compiles, for a parent that reserves `reservation` bytes for each
    /// memory.
    pub(super) fn for_compiling(reservation: u64) -> Result<Self, EngineError> {
        Self::from_parts(
            wasmtime::Engine::new(&Config::base(reservation)).map_err(engine_error)?,
            reservation,
            None,
            None,
            1,
        )
    }

    fn from_parts(
        engine: wasmtime::Engine,
        reservation: u64,
        cache: Option<CompileCache>,
        compile_process: Option<CompileProcess>,
        max_invocations: u32,
    ) -> Result<Self, EngineError> {
        let mut linker = Linker::new(&engine);
        imports::add_to_linker(&mut linker).map_err(engine_error)?;
        let ticker = EpochTicker::start(engine.clone())?;
        Ok(Self {
            shared: Arc::new(EngineShared {
                engine,
                reservation,
                linker,
                cache,
                compile_process,
                cache_hits: AtomicUsize::new(0),
                cache_misses: AtomicUsize::new(0),
                running: AtomicU32::new(0),
                max_invocations,
                _ticker: ticker,
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

    /// Bytes of address space reserved for each memory.
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

/// Creates an engine with a pool, as large as the address space allows.
fn with_largest_pool(instances: u32) -> Result<(wasmtime::Engine, Plan), EngineError> {
    let full = Plan::full(instances);
    let limit = address_space::limit();
    let reason = match limit {
        Some(limit) if !full.fits(limit) => format!("it has {limit} bytes of address space (`ulimit -v`)"),
        _ => match wasmtime::Engine::new(&Config::with_pool(full)) {
            Ok(engine) => return Ok((engine, full)),
            Err(error) => format!("{error:#}"),
        },
    };
    // Without a limit on address space, try smaller and smaller pools.
    let spaces = limit.into_iter().chain([1 << 40, 1 << 36, 1 << 33]);
    for plan in spaces.map(|space| Plan::scarce(instances, space)) {
        if let Ok(engine) = wasmtime::Engine::new(&Config::with_pool(plan)) {
            let Plan { instances, memory } = plan;
            tracing::warn!(
                target: "engine",
                "little address space: at most {instances} concurrent instances, past that requests get \
                 503; a memory of a handler is limited to {memory} bytes; handlers run slower: {reason}"
            );
            return Ok((engine, plan));
        }
    }
    tracing::warn!(target: "engine", "cannot pool instances, so requests are slower: {reason}");
    let plan = Plan::scarce(instances, limit.unwrap_or(u64::MAX));
    Ok((wasmtime::Engine::new(&Config::base(plan.memory)).map_err(engine_error)?, plan))
}

fn engine_error(error: wasmtime::Error) -> EngineError {
    EngineError::Engine(format!("{error:#}"))
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

/// The two configurations of wasmtime.
trait HostConfig {
    fn base(memory: u64) -> Self;
    fn with_pool(plan: Plan) -> Self;
}

impl HostConfig for Config {
    /// With `memory` bytes of address space for each memory.
    fn base(memory: u64) -> Self {
        let mut config = Self::new();
        proposals::restrict(&mut config);
        if memory < MAX_MEMORY_BYTES {
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
        let instances = plan.instances;
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances);
        pool.total_core_instances(instances.saturating_mul(MAX_CORE_INSTANCES));
        pool.total_memories(instances.saturating_mul(MEMORIES_PER_INSTANCE));
        pool.total_tables(instances.saturating_mul(MAX_TABLES));
        pool.total_stacks(instances);
        pool.max_core_instances_per_component(MAX_CORE_INSTANCES);
        pool.max_memories_per_component(MAX_MEMORIES);
        pool.max_tables_per_component(MAX_TABLES);
        pool.max_memories_per_module(MAX_MEMORIES);
        pool.max_tables_per_module(MAX_TABLES);
        pool.max_component_instance_size(MAX_INSTANCE_BYTES);
        pool.max_core_instance_size(MAX_INSTANCE_BYTES);
        pool.table_elements(MAX_TABLE_ELEMENTS);
        // The limit of an instance is its route's option `memory`, which a limiter counts over all its memories.
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
