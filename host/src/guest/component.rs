//! From the bytes of a `.wasm` to a [`Handler`]: compile, compare with the world, link, ask it to describe itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Lower};

use super::engine::Engine;
use super::imports::VERSION;
use super::limits::Excess;
use super::message::{GuestMessage, GuestReply};
use super::state::{Expired, State};
use super::types::{GuestDeclaration, Returned};
use super::{compile_threads, instance, limits, missing, proposals, report, snapshot};
use crate::options::Value;

/// A loaded component, ready to be called.
pub struct Handler {
    engine: Engine,
    pre: InstancePre<State>,
    handle: ComponentExportIndex,
    on_message: Option<ComponentExportIndex>,
    declaration: Option<Declaration>,
    has_frozen_random: bool,
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
    /// `describe` trapped or took too long.
    #[error("its `describe` failed: {0}")]
    Describe(String),
}

impl LoadError {
    /// Whether it may be gone without a change of the file.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Threads(_))
    }

    /// What the author or the operator can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
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
            Self::Describe(_) => "`describe` must return at once and need nothing of a request",
        }
    }
}

impl Handler {
    /// Loads a component. `name` is for its log lines; `memory` and `timeout` bound its `describe`.
    ///
    /// This compiles, and so takes from milliseconds to many seconds: not for a thread that serves.
    ///
    /// # Errors
    /// Everything that is wrong with it: see [`LoadError`].
    pub fn load(
        engine: &Engine,
        name: &Arc<str>,
        bytes: &[u8],
        memory: usize,
        timeout: Duration,
    ) -> Result<Self, Vec<LoadError>> {
        let component = compile(engine, bytes)?;
        let Exports { handle, describe, on_message } = Exports::of(engine, &component)?;
        let pre = link(engine, &component)?;
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let state = State::alone(name.clone(), memory, timeout);
        let declaration = describe.map(|export| self::describe(engine, &pre, &export, state, timeout));
        let declaration = declaration.transpose().map_err(|error| vec![error])?;
        let has_frozen_random = snapshot::has_frozen_random(bytes);
        Ok(Self { engine: engine.clone(), pre, handle, on_message, declaration, has_frozen_random, number })
    }

    /// Whether its random numbers are those of its build, the same in every instance.
    #[must_use]
    pub fn has_frozen_random(&self) -> bool {
        self.has_frozen_random
    }

    /// What the component says of its route, if it does.
    #[must_use]
    pub fn declaration(&self) -> Option<&Declaration> {
        self.declaration.as_ref()
    }

    pub(super) fn engine(&self) -> &wasmtime::Engine {
        self.engine.wasmtime()
    }

    pub(super) fn pre(&self) -> &InstancePre<State> {
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
    check_preamble(bytes).map_err(|error| vec![error])?;
    compile_threads::prepare().map_err(|error| vec![LoadError::Threads(error.to_string())])?;
    let component = Component::from_binary(engine.wasmtime(), bytes);
    component.map_err(|error| vec![refused(bytes, &error)])
}

/// Why a component cannot be compiled.
fn refused(bytes: &[u8], error: &wasmtime::Error) -> LoadError {
    let said = report::chain(error);
    if let Some(Excess { what, has, most }) = limits::excess(&said) {
        return LoadError::Limit { what, has, most };
    }
    proposals::refused(bytes).map_or(LoadError::Broken(said), LoadError::Proposal)
}

/// Gives a component what it imports.
pub(super) fn link(engine: &Engine, component: &Component) -> Result<InstancePre<State>, Vec<LoadError>> {
    engine.linker().instantiate_pre(component).map_err(|error| missing::explain(engine, component, &error))
}

/// Asks a component to describe itself.
pub(super) fn describe(
    engine: &Engine,
    pre: &InstancePre<State>,
    export: &ComponentExportIndex,
    state: State,
    timeout: Duration,
) -> Result<Declaration, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| LoadError::Describe(error.to_string()))?;
    let mut store = instance::store(engine.wasmtime(), state);
    let called = runtime.block_on(async {
        let call = async {
            let instance = pre.instantiate_async(&mut store).await?;
            let describe = instance.get_typed_func::<(), (GuestDeclaration,)>(&mut store, export)?;
            describe.call_async(&mut store, ()).await
        };
        tokio::time::timeout(timeout, call).await.unwrap_or_else(|_| Err(Expired.into()))
    });
    match called {
        Ok((declaration,)) => Ok(declaration.into()),
        Err(error) if error.is::<Expired>() => Err(LoadError::Describe(format!("it took longer than {timeout:?}"))),
        Err(error) => {
            let limit = store.data().memory.explain().unwrap_or_default();
            Err(LoadError::Describe(limit + &report::cause(&error)))
        }
    }
}

/// The exports that a host calls.
struct Exports {
    handle: ComponentExportIndex,
    describe: Option<ComponentExportIndex>,
    on_message: Option<ComponentExportIndex>,
}

impl Exports {
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
                errors.extend(missing::imports(engine, component));
                Err(errors)
            }
        }
    }
}

/// A core module and a component differ in the version that follows the magic number.
fn check_preamble(bytes: &[u8]) -> Result<(), LoadError> {
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
    typed.map_err(|error| LoadError::ExportType { name, world, reason: report::chain(&error) })?;
    Ok(Some(index))
}

/// What a component exports, in words.
pub(super) fn exports(engine: &Engine, component: &Component) -> String {
    let mut names: Vec<String> =
        component.component_type().exports(engine.wasmtime()).map(|(name, _)| format!("`{name}`")).collect();
    // Their order in the file is the linker's.
    names.sort();
    if names.iter().any(|name| name.starts_with("`wasi:http/")) {
        return format!("it exports {}: a handler for `wasmtime serve`, not for this host", names.join(", "));
    }
    if names.iter().any(|name| ["`on-request`", "`on-response`"].contains(&name.as_str())) {
        return format!("it exports {}: a middleware, whose file's name begins with `_`", names.join(", "));
    }
    if names.is_empty() { "it exports nothing".to_owned() } else { format!("it exports {}", names.join(", ")) }
}
