//! Which WebAssembly proposals a component may use. wasmtime's defaults do not apply: every proposal is listed here.
//!
//! wasmtime is built without its features `gc` and `threads`. A proposal that needs one of them would compile and then
//! crash the process at run time, so it is refused when the component is loaded. `component-model-async` is only for
//! components of `wasi:http` 0.3: what it costs is not paid by others.

use wasmparser::Validator;
use wasmtime::{Config, WasmFeatures};

use super::wasm_engine::EngineKind;

/// What toolchains for `wasm32-wasip2` emit, and what costs the host nothing.
const ALLOWED: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    // Adapters between components in one file access the memories of both.
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::COMPONENT_MODEL);

/// Proposals that are refused by name. The first includes its types, such as `externref`.
const REFUSED: [(&str, WasmFeatures); 20] = [
    ("gc", WasmFeatures::GC.union(WasmFeatures::GC_TYPES)),
    ("exceptions", WasmFeatures::EXCEPTIONS),
    ("legacy-exceptions", WasmFeatures::LEGACY_EXCEPTIONS),
    ("threads", WasmFeatures::THREADS),
    ("shared-everything-threads", WasmFeatures::SHARED_EVERYTHING_THREADS),
    ("function-references", WasmFeatures::FUNCTION_REFERENCES),
    ("memory64", WasmFeatures::MEMORY64),
    ("memory-control", WasmFeatures::MEMORY_CONTROL),
    ("stack-switching", WasmFeatures::STACK_SWITCHING),
    ("wide-arithmetic", WasmFeatures::WIDE_ARITHMETIC),
    ("custom-page-sizes", WasmFeatures::CUSTOM_PAGE_SIZES),
    ("custom-descriptors", WasmFeatures::CUSTOM_DESCRIPTORS),
    ("compact-import-section", WasmFeatures::COMPACT_IMPORTS),
    (
        "component-model-async",
        WasmFeatures::CM_ASYNC
            .union(WasmFeatures::CM_ASYNC_STACKFUL)
            .union(WasmFeatures::CM_MORE_ASYNC_BUILTINS)
            .union(WasmFeatures::CM_THREADING)
            .union(WasmFeatures::CM_ERROR_CONTEXT),
    ),
    ("component-model values", WasmFeatures::CM_VALUES),
    ("component-model fixed-length lists", WasmFeatures::CM_FIXED_LENGTH_LISTS),
    ("component-model maps", WasmFeatures::CM_MAP),
    ("component-model gc", WasmFeatures::CM_GC),
    ("component-model memory64", WasmFeatures::CM64),
    (
        "component-model names",
        WasmFeatures::CM_NESTED_NAMES.union(WasmFeatures::CM_IMPLEMENTS).union(WasmFeatures::CM_CANON_NAMES),
    ),
];

/// What an engine of a kind allows.
fn allowed(kind: EngineKind) -> WasmFeatures {
    match kind {
        EngineKind::Serial => ALLOWED,
        // The part of `component-model-async` that was released with WASI 0.3.
        EngineKind::Concurrent => ALLOWED.union(WasmFeatures::CM_ASYNC),
    }
}

/// Disables everything except the allowed proposals.
pub(super) fn restrict(config: &mut Config, kind: EngineKind) {
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(allowed(kind), true);
}

/// Names the refused proposals that a component uses, as text. `None` if it is invalid for another reason.
pub(super) fn refused(component: &[u8], kind: EngineKind) -> Option<String> {
    let allowed = allowed(kind);
    let is_valid = |without: WasmFeatures| {
        let all = REFUSED.iter().fold(allowed, |all, (_, features)| all.union(*features));
        Validator::new_with_features(all.difference(without).union(allowed)).validate_all(component).is_ok()
    };
    if !is_valid(WasmFeatures::empty()) {
        return None;
    }
    let used: Vec<String> =
        REFUSED.iter().filter(|(_, features)| !is_valid(*features)).map(|(name, _)| format!("`{name}`")).collect();
    (!used.is_empty()).then(|| used.join(", "))
}
