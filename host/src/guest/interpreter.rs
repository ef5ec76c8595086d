//! Scripts: an interpreter prepares one when it is loaded, and answers its requests. It is a component of the world
//! `interpreter`, one for all scripts of a language.

use std::fmt;

use bytes::Bytes;
use wasmtime::component::{Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Lower};

use super::component::{Declaration, call_without_request, check_export, check_preamble, link};
use super::engine::Engine;
use super::grantable_imports::GrantableImports;
use super::load_error::LoadError;
use super::message::{GuestMessage, GuestReply};
use super::prepare::{self, LoadContext, LoadRequest, NotLoaded};
use super::state::GuestState;
use super::types::{GuestDeclaration, GuestStep, Returned};
use super::world::{self, World};
use crate::config::CodeQuality;

/// The name of the world, for messages.
const WORLD: &str = "interpreter";

/// Maximum bytes of a program. It is copied into each instance.
const MAX_PROGRAM_BYTES: usize = 32 * 1024 * 1024;

/// Maximum bytes of what an interpreter says is wrong.
const MAX_MESSAGE_BYTES: usize = 4096;

/// A loaded interpreter.
pub struct Interpreter {
    pub(super) pre: InstancePre<GuestState>,
    pub(super) handle: ComponentExportIndex,
    pub(super) on_request: ComponentExportIndex,
    pub(super) on_response: ComponentExportIndex,
    pub(super) on_message: ComponentExportIndex,
    prepare: ComponentExportIndex,
    pub(super) start_memory: usize,
    pub(super) imports: GrantableImports,
}

/// A function of a script that the host calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Answers a request.
    Handle,
    /// Sees requests, in middleware.
    OnRequest,
    /// Sees responses, in middleware.
    OnResponse,
    /// Answers a message of a WebSocket.
    OnMessage,
}

/// A file of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path in the routes directory.
    pub path: String,
    /// Its bytes.
    pub content: Bytes,
}

/// A script that can run.
#[derive(Debug, Clone, PartialEq)]
pub struct PreparedScript {
    /// What it declares about its route.
    pub declaration: Declaration,
    functions: Vec<Function>,
    pub(super) program: Bytes,
}

/// `source-file`
#[derive(ComponentType, Lower)]
#[component(record)]
struct GuestSourceFile {
    path: String,
    content: Bytes,
}

/// `prepared-script`
#[derive(ComponentType, Lift)]
#[component(record)]
struct GuestPreparedScript {
    declaration: GuestDeclaration,
    functions: Vec<String>,
    program: Bytes,
}

type Prepared = (Result<GuestPreparedScript, String>,);

impl Function {
    const ALL: [Self; 4] = [Self::Handle, Self::OnRequest, Self::OnResponse, Self::OnMessage];

    /// Its name in `wit/world.wit`.
    fn name(self) -> &'static str {
        match self {
            Self::Handle => "handle",
            Self::OnRequest => "on-request",
            Self::OnResponse => "on-response",
            Self::OnMessage => "on-message",
        }
    }
}

impl PreparedScript {
    /// Whether the script has a function.
    #[must_use]
    pub fn has(&self, function: Function) -> bool {
        self.functions.contains(&function)
    }
}

impl Interpreter {
    /// Loads an interpreter.
    ///
    /// # Errors
    /// As [`Loadable::load`](super::Loadable::load).
    pub fn load(engine: &Engine, bytes: &Bytes, context: LoadContext<'_>) -> Result<Self, NotLoaded> {
        let refused = |error| NotLoaded::Refused(vec![error]);
        check_preamble(bytes).map_err(refused)?;
        if world::detect(bytes).map_err(refused)?.world != World::Vibrato {
            return Err(refused(LoadError::NoInterpreter("it is of the world `wasi:http`".to_owned())));
        }
        // It is compiled once for all scripts, and runs each time that one of them changes.
        let code = CodeQuality::Optimized;
        let request = LoadRequest { context, is_handler: true, code };
        let wasm = engine.serial();
        let loaded = prepare::prepare(engine, wasm, bytes, request, |component| {
            let pre = link(wasm, component)?;
            Ok(((pre.clone(), Exports::of(component)?), pre, None))
        })?;
        let ((pre, Exports { handle, on_request, on_response, on_message, prepare }), facts) = loaded;
        let imports = GrantableImports::of(&pre);
        Ok(Self { pre, handle, on_request, on_response, on_message, prepare, start_memory: facts.memory, imports })
    }

