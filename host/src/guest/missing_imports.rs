//! What a component imports that the host does not have. Owns telling it import by import, and which versions go
//! together; `wit/README.md` says how the interfaces may grow.

use wasmtime::component::Component;
use wasmtime::component::types::{ComponentInstance, ComponentItem};

use super::component::LoadError;
use super::engine::Engine;
use super::error_text;
use super::imports::{INTERFACES, VERSION};

/// The most imports of one component that are reported: a stranger's can have any number.
const MAX_REPORTED: usize = 32;

/// Why a component cannot be linked: each import that this host does not have, or, where all names are known, how a
/// type differs.
pub(super) fn explain(engine: &Engine, component: &Component, error: &wasmtime::Error) -> Vec<LoadError> {
    let missing = imports(engine, component);
    if missing.is_empty() { vec![LoadError::ImportType(error_text::chain(error))] } else { missing }
}

/// Each import that this host does not have.
pub(super) fn imports(engine: &Engine, component: &Component) -> Vec<LoadError> {
    let component = component.component_type();
    let missing =
        component.imports(engine.wasmtime()).flat_map(|(import, item)| match (not_provided(import), item.ty) {
            (Some(provided), _) => vec![LoadError::Import { import: error_text::quoted(import), provided }],
            (None, ComponentItem::ComponentInstance(instance)) => functions(engine, import, &instance),
            (None, _) => Vec::new(),
        });
    missing.take(MAX_REPORTED).collect()
}

/// Nothing where the host provides the import, else what it has instead.
fn not_provided(import: &str) -> Option<String> {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    if let Some(name) = interface.strip_prefix("vibrato:handler/") {
        return match INTERFACES.contains(&name) {
            true if line(version) == line(VERSION) => None,
            true => Some(format!(": it has version {VERSION} of that interface")),
            false => Some(format!(": `vibrato:handler@{VERSION}` has {}", INTERFACES.join(", "))),
        };
    }
    let package = interface.split('/').next().unwrap_or(interface);
    match package {
        "wasi:cli" | "wasi:clocks" | "wasi:filesystem" | "wasi:io" | "wasi:random" | "wasi:sockets" => {
            (line(version) != Some("0.2")).then(|| format!(": it has version 0.2 of `{package}`"))
        }
        _ => Some(String::new()),
    }
}

/// `0.1` of `0.1.7`: wasmtime links a version to any other of its line that has what is imported. A pre-release has none.
fn line(version: &str) -> Option<&str> {
    let (line, patch) = version.rsplit_once('.')?;
    patch.bytes().all(|byte| byte.is_ascii_digit()).then_some(line)
}

/// The functions that a component wants of an interface of this package and the host's does not have.
fn functions(engine: &Engine, interface: &str, wanted: &ComponentInstance) -> Vec<LoadError> {
    let Some(name) = interface.strip_prefix("vibrato:handler/") else { return Vec::new() };
    let name = name.split('@').next().unwrap_or(name);
    // A linker does not tell what it has, but takes no name twice.
    let mut linker = engine.linker().clone();
    let Ok(mut provided) = linker.instance(&format!("vibrato:handler/{name}@{VERSION}")) else { return Vec::new() };
    let wanted = wanted.exports(engine.wasmtime());
    let functions = wanted.filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)));
    let missing = functions.filter(|(function, _)| provided.func_new(function, |_, _, _, _| Ok(())).is_ok());
    let named = |(function, _): (&str, _)| LoadError::Function {
        function: error_text::quoted(function),
        interface: error_text::quoted(interface),
    };
    missing.take(MAX_REPORTED).map(named).collect()
}
