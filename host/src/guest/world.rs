//! The world of a handler, found from the exports of its file before anything is compiled.

use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

use super::error_text;
use super::load_error::LoadError;

/// The world that a handler is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// `vibrato:handler`, this host's own.
    Vibrato,
    /// `wasi:http` 0.2: `wasmtime serve`, Spin and wasmCloud run it too.
    WasiHttp02,
    /// `wasi:http` 0.3, whose handlers are asynchronous.
    WasiHttp03,
}

impl World {
    /// Its name, for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vibrato => "vibrato:handler",
            Self::WasiHttp02 => "wasi:http@0.2",
            Self::WasiHttp03 => "wasi:http@0.3",
        }
    }
}

/// The export of a component that answers requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HandlerExport {
    pub(super) world: World,
    /// The name of the function or interface.
    pub(super) name: String,
}

/// The exports of a component that matter, and what else it may be.
#[derive(Debug, Default)]
struct FoundExports {
    handlers: Vec<HandlerExport>,
    pre_releases: Vec<String>,
    unsupported: Vec<String>,
    command: Option<String>,
    has_values: bool,
    types: usize,
}

/// The interfaces of wasi:http that answer requests, with the version range that is served.
const WASI_HTTP: [(&str, &str, World); 2] =
    [("wasi:http/incoming-handler@", "0.2.", World::WasiHttp02), ("wasi:http/handler@", "0.3.", World::WasiHttp03)];

/// Finds what answers requests. If nothing does, the world is this host's own, which then reports what is missing.
///
/// # Errors
/// The component answers in several worlds, in a pre-release of one, or is not a handler but a command or a WIT package.
pub(super) fn detect(bytes: &[u8]) -> Result<HandlerExport, LoadError> {
    let own = || HandlerExport { world: World::Vibrato, name: OWN.to_owned() };
    // A file that cannot be parsed is refused by the compiler, with the reason.
    let Some(mut found) = exports(bytes) else { return Ok(own()) };
    match found.handlers.len() {
        0 => {}
        1 => return Ok(found.handlers.remove(0)),
        _ => {
            let names = found.handlers.iter().map(|handler| format!("`{}`", handler.name));
            return Err(LoadError::SeveralWorlds { exports: names.collect::<Vec<_>>().join(" and ") });
        }
    }
    if let Some(export) = found.pre_releases.pop() {
        return Err(LoadError::PreRelease { export });
    }
    if let Some(export) = found.unsupported.pop() {
        return Err(LoadError::UnsupportedWorld { export });
    }
    if let Some(export) = found.command {
        return Err(LoadError::Command { export });
    }
    if found.types > 0 && !found.has_values {
        return Err(LoadError::WitPackage);
    }
    Ok(own())
}

/// The function of this host's own world.
const OWN: &str = "handle";

/// Reads the exports of a component. `None` if it cannot be parsed.
fn exports(bytes: &[u8]) -> Option<FoundExports> {
    let mut found = FoundExports::default();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.ok()? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return None,
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.ok()?;
                    found.add(export.name.name, export.kind);
                }
            }
            _ => {}
        }
    }
    Some(found)
}

impl FoundExports {
    fn add(&mut self, name: &str, kind: ComponentExternalKind) {
        match kind {
            ComponentExternalKind::Type | ComponentExternalKind::Component => self.types += 1,
            ComponentExternalKind::Func
            | ComponentExternalKind::Instance
            | ComponentExternalKind::Module
            | ComponentExternalKind::Value => self.has_values = true,
        }
        if name == OWN && kind == ComponentExternalKind::Func {
            return self.handlers.push(HandlerExport { world: World::Vibrato, name: name.to_owned() });
        }
        if kind != ComponentExternalKind::Instance {
            return;
        }
        for (interface, range, world) in WASI_HTTP {
            let Some(version) = name.strip_prefix(interface) else { continue };
            match version.strip_prefix(range) {
                Some(patch) if is_number(patch) => self.handlers.push(HandlerExport { world, name: name.to_owned() }),
                Some(_) => self.pre_releases.push(error_text::quoted(name)),
                None => self.unsupported.push(error_text::quoted(name)),
            }
        }
        if name.starts_with("wasi:cli/run@") {
            self.command = Some(error_text::quoted(name));
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
