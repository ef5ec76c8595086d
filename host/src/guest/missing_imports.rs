//! Explains each import of a component that the host does not provide. `wit/README.md` says which versions of an
//! interface are compatible.

use wasmtime::component::Component;
use wasmtime::component::types::{ComponentInstance, ComponentItem};

use super::imports::{INTERFACES, VERSION};
use super::load_error::LoadError;
use super::wasm_engine::{EngineKind, WasmEngine};
use super::{config, error_text, key_value};

/// Maximum number of imports that are reported for one component.
const MAX_REPORTED: usize = 32;

/// Why a component cannot be linked: each missing import, or, if there is none, the type that differs.
pub(super) fn explain(engine: &WasmEngine, component: &Component, error: &wasmtime::Error) -> Vec<LoadError> {
    let missing = imports(engine, component);
    if missing.is_empty() { vec![LoadError::ImportType(error_text::chain(error))] } else { missing }
}

/// Each import that this host does not provide.
pub(super) fn imports(engine: &WasmEngine, component: &Component) -> Vec<LoadError> {
    let component = component.component_type();
    let missing = component.imports(engine.wasmtime()).flat_map(|(import, item)| {
        match (not_provided(engine.kind(), import), item.ty) {
            (Some(provided), _) => vec![LoadError::Import { import: error_text::quoted(import), provided }],
            (None, ComponentItem::ComponentInstance(instance)) => functions(engine, import, &instance),
            (None, _) => Vec::new(),
        }
    });
    missing.take(MAX_REPORTED).collect()
}

/// `None` if the host provides the import, else a text that says what it provides instead.
fn not_provided(kind: EngineKind, import: &str) -> Option<String> {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    if let Some(name) = interface.strip_prefix("vibrato:handler/") {
        return match INTERFACES.contains(&name) {
            true if compatible_range(version) == compatible_range(VERSION) => None,
            true => Some(format!(": it has version {VERSION} of that interface")),
            false => Some(format!(": `vibrato:handler@{VERSION}` has {}", INTERFACES.join(", "))),
        };
    }
    let of_drafts = match interface {
        "wasi:config/store" => Some(config::WASI_CONFIG_VERSIONS),
        "wasi:keyvalue/store" | "wasi:keyvalue/atomics" | "wasi:keyvalue/batch" => {
            Some(key_value::WASI_KEYVALUE_VERSIONS)
        }
        _ => None,
    };
    if let Some(provided) = of_drafts {
        return (!provided.contains(&version))
            .then(|| format!(": it has version {} of `{interface}`", provided.join(" and ")));
    }
    let package = interface.split('/').next().unwrap_or(interface);
    let (versions, what): (&[&str], _) = match (interface, package) {
        ("wasi:http/types", _) => (of_wasi(kind), interface),
        ("wasi:http/outgoing-handler", _) => (&["0.2"], interface),
        ("wasi:http/client", _) if kind == EngineKind::Concurrent => (&["0.3"], interface),
        (_, "wasi:io") => (&["0.2"], package),
        (_, "wasi:cli" | "wasi:clocks" | "wasi:filesystem" | "wasi:random" | "wasi:sockets") => {
            (of_wasi(kind), package)
        }
        _ => return Some(String::new()),
    };
    let is_provided = compatible_range(version).is_some_and(|range| versions.contains(&range));
    (!is_provided).then(|| format!(": it has version {} of `{what}`", versions.join(" and ")))
}

/// The versions of WASI that an engine of a kind has.
fn of_wasi(kind: EngineKind) -> &'static [&'static str] {
    match kind {
        EngineKind::Serial => &["0.2"],
        EngineKind::Concurrent => &["0.2", "0.3"],
    }
}

/// `0.1` for `0.1.7`: wasmtime treats versions with the same result as compatible. `None` for a pre-release.
fn compatible_range(version: &str) -> Option<&str> {
    let (range, patch) = version.rsplit_once('.')?;
    patch.bytes().all(|byte| byte.is_ascii_digit()).then_some(range)
}

/// The functions that a component imports from an interface of this package and that the host's version does not have.
fn functions(engine: &WasmEngine, interface: &str, wanted: &ComponentInstance) -> Vec<LoadError> {
    let Some(name) = interface.strip_prefix("vibrato:handler/") else { return Vec::new() };
    let name = name.split('@').next().unwrap_or(name);
    // A linker cannot list its functions, but it rejects a name that is already defined.
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
