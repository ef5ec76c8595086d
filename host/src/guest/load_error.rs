//! Why a `.wasm` cannot be loaded, and what its author or the operator can do about it.

use std::borrow::Cow;

use thiserror::Error;

use super::imports::VERSION;

/// Why a component was refused. The message says what is wrong; [`LoadError::remedy`] says what to do.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file is not WebAssembly.
    #[error("it is not WebAssembly: it does not begin with `\\0asm`")]
    NotWasm,
    /// The file is a core module.
    #[error("it is a core WebAssembly module, not a component")]
    CoreModule,
    /// The binary is invalid.
    #[error("it cannot be compiled: {0}")]
    Broken(String),
    /// The system refused to start a compiler thread.
    #[error("no thread can be started to compile it: {0}")]
    Threads(String),
    /// It uses WebAssembly proposals that this host disables.
    #[error("it uses WebAssembly proposals that this host does not support: {0}")]
    Proposal(String),
    /// It exceeds a fixed limit.
    #[error("it has {has} {what}; this host allows at most {most}")]
    Limit {
        /// What exceeds the limit.
        what: &'static str,
        /// How much it has.
        has: u64,
        /// How much is allowed.
        most: u64,
    },
    /// It has an import that this host does not provide.
    #[error("it imports `{import}`, which this host does not provide{provided}")]
    Import {
        /// The import's name and version.
        import: String,
        /// Empty, or what the host provides instead.
        provided: String,
    },
    /// It imports a function that the host's version of the interface does not have.
    #[error("it imports the function `{function}` of `{interface}`; this host has version {VERSION} without it")]
    Function {
        /// The function's name.
        function: String,
        /// The interface and the version that the component wants.
        interface: String,
    },
    /// The type of an import differs.
    #[error("its imports do not match the world `vibrato:handler/handler@{VERSION}`: {0}")]
    ImportType(String),
    /// The interpreter says what is wrong with a script.
    #[error("{reason}")]
    Script {
        /// The mistake, with file and line.
        reason: String,
        /// Empty, or the lines that led there.
        explanation: String,
    },
    /// It is no interpreter of scripts.
    #[error("it is no interpreter of scripts; {0}")]
    NoInterpreter(String),
    /// A script has no handler.
    #[error("the script has no handler")]
    NoScriptHandler,
    /// A script has no function of a middleware.
    #[error("the script has no function of a middleware")]
    NoScriptMiddleware,
    /// It exports none of the functions of a middleware.
    #[error(
        "it exports neither the function `on-request` nor `on-response` of the world \
         `vibrato:handler/middleware@{VERSION}`; {found}"
    )]
    NoMiddleware {
        /// What it exports, as text.
        found: String,
    },
    /// It exports handlers of several worlds.
    #[error("it exports handlers of several worlds: {exports}")]
    SeveralWorlds {
        /// The exports, as text.
        exports: String,
    },
    /// Its handler is of a version of wasi:http that was never released.
    #[error("its handler `{export}` is of a release candidate of wasi:http, which differs from every release")]
    PreRelease {
        /// The export.
        export: String,
    },
    /// Its handler is of a version of wasi:http that this host does not serve.
    #[error("its handler `{export}` is of a version of wasi:http that this host does not serve: it has 0.2 and 0.3")]
    UnsupportedWorld {
        /// The export.
        export: String,
    },
    /// Its handler is of wasi:http 0.3, and the operator serves none.
    #[error("its handler `{export}` is of wasi:http 0.3, which `--wasi-http-03 off` does not serve")]
    SwitchedOff {
        /// The export.
        export: String,
    },
    /// There is no engine that could run it.
    #[error("there is no engine for components of wasi:http 0.3: {0}")]
    NoEngine(String),
    /// Its interface of wasi:http has no `handle`.
    #[error("its export `{interface}` has no function `handle`")]
    NoWasiHttpHandle {
        /// The export.
        interface: String,
    },
    /// It is a command.
    #[error("it is a command, which runs once and ends: it exports `{export}` and no handler")]
    Command {
        /// The export.
        export: String,
    },
    /// It has types and no code.
    #[error("it is a package of WIT: it has types and no code")]
    WitPackage,
    /// It does not export `handle`.
    #[error("it does not export the function `handle` of the world `vibrato:handler/handler@{VERSION}`; {found}")]
    NoHandle {
        /// What it exports, as text.
        found: String,
    },
    /// An export has the right name and the wrong type.
    #[error("its export `{name}` is not the function of the world `vibrato:handler/{world}@{VERSION}`: {reason}")]
    ExportType {
        /// The export.
        name: &'static str,
        /// The world that defines it.
        world: &'static str,
        /// How it differs.
        reason: String,
    },
    /// Compiling it exceeded a limit that the operator has set.
    #[error("compiling it takes more than {limit}")]
    Costly {
        /// The limit, as text.
        limit: String,
        /// The flag that sets the limit.
        flag: &'static str,
    },
    /// The child process crashed while it compiled the component.
    #[error("the process that compiled it has crashed: {0}")]
    Crashed(String),
    /// No child process can be started.
    #[error("no process or thread can be started to compile it: {0}")]
    NoProcess(String),
    /// Its start functions trapped, took too long, or exceeded a limit.
    #[error("it cannot be started: {0}")]
    Start(String),
    /// The child process crashed while it started the component.
    #[error("the process that started it has crashed: {0}")]
    StartCrashed(String),
    /// `describe` trapped or took too long.
    #[error("its `describe` failed: {0}")]
    Describe(String),
}

