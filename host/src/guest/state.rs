//! The data of a store: the exchange and options of its invocation, its memory limit, and the WASI context, created on
//! first use.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use thiserror::Error;
use wasmtime::ResourceLimiter;
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::clocks::{Monotonic, Wall};
use super::files::OpenFiles;
use super::key_value::StoreRefusal;
use super::log::GuestLog;
use super::request_fields::VisibleFields;
use super::scheduler::NO_ROUTE;
use super::thread_hooks::drop_unused;
use super::upstream_call::UpstreamCalls;
use super::wasi_http::HttpState;
use super::wasi_http_03::{self, HttpHooks};
use super::{Invocation, Outcome};
use crate::exchange::Exchange;
use crate::grants::{Denied, Grants, Remedy};
use crate::key_value::{KeyValueError, KeyValueStore};
use crate::memory_budget::{self, MemoryOwner, MemoryShortage};
use crate::metrics::StoreOutcome;
use crate::options::{self, Options, Value};
use crate::share::Resource;

/// Maximum elements of one table. An interpreter compiled to Wasm has some thousands of functions; the .NET runtime and
/// large JavaScript engines have tens of thousands.
pub(super) const MAX_TABLE_ELEMENTS: usize = 100_000;

/// The bytes of an element of a table.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// Maximum number of WASI resources, such as streams and pollables, that a guest holds at once.
const MAX_RESOURCES: usize = 4096;

/// Maximum random bytes that a guest gets in one call.
const MAX_RANDOM_BYTES: u64 = 64 * 1024;

/// The guest passed its deadline while it was running.
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
    purpose: RunPurpose,
    /// Processor time of the invocation so far, counted in ticks of the epoch.
    cpu_used: Duration,
    pub(super) memory: MemoryLimit,
    /// What it runs, if it is an interpreter.
    program: Option<Bytes>,
    wasi: Option<Box<Wasi>>,
    resources: Option<Box<Resources>>,
}

/// The resources of a guest, created with the first.
struct Resources {
    table: ResourceTable,
    http: HttpState,
    http_hooks: HttpHooks,
    http_context: WasiHttpCtx,
    open_files: OpenFiles,
    upstream_calls: UpstreamCalls,
}

enum RunPurpose {
    /// The guest handles a request.
    Invocation(Invocation),
    /// Has no request. It starts or describes its route until `deadline`, or it is idle and `deadline` is `None`.
    WithoutRequest { route: Arc<str>, deadline: Option<Instant>, cpu: Option<Duration> },
}

struct Wasi {
    ctx: WasiCtx,
    log: GuestLog,
    /// When the instance was created: the origin of its monotonic clock.
    created: Instant,
}

impl GuestState {
    /// For an invocation whose memories may take `memory` bytes together.
    pub(super) fn new(invocation: Invocation, memory: usize) -> Self {
        Self {
            purpose: RunPurpose::Invocation(invocation),
            cpu_used: Duration::ZERO,
            memory: MemoryLimit::new(memory),
            program: None,
            wasi: None,
            resources: None,
        }
    }

    /// Gives an interpreter what it runs.
    pub(super) fn running(mut self, program: Option<&Bytes>) -> Self {
        self.program = program.cloned();
        self
    }

    /// What an interpreter runs.
    pub(super) fn program(&self) -> Option<&Bytes> {
        self.program.as_ref()
    }

    /// For a start or description that ends within `timeout`.
    pub(super) fn without_request(route: Arc<str>, memory: usize, timeout: Duration) -> Self {
        let purpose = RunPurpose::WithoutRequest { route, deadline: Some(Instant::now() + timeout), cpu: None };
        Self {
            purpose,
            cpu_used: Duration::ZERO,
            memory: MemoryLimit::new(memory),
            program: None,
            wasi: None,
            resources: None,
        }
    }