    /// Prepares a script, of which `files` has the script itself and then what it can import.
    ///
    /// # Errors
    /// [`LoadError::Script`] with what the interpreter says is wrong, or how it failed.
    pub fn prepare(&self, files: Vec<SourceFile>, context: LoadContext<'_>) -> Result<PreparedScript, LoadError> {
        let LoadContext { name, memory, timeout, .. } = context;
        let state = GuestState::without_request(name.clone(), memory, timeout);
        let files: Vec<_> =
            files.into_iter().map(|SourceFile { path, content }| GuestSourceFile { path, content }).collect();
        let called =
            call_without_request::<_, Prepared>(&self.pre, Some((&self.prepare, (files,))), state, timeout, timeout);
        match called {
            Ok((Some((Ok(script),)), _)) => script.try_into(),
            Ok((Some((Err(message),)), _)) => Err(script_error(&message)),
            Ok((None, _)) => Err(script_error("")),
            Err(failed) if failed.has_started => {
                Err(script_error(&format!("it cannot be prepared: {}", failed.reason)))
            }
            Err(failed) => Err(LoadError::Start(failed.reason)),
        }
    }
}

impl fmt::Debug for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interpreter").finish_non_exhaustive()
    }
}

impl TryFrom<GuestPreparedScript> for PreparedScript {
    type Error = LoadError;

    fn try_from(script: GuestPreparedScript) -> Result<Self, LoadError> {
        let GuestPreparedScript { declaration, functions, program } = script;
        if program.len() > MAX_PROGRAM_BYTES {
            return Err(script_error(&format!("the script has more than {MAX_PROGRAM_BYTES} bytes")));
        }
        let is_there = |function: &Function| functions.iter().any(|name| name == function.name());
        let functions = Function::ALL.into_iter().filter(is_there).collect();
        Ok(Self { declaration: declaration.into(), functions, program })
    }
}

/// The error for a message, whose first line is the mistake. Of the rest, what is too long is left out.
fn script_error(message: &str) -> LoadError {
    let message = message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)].trim_end();
    let (reason, explanation) = message.split_once('\n').unwrap_or((message, ""));
    LoadError::Script { reason: reason.to_owned(), explanation: explanation.to_owned() }
}

/// The exports that the host calls.
struct Exports {
    handle: ComponentExportIndex,
    on_request: ComponentExportIndex,
    on_response: ComponentExportIndex,
    on_message: ComponentExportIndex,
    prepare: ComponentExportIndex,
}

impl Exports {
    fn of(component: &Component) -> Result<Self, Vec<LoadError>> {
        let all = || -> Result<Self, LoadError> {
            let missing = |name: &str| LoadError::NoInterpreter(format!("it does not export `{name}`"));
            Ok(Self {
                handle: check_export::<(), (Returned,)>(component, "handle", WORLD)?
                    .ok_or_else(|| missing("handle"))?,
                on_request: check_export::<(), (GuestStep,)>(component, "on-request", WORLD)?
                    .ok_or_else(|| missing("on-request"))?,
                on_response: check_export::<(), ()>(component, "on-response", WORLD)?
                    .ok_or_else(|| missing("on-response"))?,
                on_message: check_export::<(GuestMessage,), (GuestReply,)>(component, "on-message", WORLD)?
                    .ok_or_else(|| missing("on-message"))?,
                prepare: check_export::<(Vec<GuestSourceFile>,), Prepared>(component, "prepare", WORLD)?
                    .ok_or_else(|| missing("prepare"))?,
            })
        };
        all().map_err(|error| vec![error])
    }
}
