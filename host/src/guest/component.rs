//! Turns the bytes of a `.wasm` into a [`Handler`]: compiles, checks against the world, links, and calls `describe`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Lower};

use super::component_facts::ComponentFacts;
use super::engine::{Engine, EngineError};
use super::grantable_imports::GrantableImports;
use super::imports::NoRequest;
use super::interpreter::{Function, Interpreter, PreparedScript};
use super::limits::Excess;
use super::load_error::LoadError;
use super::message::{GuestMessage, GuestReply};
use super::prepare::{LoadContext, LoadRequest, Loadable, NotLoaded};
use super::state::{Expired, GuestState};
use super::types::{GuestDeclaration, Returned};
use super::wasm_engine::{EngineKind, WasmEngine};
use super::world::{self, HandlerExport, World};
use super::{compile_threads, error_text, instance, limits, missing_imports, prepare, proposals, snapshot};
use crate::options::Value;

/// A loaded component, ready to be called.
pub struct Handler {
    /// Keeps the epochs advancing.
    _engine: Engine,
    pre: InstancePre<GuestState>,
    world: World,
    handle: ComponentExportIndex,
    on_message: Option<ComponentExportIndex>,
    declaration: Option<Declaration>,
    has_frozen_random: bool,
    start_memory: usize,
    imports: GrantableImports,
    /// What the instances of an interpreter run. `None` if the component is no interpreter.
    program: Option<Bytes>,
    /// Unique in this process.
    number: u64,
}

/// What a component declares about its own route, as the component returned it and not yet checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Declaration {
    /// Path patterns.
    pub paths: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Options.
    pub options: Vec<(String, Value)>,
}

impl Loadable for Handler {
    fn load(engine: &Engine, bytes: &Bytes, context: LoadContext<'_>) -> Result<Self, NotLoaded> {
        let request = LoadRequest { context, is_handler: true, code: engine.code_quality() };
        let export = world_of(bytes)?;
        let wasm = engine.of(EngineKind::of(export.world)).map_err(|error| no_engine(&export, &error))?;
        let loaded = prepare::prepare(engine, wasm, bytes, request, |component| {
            let exports = HandlerExports::of(wasm, component, &export)?;
            let pre = link(wasm, component)?;
            let describe = exports.describe;
            Ok(((pre.clone(), exports), pre, describe))
        })?;
        let ((pre, HandlerExports { handle, on_message, .. }), ComponentFacts { declaration, memory }) = loaded;
        let has_frozen_random = snapshot::has_frozen_random(bytes);
        let imports = GrantableImports::of(&pre);
        Ok(Self {
            _engine: engine.clone(),
            pre,
            world: export.world,
            handle,
            on_message,
            declaration,
            has_frozen_random,
            start_memory: memory,
            imports,
            program: None,
            number: next_number(),
        })
    }

    fn of_script(engine: &Engine, interpreter: &Interpreter, script: PreparedScript) -> Result<Self, LoadError> {
        if !script.has(Function::Handle) {
            return Err(LoadError::NoScriptHandler);
        }
        let on_message = script.has(Function::OnMessage).then_some(interpreter.on_message);
        Ok(Self {
            _engine: engine.clone(),
            pre: interpreter.pre.clone(),
            world: World::Vibrato,
            handle: interpreter.handle,
            on_message,
            declaration: Some(script.declaration),
            has_frozen_random: false,
            start_memory: interpreter.start_memory,
            imports: interpreter.imports.clone(),
            program: Some(script.program),
            number: next_number(),
        })
    }
}

impl Handler {
    /// What the instances of an interpreter run.
    pub(super) fn program(&self) -> Option<&Bytes> {
        self.program.as_ref()
    }

    /// Whether it is a script, which an interpreter runs.
    #[must_use]
    pub fn is_script(&self) -> bool {
        self.program.is_some()
    }

    /// Whether its random numbers were fixed when it was built, so that every instance has the same.
    #[must_use]
    pub fn has_frozen_random(&self) -> bool {
        self.has_frozen_random
    }

    /// Its imports that need a grant.
    #[must_use]
    pub fn imports(&self) -> &GrantableImports {
        &self.imports
    }

    /// Bytes of its memories after its start. A route with a smaller option `memory` cannot serve.
    #[must_use]
    pub fn start_memory(&self) -> usize {
        self.start_memory
    }

    /// What the component declares about its route. `None` if it declares nothing.
    #[must_use]
    pub fn declaration(&self) -> Option<&Declaration> {
        self.declaration.as_ref()
    }

