//! From the bytes of a `.wasm` to a [`Handler`]: compile, compare with the world, link, ask it to describe itself.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Lower};

use super::component_facts::ComponentFacts;
use super::engine::Engine;
use super::imports::{NoRequest, VERSION};
use super::limits::Excess;
use super::load_attempt::Effort;
use super::message::{GuestMessage, GuestReply};
use super::prepare::{LoadRequest, NotLoaded};
use super::state::{Expired, GuestState};
use super::types::{GuestDeclaration, Returned};
use super::{compile_threads, error_text, instance, limits, missing_imports, prepare, proposals, snapshot};
use crate::options::Value;

/// A loaded component, ready to be called.
pub struct Handler {
    engine: Engine,
    pre: InstancePre<GuestState>,
    handle: ComponentExportIndex,
    on_message: Option<ComponentExportIndex>,
    declaration: Option<Declaration>,
    has_frozen_random: bool,
    start_memory: usize,
    /// No other handler of the process has it.
    number: u64,
}

/// What a component says of its own route. It is as the component gave it, unchecked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Declaration {
    /// Path patterns.
    pub paths: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Options.
    pub options: Vec<(String, Value)>,
}

/// Why a `.wasm` is no handler. Each says what is wrong; [`LoadError::remedy`] says what to do.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file is no WebAssembly at all.
    #[error("it is not WebAssembly: it does not begin with `\\0asm`")]
    NotWasm,
    /// A core module.
    #[error("it is a core WebAssembly module, not a component")]
    CoreModule,
    /// The binary is broken.
    #[error("it cannot be compiled: {0}")]
    Broken(String),
    /// The system lets no thread be started to compile it by.
    #[error("no thread can be started to compile it: {0}")]
    Threads(String),
    /// It uses proposals that this host has off.
    #[error("it uses what this host does not support: {0}")]
    Proposal(String),
    /// It has too much of something.
    #[error("it has {has} {what}; {most} is the most that this host allows")]
    Limit {
        /// What it has too much of.
        what: &'static str,
        /// How much it has.
        has: u64,
        /// How much it may have.
        most: u64,
    },
    /// It needs what this host does not provide.
    #[error("it imports `{import}`, which this host does not provide{provided}")]
    Import {
        /// The name of the import, with its version.
        import: String,
        /// What the host has instead, or nothing.
        provided: String,
    },
    /// It needs a function that the host's version of an interface does not have.
    #[error("it imports the function `{function}` of `{interface}`; this host has version {VERSION} without it")]
    Function {
        /// The function's name.
        function: String,
        /// The interface, with the component's version of it.
        interface: String,
    },
    /// An import's type differs.
    #[error("its imports do not match the world `vibrato:handler/handler@{VERSION}`: {0}")]
    ImportType(String),
    /// It exports nothing of a middleware.
    #[error(
        "it exports neither the function `on-request` nor `on-response` of the world \
         `vibrato:handler/middleware@{VERSION}`; {found}"
    )]
    NoMiddleware {
        /// What it exports, in words.
        found: String,
    },
    /// It does not export `handle`.
    #[error("it does not export the function `handle` of the world `vibrato:handler/handler@{VERSION}`; {found}")]
    NoHandle {
        /// What it exports, in words.
        found: String,
    },
    /// It exports something else under that name.
    #[error("its export `{name}` is not the function of the world `vibrato:handler/{world}@{VERSION}`: {reason}")]
    ExportType {
        /// The export.
        name: &'static str,
        /// The world that has it.
        world: &'static str,
        /// How it differs.
        reason: String,
    },
    /// Compiling it passed a limit of the operator's.
    #[error("compiling it takes more than {limit}")]
    Costly {
        /// The limit, in words.
        limit: String,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// The process that compiled it has ended.
    #[error("compiling it has ended the process that does it: {0}")]
    Crashed(String),
    /// No process can be started.
    #[error("no process or thread can be started to compile it: {0}")]
    NoProcess(String),
    /// What runs of it before anything is called trapped, took too long, or asked for more than it may have.
    #[error("it cannot be started: {0}")]
    Start(String),
    /// The process in which it started has ended.
    #[error("starting it has ended the process that does it: {0}")]
    StartCrashed(String),
    /// `describe` trapped or took too long.
    #[error("its `describe` failed: {0}")]
    Describe(String),
}