impl LoadError {
    /// Whether loading may succeed later without a change of the file.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Threads(_) | Self::NoProcess(_) | Self::NoEngine(_))
    }

    /// Lines that explain the error, such as those of a traceback. Mostly empty.
    #[must_use]
    pub fn explanation(&self) -> &str {
        if let Self::Script { explanation, .. } = self { explanation } else { "" }
    }

    /// What the author or the operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Costly { flag, .. } => {
                return format!("make it smaller or simpler; if the host is to spend more on it, raise `{flag}`")
                    .into();
            }
            Self::NotWasm => "give a component in its place; was the file copied or built completely?",
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
                 cli, clocks, filesystem, http, io, random and sockets, wasi:config and wasi:keyvalue"
            }
            Self::Function { .. } => {
                "use a newer host, or build it against the `wit/world.wit` of this one: Python and JavaScript import \
                 every function of that, called or not"
            }
            Self::NoHandle { .. } | Self::ExportType { .. } => {
                "build it against the `wit/world.wit` of this host; in Rust, put `#[handler]` of guest-sdk on a function"
            }
            Self::SeveralWorlds { .. } => "build it for one world: `vibrato:handler` or `wasi:http`",
            Self::PreRelease { .. } | Self::UnsupportedWorld { .. } => {
                "build it again with a newer toolchain, against `wasi:http/incoming-handler@0.2.0`, \
                 `wasi:http/handler@0.3.0` or a later patch of them"
            }
            Self::SwitchedOff { .. } => "start the host with `--wasi-http-03 on`, or build it for `wasi:http` 0.2",
            Self::NoEngine(_) => {
                "let the host use more address space (`ulimit -v`), or build it for `wasi:http` 0.2; it is tried again"
            }
            Self::NoWasiHttpHandle { .. } => {
                "build it for the world `wasi:http/proxy@0.2` or `wasi:http/service@0.3`, whose handler has the function \
                 `handle`"
            }
            Self::Command { .. } => {
                "build it as a handler: export `handle` of `wit/world.wit`, or a handler of `wasi:http`; in Rust as a \
                 library of the crate type `cdylib`, not as a program"
            }
            Self::WitPackage => "put components into the routes directory, and WIT beside the source",
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
            Self::Script { .. } => {
                "correct the script; what it does outside of its functions is done without a request"
            }
            Self::NoInterpreter(_) => "put the file there that `make interpreters` builds, of the version of this host",
            Self::NoScriptHandler => {
                "put `@handler` before a function in Python, or name it `handle`; in JavaScript write \
                 `export default function`"
            }
            Self::NoScriptMiddleware => {
                "name a function `on_request` or `on_response` in Python, or export `onRequest` or `onResponse` in \
                 JavaScript; a handler's file has a name without `_`"
            }
        })
    }
}