    /// The world that it is built for.
    #[must_use]
    pub fn world(&self) -> World {
        self.world
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

    /// Its id, unique in this process.
    #[must_use]
    pub fn id(&self) -> u64 {
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

/// The id of the next handler.
fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Compiles a component.
pub(super) fn compile(engine: &WasmEngine, bytes: &[u8]) -> Result<Component, Vec<LoadError>> {
    compile_threads::prepare().map_err(|error| vec![LoadError::Threads(error.to_string())])?;
    let component = Component::from_binary(engine.wasmtime(), bytes);
    component.map_err(|error| vec![compile_error(bytes, engine.kind(), &error)])
}

/// The error for a component that cannot be compiled or does not fit into the engine's pool.
pub(super) fn compile_error(bytes: &[u8], kind: EngineKind, error: &wasmtime::Error) -> LoadError {
    let message = error_text::chain(error);
    if let Some(Excess { what, has, max: most }) = limits::excess(&message) {
        return LoadError::Limit { what, has, most };
    }
    proposals::refused(bytes, kind).map_or(LoadError::Broken(message), LoadError::Proposal)
}

/// Links a component to the host functions.
pub(super) fn link(engine: &WasmEngine, component: &Component) -> Result<InstancePre<GuestState>, Vec<LoadError>> {
    engine.linker().instantiate_pre(component).map_err(|error| missing_imports::explain(engine, component, &error))
}

/// Starts an instance of a component and calls `describe` if it is given. Gives up after `wall`; `timeout` is the limit
/// in `state`, for the error message.
pub(super) fn start(
    pre: &InstancePre<GuestState>,
    describe: Option<&ComponentExportIndex>,
    state: GuestState,
    timeout: Duration,
    wall: Duration,
) -> Result<ComponentFacts, LoadError> {
    match call_without_request::<(), (GuestDeclaration,)>(
        pre,
        describe.map(|export| (export, ())),
        state,
        timeout,
        wall,
    ) {
        Ok((declaration, memory)) => {
            Ok(ComponentFacts { declaration: declaration.map(|(declaration,)| declaration.into()), memory })
        }
        // Start functions that read the request fail here and may succeed during a request, so their memory is unknown.
        Err(failed) if failed.needs_request && !failed.has_started && describe.is_none() => {
            Ok(ComponentFacts::default())
        }
        Err(StartFailure { has_started: true, reason, .. }) => Err(LoadError::Describe(reason)),
        Err(StartFailure { reason, .. }) => Err(LoadError::Start(reason)),
    }
}

/// Why an instance that has no request failed.
pub(super) struct StartFailure {
    /// Whether it was started, and failed in the function that was called.
    pub(super) has_started: bool,
    /// Whether it has asked for the request.
    needs_request: bool,
    pub(super) reason: String,
}

/// Starts an instance that has no request, and calls `export` if it is given. Returns the result and the bytes of its
/// memories after its start. See [`start`] for the limits.
pub(super) fn call_without_request<P, R>(
    pre: &InstancePre<GuestState>,
    export: Option<(&ComponentExportIndex, P)>,
    state: GuestState,
    timeout: Duration,
    wall: Duration,
) -> Result<(Option<R>, usize), StartFailure>
where
    P: ComponentNamedList + Lower + Send + Sync + 'static,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let no_runtime =
        |error: std::io::Error| StartFailure { has_started: false, needs_request: false, reason: error.to_string() };
    let runtime = runtime.map_err(no_runtime)?;
    let mut store = instance::store(pre.engine(), state);
    let mut memory = None;
    let called: wasmtime::Result<Option<R>> = runtime.block_on(async {
        let call = async {
            let instance = pre.instantiate_async(&mut store).await?;
            memory = Some(store.data().memory.used());
            let Some((export, parameters)) = export else { return Ok(None) };
            let function = instance.get_typed_func::<P, R>(&mut store, export)?;
            Ok(Some(function.call_async(&mut store, parameters).await?))
        };
        tokio::time::timeout(wall, call).await.unwrap_or_else(|_| Err(Expired.into()))
    });
    store.data_mut().finish_log();
    let error = match called {
        Ok(returned) => return Ok((returned, memory.unwrap_or_default())),
        Err(error) => error,
    };
    let reason = match error.is::<Expired>() {
        true => format!("it took longer than {timeout:?}"),
        false => store.data().memory.explain().unwrap_or_default() + &error_text::cause(&error),
    };
    Err(StartFailure { has_started: memory.is_some(), needs_request: error.is::<NoRequest>(), reason })
}

/// The index of the export `describe`, if there is one.
pub(super) fn describe_index(
    engine: &WasmEngine,
    component: &Component,
    export: &HandlerExport,
) -> Result<Option<ComponentExportIndex>, Vec<LoadError>> {
    HandlerExports::of(engine, component, export).map(|exports| exports.describe)
}

/// Finds the world of a component.
pub(super) fn world_of(bytes: &[u8]) -> Result<HandlerExport, NotLoaded> {
    check_preamble(bytes).and_then(|()| world::detect(bytes)).map_err(|error| NotLoaded::Refused(vec![error]))
}

/// Why there is no engine for a component.
fn no_engine(export: &HandlerExport, error: &EngineError) -> NotLoaded {
    NotLoaded::Refused(vec![match error {
        EngineError::SwitchedOff => LoadError::SwitchedOff { export: error_text::quoted(&export.name) },
        EngineError::Engine(_) | EngineError::Thread(_) => LoadError::NoEngine(error.to_string()),
    }])
}

/// The exports that the host calls.
struct HandlerExports {
    handle: ComponentExportIndex,
    describe: Option<ComponentExportIndex>,
    on_message: Option<ComponentExportIndex>,
}

impl HandlerExports {
    /// Finds the exports. The errors name each missing or mistyped export, and each missing import.
    fn of(engine: &WasmEngine, component: &Component, export: &HandlerExport) -> Result<Self, Vec<LoadError>> {
        match export.world {
            World::Vibrato => Self::of_vibrato(engine, component),
            World::WasiHttp02 | World::WasiHttp03 => Self::of_wasi_http(component, &export.name),
        }
    }

    /// Finds the function of an interface of wasi:http. Its type is checked when it is linked and started.
    fn of_wasi_http(component: &Component, interface: &str) -> Result<Self, Vec<LoadError>> {
        let handle = component
            .get_export(None, interface)
            .and_then(|(_, index)| component.get_export(Some(&index), "handle"))
            .filter(|(item, _)| matches!(item, ComponentItem::ComponentFunc(_)));
        match handle {
            Some((_, handle)) => Ok(Self { handle, describe: None, on_message: None }),
            None => Err(vec![LoadError::NoWasiHttpHandle { interface: error_text::quoted(interface) }]),
        }
    }

    fn of_vibrato(engine: &WasmEngine, component: &Component) -> Result<Self, Vec<LoadError>> {
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

/// Checks the preamble. A core module and a component differ in the version that follows the magic number.
pub(super) fn check_preamble(bytes: &[u8]) -> Result<(), LoadError> {
    match bytes.strip_prefix(b"\0asm") {
        None => Err(LoadError::NotWasm),
        Some([1, 0, 0, 0, ..]) => Err(LoadError::CoreModule),
        Some(_) => Ok(()),
    }
}

/// Finds an exported function and checks its type.
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
        return Err(LoadError::ExportType { name, world, reason: "it is not a function".to_owned() });
    };
    let component = component.component_type();
    let typed = function.typecheck::<P, R>(&component.instance_type());
    typed.map_err(|error| LoadError::ExportType { name, world, reason: error_text::chain(&error) })?;
    Ok(Some(index))
}

/// Maximum number of exports that an error names.
const MAX_NAMED_EXPORTS: usize = 16;

/// What a component exports, as text.
pub(super) fn exports(engine: &WasmEngine, component: &Component) -> String {
    let component = component.component_type();
    let mut names: Vec<&str> = component.exports(engine.wasmtime()).map(|(name, _)| name).collect();
    // Sort, because the order in the file is chosen by the linker.
    names.sort_unstable();
    let is = |wanted: fn(&str) -> bool| names.iter().any(|name| wanted(name));
    let kind = if is(|name| name.starts_with("wasi:http/")) {
        ": a handler of wasi:http, whose file's name does not begin with `_`"
    } else if is(|name| ["on-request", "on-response"].contains(&name)) {
        ": a middleware, whose file's name begins with `_`"
    } else {
        ""
    };
    let named: Vec<String> =
        names.iter().take(MAX_NAMED_EXPORTS).map(|name| format!("`{}`", error_text::quoted(name))).collect();
    let more = match names.len().saturating_sub(MAX_NAMED_EXPORTS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if names.is_empty() {
        "it exports nothing".to_owned()
    } else {
        format!("it exports {}{more}{kind}", named.join(", "))
    }
}