impl LoadError {
    /// Whether it may be gone without a change of the file.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Threads(_) | Self::NoProcess(_))
    }

    /// What the author or the operator can do.
    #[must_use]
    pub fn remedy(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Costly { flag, .. } => {
                return format!("make it smaller or simpler; if the host is to spend more on it, raise `{flag}`")
                    .into();
            }
            Self::NotWasm => "put only components into the routes directory; was the file copied or built completely?",
            Self::CoreModule => {
                "build it for the target `wasm32-wasip2`, or make a component of it with `wasm-tools component new`"
            }
            Self::Broken(_) => "build or copy the file again: it is truncated, damaged, or newer than this host",
            Self::Threads(_) => "let the host start more threads (`ulimit -u`, or `pids.max` of its cgroup)",
            Self::Proposal(_) => {
                "build it for `wasm32-wasip2` without these proposals of WebAssembly: leave out the flags of the compiler \
                 that turn them on, and lift functions without `async`"
            }
            Self::Limit { .. } => "make the component smaller, or of fewer parts: this limit is fixed",
            Self::Import { .. } | Self::ImportType(_) => {
                "build it against the `wit/world.wit` of this host, and use no interface beyond it and WASI 0.2's \
                 cli, clocks, filesystem, io, random and sockets"
            }
            Self::Function { .. } => {
                "use a newer host, or build it against the `wit/world.wit` of this one: Python and JavaScript import \
                 every function of that, called or not"
            }
            Self::NoHandle { .. } | Self::ExportType { .. } => {
                "build it against the `wit/world.wit` of this host; in Rust, put `#[handler]` of guest-sdk on a function"
            }
            Self::NoMiddleware { .. } => {
                "build it against the `wit/world.wit` of this host; in Rust, put `#[on_request]` or `#[on_response]` of \
                 guest-sdk on a function; a handler's file has a name without `_`"
            }
            Self::Crashed(_) | Self::StartCrashed(_) => {
                "report it as a defect of the host, with this file; nothing else is affected by it"
            }
            Self::NoProcess(_) => "let the host start more processes; it is tried again",
            Self::Start(_) => {
                "what runs before `handle` must end by itself, within the route's `timeout` and `memory`: raise them in \
                 `NAME.toml`, or let the component begin with less"
            }
            Self::Describe(_) => "`describe` must return at once and need nothing of a request",
        })
    }
}

impl Handler {
    /// Loads a component, with `effort`. `name` is for its log lines; `memory` and `timeout` bound its start and its
    /// `describe`.
    ///
    /// This may compile, and so takes from milliseconds to many seconds: not for a thread that serves.
    ///
    /// # Errors
    /// Everything that is wrong with it: see [`LoadError`]; or that it was not to be compiled, or was stopped.
    pub fn load(
        engine: &Engine,
        name: &Arc<str>,
        bytes: &Bytes,
        memory: usize,
        timeout: Duration,
        effort: &Effort,
    ) -> Result<Self, NotLoaded> {
        let asked = LoadRequest { name, is_handler: true, memory, timeout };
        let loaded = prepare::prepare(engine, bytes, asked, effort, |component| {
            let exports = HandlerExports::of(engine, component)?;
            let pre = link(engine, component)?;
            let describe = exports.describe;
            Ok(((pre.clone(), exports), pre, describe))
        })?;
        let ((pre, HandlerExports { handle, on_message, .. }), ComponentFacts { declaration, memory }) = loaded;
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let has_frozen_random = snapshot::has_frozen_random(bytes);
        let engine = engine.clone();
        Ok(Self { engine, pre, handle, on_message, declaration, has_frozen_random, start_memory: memory, number })
    }