    /// For a start or description in a child process: `timeout` limits processor time, `wall` the elapsed time.
    pub(super) fn without_request_in_process(
        route: Arc<str>,
        memory: usize,
        timeout: Duration,
        wall: Duration,
    ) -> Self {
        let purpose = RunPurpose::WithoutRequest {
            route,
            deadline: Some(Instant::now() + wall),
            cpu: Some(cpu_time() + timeout),
        };
        Self {
            purpose,
            cpu_used: Duration::ZERO,
            memory: MemoryLimit::new(memory),
            program: None,
            wasi: None,
            resources: None,
        }
    }

    /// Starts an invocation in a reused instance. Its memories may take `memory` bytes together.
    pub(super) fn begin_invocation(&mut self, invocation: Invocation, memory: usize) {
        self.memory.limit = memory;
        self.memory.refused = None;
        self.cpu_used = Duration::ZERO;
        if let Some(wasi) = &mut self.wasi {
            wasi.log.begin_invocation(&invocation);
            // A new context has a new random seed, so that two requests share no random numbers.
            wasi.ctx = context(invocation.grants.as_deref(), &wasi.log, wasi.created);
        }
        self.purpose = RunPurpose::Invocation(invocation);
        self.count();
    }

    /// Ends the invocation; the instance becomes idle.
    pub(super) fn end_invocation(&mut self) {
        if let RunPurpose::Invocation(invocation) = &self.purpose {
            let route = invocation.route.clone();
            self.finish_log();
            self.uncount();
            if let Some(resources) = &mut self.resources {
                resources.http.end_invocation();
                resources.upstream_calls.end_invocation();
                if resources.http_hooks.is_used() {
                    wasi_http_03::close_resources(&mut resources.table, &mut resources.http_hooks);
                }
            }
            self.purpose = RunPurpose::WithoutRequest { route, deadline: None, cpu: None };
        }
    }

    /// The exchange. It is `None` without a request.
    pub(super) fn exchange(&self) -> Option<&Arc<Exchange>> {
        match &self.purpose {
            RunPurpose::Invocation(invocation) => Some(&invocation.exchange),
            RunPurpose::WithoutRequest { .. } => None,
        }
    }

    /// The route's options. It is `None` without a request.
    pub(super) fn options(&self) -> Option<&Options> {
        match &self.purpose {
            RunPurpose::Invocation(invocation) => Some(&invocation.options),
            RunPurpose::WithoutRequest { .. } => None,
        }
    }

    /// The same, to keep. It is `None` without a request.
    pub(super) fn shared_options(&self) -> Option<Arc<Options>> {
        match &self.purpose {
            RunPurpose::Invocation(invocation) => Some(invocation.options.clone()),
            RunPurpose::WithoutRequest { .. } => None,
        }
    }

    /// What the guest may reach. It is `None` without a request, or if nothing is granted.
    pub(super) fn grants(&self) -> Option<&Arc<Grants>> {
        match &self.purpose {
            RunPurpose::Invocation(invocation) => invocation.grants.as_ref(),
            RunPurpose::WithoutRequest { .. } => None,
        }
    }

    /// A store that was granted by this name. `default` is another name of the one that has none.
    pub(super) fn key_value_store(&self, name: &str) -> Result<(Arc<Exchange>, Arc<KeyValueStore>), StoreRefusal> {
        let RunPurpose::Invocation(invocation) = &self.purpose else { return Err(StoreRefusal::Denied) };
        let stores = invocation.grants.as_ref().map(|grants| &grants.stores).filter(|stores| !stores.is_empty());
        let other = match name {
            "" => "default",
            "default" => "",
            _ => name,
        };
        let found = stores.and_then(|stores| stores.get(name).or_else(|| stores.get(other)));
        if let Some(store) = found {
            return Ok((invocation.exchange.clone(), store.clone()));
        }
        let shown: String = name.chars().take(64).collect();
        let what = format!("the key-value store `{shown}`");
        let quoted = |name: &str| toml::Value::from(name).to_string();
        let entry = format!("{} = {}", quoted(&shown), quoted(if shown.is_empty() { "default" } else { &shown }));
        let (refusal, remedy) = match stores {
            None => (StoreRefusal::Denied, Remedy::Line(format!("kv = {{ {entry} }}"))),
            // A second `kv` would be a duplicate key.
            Some(_) => (StoreRefusal::NoSuchStore, Remedy::Entry { entry, key: "kv" }),
        };
        invocation.options.denials.warn(Denied::KeyValue, &invocation.route, Some(invocation.id), what, &remedy);
        Err(refusal)
    }

