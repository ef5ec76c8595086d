//! The frames of a stack, and which of them belong to the runtime of a language and not to the handler.

/// The line before the frames of a Wasm backtrace.
const WASM_BACKTRACE: &str = "\nerror while executing at wasm backtrace:";

/// Who wrote the function of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameOrigin {
    /// Who wrote the handler, or a library of theirs.
    Handler,
    /// The runtime of a language, its standard library, or the SDK.
    Runtime,
    /// The function has no name, so nobody can tell.
    Nameless,
}

/// A frame, or another line of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// One or more lines.
    pub(super) text: String,
    pub(super) origin: FrameOrigin,
}

impl Frame {
    pub(super) fn of_handler(text: impl Into<String>) -> Self {
        Self { text: text.into(), origin: FrameOrigin::Handler }
    }

    pub(super) fn of_runtime(text: impl Into<String>) -> Self {
        Self { text: text.into(), origin: FrameOrigin::Runtime }
    }

    /// Adds a line that belongs to it.
    pub(super) fn extend(&mut self, line: &str) {
        self.text.push('\n');
        self.text.push_str(line);
    }
}

/// Takes apart what the host says about a failure: the reason, and the frames of its Wasm backtrace.
pub(super) fn of_wasm(reason: &str) -> (&str, Vec<Frame>) {
    let Some((reason, backtrace)) = reason.split_once(WASM_BACKTRACE) else { return (reason, Vec::new()) };
    let mut frames: Vec<Frame> = Vec::new();
    for line in backtrace.lines().filter(|line| !line.is_empty()) {
        let is_first = line.trim_start().split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        match frames.last_mut() {
            Some(frame) if !is_first => frame.extend(line),
            _ => frames.push(Frame { text: line.to_owned(), origin: wasm_origin(line) }),
        }
    }
    (reason, frames)
}

/// The place in the handler's source where the first of its functions was, if there is debug information: `FILE:LINE:COLUMN`.
/// Otherwise it is empty.
pub(super) fn place(frames: &[Frame]) -> String {
    let place =
        |frame: &Frame| frame.text.lines().find_map(|line| line.trim_start().strip_prefix("at ").map(str::to_owned));
    frames.iter().filter(|frame| frame.origin == FrameOrigin::Handler).find_map(place).unwrap_or_default()
}

/// The origin of the function in `  N: OFFSET - MODULE!FUNCTION` or, with debug information, `  N: OFFSET - FUNCTION`.
fn wasm_origin(line: &str) -> FrameOrigin {
    let symbol = line.split_once(" - ").map_or(line, |(_, symbol)| symbol);
    // A name that is demangled may contain `!`, the type; a module's name is before the first.
    let (module, function) =
        symbol.split_once('!').filter(|(module, _)| !module.contains([':', ' ', '<'])).map_or_else(
            || symbol.strip_prefix("<unknown>!").map_or(("", symbol), |function| ("", function)),
            |(module, function)| (module, function),
        );
    if function.starts_with("<wasm function ") {
        FrameOrigin::Nameless
    } else if is_runtime_module(module) || is_runtime_function(function) {
        FrameOrigin::Runtime
    } else {
        FrameOrigin::Handler
    }
}

/// Whether a core module of a component is a part of componentize-py, CPython or libc.
fn is_runtime_module(module: &str) -> bool {
    const STARTS: [&str; 5] = ["libc.so", "libpython", "libcomponentize_py", "componentize_py", "wit-component:"];
    STARTS.iter().any(|start| module.starts_with(start)) || module.starts_with("libwasi-emulated")
}

/// Whether a function belongs to a runtime: by its crate in Rust, its package in Go, its prefix in C.
fn is_runtime_function(function: &str) -> bool {
    const CRATES: [&str; 16] = [
        "std",
        "core",
        "alloc",
        "compiler_builtins",
        "__rustc",
        "dlmalloc",
        "guest_sdk",
        "wit_bindgen",
        "wit_bindgen_rt",
        "wasi",
        "wasip2",
        "wasip3",
        "wstd",
        "wasmtime",
        "rquickjs",
        "rquickjs_core",
    ];
    const NAMES: [&str; 12] = [
        "abort",
        "_start",
        "_initialize",
        "__wasm_call_ctors",
        "cabi_realloc",
        "rust_panic",
        "rust_begin_unwind",
        "malloc",
        "free",
        "calloc",
        "realloc",
        "exit",
    ];
    const PREFIXES: [&str; 11] = [
        "__rust_",
        "_export_",
        "wit_dylib_",
        "JS_",
        "js_",
        "Py",
        "_Py",
        "runtime.",
        "dlmalloc",
        "__wasi_",
        "main.wasm_export_",
    ];
    // `<&T as Trait>::function` is of the crate of `T`.
    let path =
        function.trim_start_matches(['<', '&', '*', '[', '(']).trim_start_matches("mut ").trim_start_matches("dyn ");
    let (first, rest) = path.split_once("::").map_or((path, None), |(first, rest)| (first, Some(rest)));
    (rest.is_some() && CRATES.contains(&first))
        || NAMES.contains(&function)
        || PREFIXES.iter().any(|prefix| function.starts_with(prefix))
}