    /// Whether its random numbers are those of its build, the same in every instance.
    #[must_use]
    pub fn has_frozen_random(&self) -> bool {
        self.has_frozen_random
    }

    /// The bytes that its memories take once it has started; a route with less `memory` cannot serve.
    #[must_use]
    pub fn start_memory(&self) -> usize {
        self.start_memory
    }

    /// What the component says of its route, if it does.
    #[must_use]
    pub fn declaration(&self) -> Option<&Declaration> {
        self.declaration.as_ref()
    }

    pub(super) fn engine(&self) -> &wasmtime::Engine {
        self.engine.wasmtime()
    }

    pub(super) fn pre(&self) -> &InstancePre<GuestState> {
        &self.pre
    }

    pub(super) fn handle_index(&self) -> &ComponentExportIndex {
        &self.handle
    }

    pub(super) fn on_message_index(&self) -> Option<&ComponentExportIndex> {
        self.on_message.as_ref()
    }

    /// Its number. No other handler of the process has it.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handler").field("declaration", &self.declaration).finish_non_exhaustive()
    }
}

impl From<GuestDeclaration> for Declaration {
    fn from(declared: GuestDeclaration) -> Self {
        Self {
            paths: declared.paths,
            methods: declared.methods,
            options: declared.options.into_iter().map(|(name, value)| (name, value.into())).collect(),
        }
    }
}

/// Compiles a component.
pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, Vec<LoadError>> {
    compile_threads::prepare().map_err(|error| vec![LoadError::Threads(error.to_string())])?;
    let component = Component::from_binary(engine.wasmtime(), bytes);
    component.map_err(|error| vec![refused(bytes, &error)])
}

/// Why a component cannot be compiled, or the engine has no room for it.
pub(super) fn refused(bytes: &[u8], error: &wasmtime::Error) -> LoadError {
    let said = error_text::chain(error);
    if let Some(Excess { what, has, most }) = limits::excess(&said) {
        return LoadError::Limit { what, has, most };
    }
    proposals::refused(bytes).map_or(LoadError::Broken(said), LoadError::Proposal)
}

/// Gives a component what it imports.
pub(super) fn link(engine: &Engine, component: &Component) -> Result<InstancePre<GuestState>, Vec<LoadError>> {
    engine.linker().instantiate_pre(component).map_err(|error| missing_imports::explain(engine, component, &error))
}

/// Starts an instance of a component, and asks it to describe itself where it can. Past `wall` it is given up; `timeout` is
/// what its state allows it.
pub(super) fn start(
    engine: &Engine,
    pre: &InstancePre<GuestState>,
    describe: Option<&ComponentExportIndex>,
    state: GuestState,
    timeout: Duration,
    wall: Duration,
) -> Result<ComponentFacts, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| LoadError::Start(error.to_string()))?;
    let mut store = instance::store(engine.wasmtime(), state);
    let mut memory = None;
    let called = runtime.block_on(async {
        let call = async {
            let instance = pre.instantiate_async(&mut store).await?;
            memory = Some(store.data().memory.used());
            let Some(describe) = describe else { return Ok(None) };
            let describe = instance.get_typed_func::<(), (GuestDeclaration,)>(&mut store, describe)?;
            Ok(Some(describe.call_async(&mut store, ()).await?.0))
        };
        tokio::time::timeout(wall, call).await.unwrap_or_else(|_| Err(Expired.into()))
    });
    let error: wasmtime::Error = match called {
        Ok(declaration) => {
            return Ok(ComponentFacts {
                declaration: declaration.map(Declaration::from),
                memory: memory.unwrap_or_default(),
            });
        }
        Err(error) => error,
    };
    // A start that asks for the request finds one where there is one: what it takes is not known.
    if memory.is_none() && describe.is_none() && error.is::<NoRequest>() {
        return Ok(ComponentFacts::default());
    }
    let reason = match error.is::<Expired>() {
        true => format!("it took longer than {timeout:?}"),
        false => store.data().memory.explain().unwrap_or_default() + &error_text::cause(&error),
    };
    store.data_mut().finish_log();
    Err(if memory.is_some() { LoadError::Describe(reason) } else { LoadError::Start(reason) })
}