    /// Counts a call to a store that was granted by this name.
    pub(super) fn count_store_call(&self, name: &str, store: &KeyValueStore, outcome: StoreOutcome) {
        if let RunPurpose::Invocation(invocation) = &self.purpose
            && let Some(metrics) = &invocation.options.metrics
        {
            store.count(outcome, metrics.grants(), if name.is_empty() { "default" } else { name });
        }
    }

    /// Logs why a call to a store has failed, if the error that the component gets does not say it: `too-large`, `full` and
    /// `read-only` have no text.
    pub(super) fn note_store_failure(&self, name: &str, error: &KeyValueError) {
        let has_text = match error {
            KeyValueError::ReadOnly
            | KeyValueError::Key(_)
            | KeyValueError::Value(_)
            | KeyValueError::TooManyKeys
            | KeyValueError::BatchBytes
            | KeyValueError::Full { .. } => false,
            KeyValueError::NotInteger
            | KeyValueError::Overflow
            | KeyValueError::Cursor
            | KeyValueError::Storage
            | KeyValueError::NotOpen => true,
        };
        if let RunPurpose::Invocation(invocation) = &self.purpose
            && !has_text
        {
            let shown: String = name.chars().take(64).collect();
            invocation.options.denials.warn_of_store(&invocation.route, invocation.id, &shown, error);
        }
    }

    /// A setting of its route: what was granted as `config`, or else an option that is none of the host's own.
    pub(super) fn setting(&self, name: &str) -> Option<String> {
        let granted = self.grants().and_then(|grants| grants.config.get(name));
        let option = || self.options()?.get(name).filter(|_| options::find(name).is_none()).map(Value::to_text);
        granted.map(|setting| setting.reveal().to_string()).or_else(option)
    }

