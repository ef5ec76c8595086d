//! The engines of wasmtime: how each kind is configured, its pool of instances, and the host functions that it links.

use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use super::address_space::{self, MEMORIES_PER_INSTANCE, Plan, SCARCE_GUARD_BYTES};
use super::engine::EngineError;
use super::limits::{MAX_CORE_INSTANCES, MAX_INSTANCE_BYTES, MAX_MEMORIES, MAX_MEMORY_BYTES, MAX_TABLES};
use super::state::{GuestState, MAX_TABLE_ELEMENTS};
use super::world::World;
use super::{imports, proposals, wasi_http_03};
use crate::config::CodeQuality;

/// Bytes of a memory that stay resident in a slot, so that the next instance takes no page faults: the default stack of
/// a Rust guest (1 MiB) and its data.
const MEMORY_KEEP_RESIDENT: usize = 1280 * 1024;
const TABLE_KEEP_RESIDENT: usize = 64 * 1024;
const STACK_KEEP_RESIDENT: usize = 64 * 1024;

/// Bytes of stack that Wasm may use, and of the whole fiber.
const WASM_STACK: usize = 512 * 1024;
const FIBER_STACK: usize = 1024 * 1024;

/// Stacks in the pool for each instance whose tasks run concurrently: a task that blocks in a call keeps one.
const STACKS_PER_CONCURRENT_INSTANCE: u32 = 4;

/// How an engine runs what happens in one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EngineKind {
    /// One call after the other. This costs least.
    Serial,
    /// Tasks that take turns, with the streams and futures of the component model. A component of `wasi:http` 0.3 needs
    /// it.
    Concurrent,
}

impl EngineKind {
    /// The kind that runs components of a world.
    pub(super) fn of(world: World) -> Self {
        match world {
            World::Vibrato | World::WasiHttp02 => Self::Serial,
            World::WasiHttp03 => Self::Concurrent,
        }
    }
}

/// An engine of wasmtime with its host functions.
pub(super) struct WasmEngine {
    kind: EngineKind,
    wasmtime: wasmtime::Engine,
    linker: Linker<GuestState>,
    reservation: u64,
}

impl WasmEngine {
    /// An engine with a pool of at most `instances`, or of fewer, if the address space has no room for as many. Returns
    /// how many there are.
    pub(super) fn with_largest_pool(kind: EngineKind, instances: u32) -> Result<(Self, u32), EngineError> {
        let (engine, plan) = with_largest_pool(kind, instances)?;
        Ok((Self::new(kind, engine, plan.memory)?, plan.instances))
    }

    /// The engine of a child process that compiles, for a parent that reserves `reservation` bytes for each memory.
    /// Any engine of the parent loads the code, however well it is compiled.
    pub(super) fn for_compiling(kind: EngineKind, code: CodeQuality, reservation: u64) -> Result<Self, EngineError> {
        let mut config = Config::base(kind, reservation);
        match code {
            CodeQuality::Optimized => {}
            // The register allocator stays: wasmtime does not recommend the quick one where the sandbox has to hold.
            CodeQuality::Quick => _ = config.cranelift_opt_level(OptLevel::None),
        }
        let engine = wasmtime::Engine::new(&config).map_err(engine_error)?;
        Self::new(kind, engine, reservation)
    }

    fn new(kind: EngineKind, wasmtime: wasmtime::Engine, reservation: u64) -> Result<Self, EngineError> {
        let mut linker = Linker::new(&wasmtime);
        imports::add_to_linker(&mut linker).map_err(engine_error)?;
        if kind == EngineKind::Concurrent {
            wasi_http_03::add_to_linker(&mut linker).map_err(engine_error)?;
        }
        Ok(Self { kind, wasmtime, linker, reservation })
    }

    pub(super) fn kind(&self) -> EngineKind {
        self.kind
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    pub(super) fn linker(&self) -> &Linker<GuestState> {
        &self.linker
    }

    /// Bytes of address space reserved for each memory.
    pub(super) fn reservation(&self) -> u64 {
        self.reservation
    }
}

/// Creates an engine with a pool, as large as the address space allows.
fn with_largest_pool(kind: EngineKind, instances: u32) -> Result<(wasmtime::Engine, Plan), EngineError> {
    let full = Plan::full(instances);
    let limit = address_space::limit();
    let reason = match limit {
        Some(limit) if !full.fits(limit) => format!("it has {limit} bytes of address space (`ulimit -v`)"),
        _ => match wasmtime::Engine::new(&Config::with_pool(kind, full)) {
            Ok(engine) => return Ok((engine, full)),
            Err(error) => format!("{error:#}"),
        },
    };
    // Without a limit on address space, try smaller and smaller pools.
    let spaces = limit.into_iter().chain([1 << 40, 1 << 36, 1 << 33]);
    for plan in spaces.map(|space| Plan::scarce(instances, space)) {
        if let Ok(engine) = wasmtime::Engine::new(&Config::with_pool(kind, plan)) {
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
    Ok((wasmtime::Engine::new(&Config::base(kind, plan.memory)).map_err(engine_error)?, plan))
}

fn engine_error(error: wasmtime::Error) -> EngineError {
    EngineError::Engine(format!("{error:#}"))
}

/// The configurations of wasmtime.
trait HostConfig {
    fn base(kind: EngineKind, memory: u64) -> Self;
    fn with_pool(kind: EngineKind, plan: Plan) -> Self;
}

impl HostConfig for Config {
    /// With `memory` bytes of address space for each memory.
    fn base(kind: EngineKind, memory: u64) -> Self {
        let mut config = Self::new();
        proposals::restrict(&mut config, kind);
        if memory < MAX_MEMORY_BYTES {
            config.memory_reservation(memory);
            config.memory_guard_size(SCARCE_GUARD_BYTES);
            config.memory_reservation_for_growth(0);
        }
        config.epoch_interruption(true);
        config.max_wasm_stack(WASM_STACK);
        config.async_stack_size(FIBER_STACK);
        config.concurrency_support(kind == EngineKind::Concurrent);
        config
    }

    fn with_pool(kind: EngineKind, plan: Plan) -> Self {
        let instances = plan.instances;
        let stacks = match kind {
            EngineKind::Serial => instances,
            EngineKind::Concurrent => instances.saturating_mul(STACKS_PER_CONCURRENT_INSTANCE),
        };
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances);
        pool.total_core_instances(instances.saturating_mul(MAX_CORE_INSTANCES));
        pool.total_memories(instances.saturating_mul(MEMORIES_PER_INSTANCE));
        pool.total_tables(instances.saturating_mul(MAX_TABLES));
        pool.total_stacks(stacks);
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
        let mut config = Self::base(kind, plan.memory);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        config
    }
}