/// The `describe` of a handler, if it has one.
pub(super) fn describe_index(
    engine: &Engine,
    component: &Component,
) -> Result<Option<ComponentExportIndex>, Vec<LoadError>> {
    HandlerExports::of(engine, component).map(|exports| exports.describe)
}

/// The exports that a host calls.
struct HandlerExports {
    handle: ComponentExportIndex,
    describe: Option<ComponentExportIndex>,
    on_message: Option<ComponentExportIndex>,
}

impl HandlerExports {
    /// Finds them; where one is missing or is another, says so, and which imports the host does not have either.
    fn of(engine: &Engine, component: &Component) -> Result<Self, Vec<LoadError>> {
        let mut errors = Vec::new();
        let mut found = |export| match export {
            Ok(index) => index,
            Err(error) => {
                errors.push(error);
                None
            }
        };
        let handle = check_export::<(), (Returned,)>(component, "handle", "handler");
        let handle = found(handle.and_then(|handle| match handle {
            Some(handle) => Ok(Some(handle)),
            None => Err(LoadError::NoHandle { found: exports(engine, component) }),
        }));
        let describe = found(check_export::<(), (GuestDeclaration,)>(component, "describe", "handler-described"));
        let on_message = check_export::<(GuestMessage,), (GuestReply,)>(component, "on-message", "websocket");
        let on_message = found(on_message);
        match handle.filter(|_| errors.is_empty()) {
            Some(handle) => Ok(Self { handle, describe, on_message }),
            None => {
                errors.extend(missing_imports::imports(engine, component));
                Err(errors)
            }
        }
    }
}

/// A core module and a component differ in the version that follows the magic number.
pub(super) fn check_preamble(bytes: &[u8]) -> Result<(), LoadError> {
    match bytes.strip_prefix(b"\0asm") {
        None => Err(LoadError::NotWasm),
        Some([1, 0, 0, 0, ..]) => Err(LoadError::CoreModule),
        Some(_) => Ok(()),
    }
}

/// Finds a function among the exports and compares its type.
pub(super) fn check_export<P, R>(
    component: &Component,
    name: &'static str,
    world: &'static str,
) -> Result<Option<ComponentExportIndex>, LoadError>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let Some((item, index)) = component.get_export(None, name) else { return Ok(None) };
    let ComponentItem::ComponentFunc(function) = item else {
        return Err(LoadError::ExportType { name, world, reason: "it is no function".to_owned() });
    };
    let component = component.component_type();
    let typed = function.typecheck::<P, R>(&component.instance_type());
    typed.map_err(|error| LoadError::ExportType { name, world, reason: error_text::chain(&error) })?;
    Ok(Some(index))
}

/// The most exports that are named.
const MAX_NAMED: usize = 16;

/// What a component exports, in words.
pub(super) fn exports(engine: &Engine, component: &Component) -> String {
    let component = component.component_type();
    let mut names: Vec<&str> = component.exports(engine.wasmtime()).map(|(name, _)| name).collect();
    // Their order in the file is the linker's.
    names.sort_unstable();
    let is = |wanted: fn(&str) -> bool| names.iter().any(|name| wanted(name));
    let kind = if is(|name| name.starts_with("wasi:http/")) {
        ": a handler for `wasmtime serve`, not for this host"
    } else if is(|name| ["on-request", "on-response"].contains(&name)) {
        ": a middleware, whose file's name begins with `_`"
    } else {
        ""
    };
    let named: Vec<String> =
        names.iter().take(MAX_NAMED).map(|name| format!("`{}`", error_text::quoted(name))).collect();
    let more = match names.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if names.is_empty() {
        "it exports nothing".to_owned()
    } else {
        format!("it exports {}{more}{kind}", named.join(", "))
    }
}
