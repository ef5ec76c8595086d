//! What a store holds for one invocation: its exchange, its options, its memory limit, and WASI made when asked for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use wasmtime::ResourceLimiter;
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::clocks::{Monotonic, Wall};
use super::log::GuestLog;
use super::scheduler::NO_ROUTE;
use super::{Grants, Invocation};
use crate::exchange::Exchange;
use crate::options::Options;

/// The most elements of one table: an interpreter compiled to Wasm has some thousands of functions, the runtime of .NET and
/// large JavaScript engines some tens of thousands.
pub(super) const MAX_TABLE_ELEMENTS: usize = 100_000;

/// The most streams, pollables and the like that a guest holds at once.
const MAX_RESOURCES: usize = 4096;

/// The most random bytes a guest gets in one call.
const MAX_RANDOM_BYTES: u64 = 64 * 1024;

/// The guest used up its time while it ran.
#[derive(Debug, Error)]
#[error("the timeout has passed")]
pub(super) struct Expired;

/// The guest used up its processor time.
#[derive(Debug, Clone, Copy, Error)]
#[error("the processor time is used up")]
pub(super) struct ProcessorTimeUsed {
    pub(super) limit: Duration,
}

/// The data of a store.
pub(super) struct GuestState {
    role: Role,
    /// The processor time of the invocation so far, counted in ticks of the epoch.
    ran: Duration,
    pub(super) memory: MemoryLimit,
    wasi: Option<Box<Wasi>>,
}

enum Role {
    /// Answers a request.
    Invocation(Invocation),
    /// Has no request: it describes its route or starts, until the moment given, or rests, and does nothing.
    Alone { route: Arc<str>, deadline: Option<Instant>, cpu: Option<Duration> },
}

struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    log: GuestLog,
    /// Since when its clock runs.
    made: Instant,
}

impl GuestState {
    /// For an invocation whose memories may take `memory` bytes together.
    pub(super) fn new(invocation: Invocation, memory: usize) -> Self {
        Self { role: Role::Invocation(invocation), ran: Duration::ZERO, memory: MemoryLimit::new(memory), wasi: None }
    }

    /// For what is to be done without a request, within `timeout`.
    pub(super) fn alone(route: Arc<str>, memory: usize, timeout: Duration) -> Self {
        let role = Role::Alone { route, deadline: Some(Instant::now() + timeout), cpu: None };
        Self { role, ran: Duration::ZERO, memory: MemoryLimit::new(memory), wasi: None }
    }

    /// The same in a process that may be kept waiting for a processor: its time is that of processors, and `wall` bounds it.
    pub(super) fn alone_in_process(route: Arc<str>, memory: usize, timeout: Duration, wall: Duration) -> Self {
        let role = Role::Alone { route, deadline: Some(Instant::now() + wall), cpu: Some(cpu_time() + timeout) };
        Self { role, ran: Duration::ZERO, memory: MemoryLimit::new(memory), wasi: None }
    }

    /// Takes up an invocation, whose memories may take `memory` bytes together.
    pub(super) fn begin(&mut self, invocation: Invocation, memory: usize) {
        self.memory.limit = memory;
        self.memory.refused = false;
        self.ran = Duration::ZERO;
        if let Some(wasi) = &mut self.wasi {
            wasi.log.begin(&invocation);
            // Random numbers are no other request's.
            wasi.ctx = context(invocation.grants, &wasi.log, wasi.made);
        }
        self.role = Role::Invocation(invocation);
    }

    /// Lets go of the invocation, which has ended.
    pub(super) fn rest(&mut self) {
        if let Role::Invocation(invocation) = &self.role {
            let route = invocation.route.clone();
            self.finish_log();
            self.role = Role::Alone { route, deadline: None, cpu: None };
        }
    }

    /// The exchange; none without a request.
    pub(super) fn exchange(&self) -> Option<&Arc<Exchange>> {
        match &self.role {
            Role::Invocation(invocation) => Some(&invocation.exchange),
            Role::Alone { .. } => None,
        }
    }

    /// The route's options; none without a request.
    pub(super) fn options(&self) -> Option<&Options> {
        match &self.role {
            Role::Invocation(invocation) => Some(&invocation.options),
            Role::Alone { .. } => None,
        }
    }

    /// The number of the handler whose share of the processor it uses.
    pub(super) fn handler(&self) -> u64 {
        match &self.role {
            Role::Invocation(invocation) => invocation.handler,
            Role::Alone { .. } => NO_ROUTE,
        }
    }

    /// Counts processor time.
    ///
    /// # Errors
    /// Where the invocation has used up what its option `cpu` allows.
    pub(super) fn use_processor(&mut self, ran: Duration) -> Result<(), ProcessorTimeUsed> {
        self.ran += ran;
        match &self.role {
            Role::Invocation(invocation) if self.ran > invocation.options.settings.cpu => {
                Err(ProcessorTimeUsed { limit: invocation.options.settings.cpu })
            }
            Role::Invocation(_) | Role::Alone { .. } => Ok(()),
        }
    }

    /// Whether the guest's time is used up.
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        match &self.role {
            Role::Invocation(invocation) => invocation.exchange.is_expired(now),
            Role::Alone { deadline, cpu, .. } => {
                deadline.is_none_or(|deadline| now >= deadline) || cpu.is_some_and(|cpu| cpu_time() >= cpu)
            }
        }
    }

    /// Logs what the guest left in the middle of a line.
    pub(super) fn finish_log(&mut self) {
        if let Some(wasi) = &self.wasi {
            wasi.log.finish();
        }
    }

    fn make_wasi(&self) -> Box<Wasi> {
        let (grants, log) = match &self.role {
            Role::Invocation(invocation) => (invocation.grants, GuestLog::of(invocation)),
            // It describes itself or starts: that takes no grant.
            Role::Alone { route, .. } => (Grants::default(), GuestLog::new(route.clone(), None, None)),
        };
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let made = Instant::now();
        Box::new(Wasi { ctx: context(grants, &log, made), table, log, made })
    }
}

/// The WASI of a guest: no files, no environment, no arguments, no network, no name look-up. Its random numbers, those for
/// hash tables included, are its own.
fn context(Grants {}: Grants, log: &GuestLog, made: Instant) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(log.stdout())
        .stderr(log.stderr())
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(MAX_RANDOM_BYTES)
        .monotonic_clock(Monotonic(made))
        .wall_clock(Wall)
        .build()
}

/// The time of processors that this process has used.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        if self.wasi.is_none() {
            self.wasi = Some(self.make_wasi());
        }
        let wasi = self.wasi.as_mut().expect("was made above");
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

/// One bound over all memories of an instance.
pub(super) struct MemoryLimit {
    limit: usize,
    used: usize,
    refused: bool,
}

impl MemoryLimit {
    fn new(limit: usize) -> Self {
        Self { limit, used: 0, refused: false }
    }

    /// The limit, in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The bytes that the memories have, used or not.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Says that the limit was hit, where it was.
    pub(super) fn explain(&self) -> Option<String> {
        self.refused.then(|| format!("reached its memory limit of {} bytes; ", self.limit))
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}
