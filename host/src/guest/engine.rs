//! The engine: one for the process. Configures wasmtime, caches what it compiles, counts invocations.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use thiserror::Error;
use wasmtime::component::Linker;
use wasmtime::{Cache, CacheConfig, Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::limits::{CORE_INSTANCES, INSTANCE_BYTES, MEMORIES, MEMORY_BYTES, TABLES};
use super::shelf::MAX_WAITING;
use super::state::{MAX_TABLE_ELEMENTS, State};
use super::ticker::Ticker;
use super::{imports, proposals};

/// What there is for each place, on average: address space for four in each is more than a machine has.
const MEMORIES_OF_A_PLACE: u32 = 2;

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
}

impl EngineOptions {
    /// Instances at once: beside those that are called, some wait for each thread, one comes to its end there, and
    /// some describe themselves.
    fn places(&self) -> u32 {
        self.workers.saturating_mul(MAX_WAITING + 1).saturating_add(self.max_invocations).saturating_add(DESCRIBING)
    }
}

/// Why no engine could be made.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The cache's directory cannot be used.
    #[error("cannot use {} for compiled code: {reason}", .directory.display())]
    Cache {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        reason: String,
    },
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
    shared: Arc<Shared>,
}

struct Shared {
    engine: wasmtime::Engine,
    linker: Linker<State>,
    cache: Option<Cache>,
    running: AtomicU32,
    max_invocations: u32,
    _ticker: Ticker,
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
        let cache = options.cache_directory.as_deref().map(open_cache).transpose()?;
        let refused = |error: wasmtime::Error| EngineError::Engine(format!("{error:#}"));
        let pooled = Config::with_pool(options.places(), cache.clone());
        let engine = wasmtime::Engine::new(&pooled).or_else(|error| {
            tracing::warn!("instances are not pooled, which costs speed: {error:#}");
            wasmtime::Engine::new(&Config::base(cache.clone()))
        });
        let engine = engine.map_err(refused)?;
        let mut linker = Linker::new(&engine);
        imports::add_to_linker(&mut linker).map_err(refused)?;
        let ticker = Ticker::start(engine.clone())?;
        Ok(Self {
            shared: Arc::new(Shared {
                engine,
                linker,
                cache,
                running: AtomicU32::new(0),
                max_invocations: options.max_invocations,
                _ticker: ticker,
            }),
        })
    }

    /// Takes as many of the places for invocations; none where fewer are left.
    #[must_use]
    pub fn permit(&self, places: u32) -> Option<Permit<'_>> {
        let taken = self.shared.running.fetch_add(places, Ordering::Relaxed).saturating_add(places);
        let permit = Permit { running: &self.shared.running, places, taken };
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
        self.shared.cache.as_ref().map_or((0, 0), |cache| (cache.cache_hits(), cache.cache_misses()))
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.shared.engine
    }

    pub(super) fn linker(&self) -> &Linker<State> {
        &self.shared.linker
    }
}

/// Places for invocations, given back when dropped.
#[derive(Debug)]
pub struct Permit<'e> {
    running: &'e AtomicU32,
    places: u32,
    taken: u32,
}

impl Permit<'_> {
    /// How many places were taken in all once these were.
    #[must_use]
    pub fn taken(&self) -> u32 {
        self.taken
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.running.fetch_sub(self.places, Ordering::Relaxed);
    }
}

fn open_cache(directory: &Path) -> Result<Cache, EngineError> {
    let mut config = CacheConfig::new();
    // A folder of its own: wasmtime clears what it does not know out of the directory it is given.
    config.with_directory(directory.join("compiled"));
    Cache::new(config)
        .map_err(|error| EngineError::Cache { directory: directory.to_owned(), reason: format!("{error:#}") })
}

/// The two configurations of wasmtime.
trait HostConfig {
    fn base(cache: Option<Cache>) -> Self;
    fn with_pool(places: u32, cache: Option<Cache>) -> Self;
}

impl HostConfig for Config {
    fn base(cache: Option<Cache>) -> Self {
        let mut config = Self::new();
        proposals::restrict(&mut config);
        config.cache(cache);
        config.epoch_interruption(true);
        config.max_wasm_stack(WASM_STACK);
        config.async_stack_size(FIBER_STACK);
        config.concurrency_support(false);
        config
    }

    fn with_pool(places: u32, cache: Option<Cache>) -> Self {
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
        pool.max_memory_size(usize::try_from(MEMORY_BYTES).unwrap_or(usize::MAX));
        pool.linear_memory_keep_resident(MEMORY_KEEP_RESIDENT);
        pool.table_keep_resident(TABLE_KEEP_RESIDENT);
        pool.async_stack_keep_resident(STACK_KEEP_RESIDENT);
        pool.pagemap_scan(Enabled::Auto);
        let mut config = Self::base(cache);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        config
    }
}
