//! Which WebAssembly proposals a component may use. wasmtime's defaults do not apply: every proposal is listed here.
//!
//! wasmtime is built without its features `gc`, `threads` and `component-model-async`. A proposal that needs one of
//! them would compile and then crash the process at run time, so it is refused when the component is loaded.

use wasmparser::Validator;
use wasmtime::{Config, WasmFeatures};

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

/// Disables everything except the allowed proposals.
pub(super) fn restrict(config: &mut Config) {
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(ALLOWED, true);
}

/// Names the refused proposals that a component uses, as text. `None` if it is invalid for another reason.
pub(super) fn refused(component: &[u8]) -> Option<String> {
    let is_valid = |without: WasmFeatures| {
        let all = REFUSED.iter().fold(ALLOWED, |all, (_, features)| all.union(*features));
        Validator::new_with_features(all.difference(without).union(ALLOWED)).validate_all(component).is_ok()
    };
    if !is_valid(WasmFeatures::empty()) {
        return None;
    }
    let used: Vec<String> =
        REFUSED.iter().filter(|(_, features)| !is_valid(*features)).map(|(name, _)| format!("`{name}`")).collect();
    (!used.is_empty()).then(|| used.join(", "))
}