    /// All settings of its route, sorted by name.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        let options = self.options().into_iter().flat_map(Options::all);
        let options = options.filter(|entry| options::find(&entry.name).is_none());
        let mut all: BTreeMap<String, String> =
            options.map(|entry| (entry.name.clone(), entry.value.to_text())).collect();
        let granted = self.grants().into_iter().flat_map(|grants| &grants.config);
        all.extend(granted.map(|(name, setting)| (name.clone(), setting.reveal().to_string())));
        all.into_iter().collect()
    }

    /// Which fields of its request a component of wasi:http sees. Those of no request if there is none.
    pub(super) fn visible_fields(&self) -> VisibleFields {
        match &self.purpose {
            RunPurpose::Invocation(invocation) => VisibleFields::of(invocation),
            RunPurpose::WithoutRequest { .. } => VisibleFields::default(),
        }
    }

    /// The id of the handler that is charged for the processor time.
    pub(super) fn handler(&self) -> u64 {
        match &self.purpose {
            RunPurpose::Invocation(invocation) => invocation.handler,
            RunPurpose::WithoutRequest { .. } => NO_ROUTE,
        }
    }

    /// The invocation. It is `None` without a request.
    pub(super) fn invocation(&self) -> Option<&Invocation> {
        match &self.purpose {
            RunPurpose::Invocation(invocation) => Some(invocation),
            RunPurpose::WithoutRequest { .. } => None,
        }
    }

    /// Its requests to other servers.
    pub(super) fn upstream_calls(&mut self) -> &mut UpstreamCalls {
        &mut self.resources().upstream_calls
    }

    /// Charges processor time to the invocation.
    ///
    /// # Errors
    /// If the invocation has used more than its option `cpu` allows.
    pub(super) fn charge_cpu(&mut self, time: Duration) -> Result<(), ProcessorTimeUsed> {
        self.cpu_used += time;
        match &self.purpose {
            RunPurpose::Invocation(invocation) if self.cpu_used > invocation.options.settings.cpu => {
                Err(ProcessorTimeUsed { limit: invocation.options.settings.cpu })
            }
            RunPurpose::Invocation(_) | RunPurpose::WithoutRequest { .. } => Ok(()),
        }
    }

    /// Whether the guest has passed its deadline.
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        match &self.purpose {
            RunPurpose::Invocation(invocation) => invocation.exchange.is_expired(now),
            RunPurpose::WithoutRequest { deadline, cpu, .. } => {
                deadline.is_none_or(|deadline| now >= deadline) || cpu.is_some_and(|cpu| cpu_time() >= cpu)
            }
        }
    }

    /// Logs an incomplete last line of output.
    pub(super) fn finish_log(&mut self) {
        if let Some(wasi) = &self.wasi {
            wasi.log.finish();
        }
    }

    fn make_wasi(&self) -> Box<Wasi> {
        let (grants, log) = match &self.purpose {
            RunPurpose::Invocation(invocation) => (invocation.grants.as_deref(), GuestLog::of(invocation)),
            // Starting and describing a component requires no grants.
            RunPurpose::WithoutRequest { route, .. } => (None, GuestLog::new(route.clone(), None, None)),
        };
        let created = Instant::now();
        Box::new(Wasi { ctx: context(grants, &log, created), log, created })
    }

    fn resources(&mut self) -> &mut Resources {
        self.resources.get_or_insert_with(Resources::new)
    }

    /// The table of the guest's resources.
    pub(super) fn table_mut(&mut self) -> &mut ResourceTable {
        &mut self.resources().table
    }

    /// The table, and what the guest has of `wasi:http` 0.3.
    pub(super) fn table_and_hooks(&mut self) -> (&mut ResourceTable, &mut HttpHooks) {
        let resources = self.resources();
        (&mut resources.table, &mut resources.http_hooks)
    }

    /// What wasmtime has of the guest's files, and the directories that they belong to.
    pub(super) fn filesystem_and_open_files(&mut self) -> (WasiFilesystemCtxView<'_>, &mut OpenFiles) {
        if self.wasi.is_none() {
            self.wasi = Some(self.make_wasi());
        }
        let wasi = self.wasi.as_mut().expect("was created above");
        let resources = self.resources.get_or_insert_with(Resources::new);
        let Resources { table, open_files, .. } = &mut **resources;
        (WasiFilesystemCtxView { ctx: wasi.ctx.filesystem(), table }, open_files)
    }

    /// What the guest has of wasi:http.
    pub(super) fn http_mut(&mut self) -> &mut HttpState {
        &mut self.resources().http
    }
}

impl Resources {
    fn new() -> Box<Self> {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let (http_hooks, http_context) = (HttpHooks::default(), wasi_http_03::context());
        let open_files = OpenFiles::default();
        let upstream_calls = UpstreamCalls::default();
        Box::new(Self { table, http: HttpState::default(), http_hooks, http_context, open_files, upstream_calls })
    }
}

/// The WASI context of a guest: no arguments, network or name lookup, and the environment that it was granted. Its random
/// numbers, also those that seed hash tables, are its own. Its directories are given out by the module `files`.
fn context(grants: Option<&Grants>, log: &GuestLog, created: Instant) -> WasiCtx {
    let mut builder = WasiCtxBuilder::new();
    builder
        .stdout(log.stdout())
        .stderr(log.stderr())
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(MAX_RANDOM_BYTES)
        .monotonic_clock(Monotonic(created))
        .wall_clock(Wall);
    for (name, setting) in grants.into_iter().flat_map(|grants| &grants.environment) {
        builder.env(name, &*setting.reveal());
    }
    builder.build()
}

/// The processor time that this process has used.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        if self.wasi.is_none() {
            self.wasi = Some(self.make_wasi());
        }
        let wasi = self.wasi.as_mut().expect("was created above");
        let resources = self.resources.get_or_insert_with(Resources::new);
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut resources.table }
    }
}

impl WasiHttpView for GuestState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let resources = self.resources();
        WasiHttpCtxView {
            hooks: &mut resources.http_hooks,
            table: &mut resources.table,
            ctx: &mut resources.http_context,
        }
    }
}

impl Drop for GuestState {
    fn drop(&mut self) {
        memory_budget::release(self.memory.reserved());
        self.uncount();
    }
}

/// Limits all memories of an instance together. They also count for the memory budget of the server.
pub(super) struct MemoryLimit {
    limit: usize,
    used: usize,
    /// The bytes of its tables, which count for the memory budget.
    tables: usize,
    /// Whether its instance is created and runs.
    has_started: bool,
    refused: Option<Refused>,
}

/// Why a memory could not grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// The option `memory` does not allow it.
    ByLimit,
    /// The memory budget is used up, or the route's share of it.
    ForShortage(MemoryShortage),
}

impl MemoryLimit {
    fn new(limit: usize) -> Self {
        Self { limit, used: 0, tables: 0, has_started: false, refused: None }
    }

    /// The limit, in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The size of the memories, in bytes, whether used or not.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The bytes that are reserved for it in the memory budget.
    fn reserved(&self) -> usize {
        self.used + self.tables
    }

    /// Records that the instance is created and begins to run.
    pub(super) fn has_started(&mut self) {
        self.has_started = true;
    }

    /// The memory shortage that kept it from growing, if that was the reason and not its own limit.
    pub(super) fn shortage(&self) -> Option<MemoryShortage> {
        match self.refused? {
            Refused::ByLimit => None,
            Refused::ForShortage(shortage) => Some(shortage),
        }
    }

    /// A text that says which limit was reached, if one was.
    pub(super) fn explain(&self) -> Option<String> {
        self.refused.map(|bound| match bound {
            Refused::ByLimit => format!("reached its memory limit of {} bytes; ", self.limit),
            Refused::ForShortage(shortage) => format!("was refused memory: {shortage}; "),
        })
    }
}

impl GuestState {
    /// Counts its memory for the route while it has an invocation.
    fn count(&self) {
        if let Some(options) = self.options() {
            options.usage.add(Resource::Memory, self.memory.reserved());
        }
    }

    fn uncount(&self) {
        if let Some(options) = self.options() {
            options.usage.subtract(Resource::Memory, self.memory.reserved());
        }
    }

    /// Counts a returned body for the memory budget until it is sent.
    pub(super) fn count_body(&self, outcome: Outcome) -> Outcome {
        match (outcome, self.options()) {
            (Outcome::Body(body), Some(options)) => Outcome::Body(memory_budget::counted(body, options.memory_owner())),
            (outcome, _) => outcome,
        }
    }

    /// Reserves bytes in the memory budget. Returns false if there are none left.
    fn reserve(&mut self, bytes: usize) -> bool {
        let owner: Option<MemoryOwner<'_>> = self.options().map(Options::memory_owner);
        let started_with = if self.memory.has_started { 0 } else { self.memory.reserved() };
        let mut reserved = memory_budget::reserve(bytes, started_with, owner);
        if reserved == Err(MemoryShortage::Total) {
            // Idle instances of other workers are dropped, because they are worth less than one that runs.
            memory_budget::ask_others();
            drop_unused();
            reserved = memory_budget::reserve(bytes, started_with, owner);
        }
        if let Err(shortage) = reserved {
            self.memory.refused = Some(Refused::ForShortage(shortage));
        }
        reserved.is_ok()
    }
}

impl ResourceLimiter for GuestState {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        if self.memory.used.saturating_add(more) > self.memory.limit {
            self.memory.refused = Some(Refused::ByLimit);
            return Ok(false);
        }
        let granted = self.reserve(more);
        if granted {
            self.memory.used += more;
        }
        Ok(granted)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > MAX_TABLE_ELEMENTS {
            return Ok(false);
        }
        let more = desired.saturating_sub(current) * TABLE_ELEMENT_BYTES;
        let granted = self.reserve(more);
        if granted {
            self.memory.tables += more;
        }
        Ok(granted)
    }
}
