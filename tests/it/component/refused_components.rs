//! Components that would harm who loads them: each is refused with what it uses or has too much of, and costs only itself.

use std::path::Path;

use crate::support::{RoutesDir, TestServer, assemble, guest, plain};

/// The answer of `plain.wat`, which is served beside all of them.
const PLAIN_BODY: &str = "\r\n\r\n5\r\nplain\r\n0\r\n\r\n";

/// A component that describes itself with `describe`, and answers with `handle`, both in text.
fn described(definitions: &str, handle: &str, describe: &str) -> Vec<u8> {
    assemble(
        &guest::PLAIN_WAT
            .replace("(core module $code", &format!("(core module $code {definitions}"))
            .replace(
                "(func (export \"handle\") (result i32) (i32.const 0)))",
                &format!(
                    "(func (export \"handle\") (result i32) {handle} (i32.const 0))
                     (func (export \"describe\") (result i32) {describe} (i32.const 64)))"
                ),
            )
            .replace(
                "(alias export $types \"outcome\" (type $outcome))",
                "(alias export $types \"outcome\" (type $outcome))
                 (alias export $types \"declaration\" (type $declaration))",
            )
            .replace(
                "(export \"outcome\" (type (eq $outcome)))",
                "(export \"outcome\" (type (eq $outcome)))
                 (type $value (variant (case \"boolean\" bool) (case \"integer\" s64) (case \"float\" f64)
                   (case \"text\" string) (case \"booleans\" (list bool)) (case \"integers\" (list s64))
                   (case \"floats\" (list f64)) (case \"texts\" (list string))))
                 (export \"value\" (type $v (eq $value)))
                 (type $declared (record (field \"paths\" (list string)) (field \"methods\" (list string))
                   (field \"options\" (list (tuple string $v)))))
                 (export \"declaration\" (type (eq $declared)))",
            )
            .replace(
                "(func (export \"handle\") (result $outcome)",
                "(func (export \"describe\") (result $declaration)
                   (canon lift (core func $instance \"describe\") (memory (core memory $instance \"memory\"))))
                 (func (export \"handle\") (result $outcome)",
            ),
    )
}

/// `plain.wat` with other code in its module.
fn with(code: &str) -> Vec<u8> {
    assemble(&guest::PLAIN_WAT.replace("\"plain\")", &format!("\"plain\") {code}")))
}

/// Serves `plain` beside the others, which must answer, and compares why each of the others is refused.
#[track_caller]
fn assert_refused(others: &[(&str, Vec<u8>)], expected: &str) {
    let routes = others.iter().fold(RoutesDir::new().with_bytes("plain.wasm", &plain()), |routes, (name, bytes)| {
        routes.with_bytes(&format!("{name}.wasm"), bytes)
    });
    let server = TestServer::start(routes);
    let said: Vec<(String, &str)> = server
        .diagnostics()
        .iter()
        .map(|it| {
            (Path::new(&it.location).file_stem().unwrap_or_default().to_string_lossy().into_owned(), it.reason.as_str())
        })
        .collect();
    let mut wanted: Vec<(String, &str)> = others.iter().map(|(name, _)| ((*name).to_owned(), expected)).collect();
    wanted.sort();
    assert_eq!(said, wanted);
    assert!(server.get("/plain").ends_with(PLAIN_BODY));
}

/// A function type that others may be subtypes of, one of them, and a table of such functions.
const OPEN_TYPES: &str = "(type $a (sub (func))) (type $b (sub $a (func)))
    (func $f (type $b)) (table $t 1 1 funcref) (elem (i32.const 0) func $f)";

#[test]
fn a_call_or_a_cast_to_an_open_type_is_refused_and_ends_no_process() {
    let calls = [
        ("call", "(call_indirect $t (type $a) (i32.const 0))"),
        ("test", "(drop (ref.test (ref $a) (table.get $t (i32.const 0))))"),
        ("cast", "(drop (ref.cast (ref $a) (table.get $t (i32.const 0))))"),
    ];
    let both = calls.iter().flat_map(|(name, code)| {
        let (in_handle, in_describe) = (described(OPEN_TYPES, code, ""), described(OPEN_TYPES, "", code));
        [(format!("{name}-handle"), in_handle), (format!("{name}-describe"), in_describe)]
    });
    let both: Vec<(String, Vec<u8>)> = both.collect();
    let both: Vec<(&str, Vec<u8>)> = both.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    assert_refused(&both, "it uses WebAssembly proposals that this host does not support: `gc`");
}

#[test]
fn a_component_that_describes_itself_by_hand_is_served() {
    let server = TestServer::start(RoutesDir::new().with_bytes("by-hand.wasm", &described("", "", "")));
    assert_eq!(server.diagnostics(), []);
    assert!(server.get("/by-hand").ends_with(PLAIN_BODY));
}

#[test]
fn a_proposal_that_is_off_is_refused_by_its_name() {
    for (code, name) in [
        ("(type $s (struct (field i32))) (func (drop (struct.new $s (i32.const 1))))", "gc"),
        ("(table 1 externref)", "gc"),
        ("(func (param anyref))", "gc"),
        ("(tag $t) (func (throw $t))", "exceptions"),
        ("(memory $shared 1 1 shared)", "threads"),
        ("(func (drop (i32.atomic.load (i32.const 0))))", "threads"),
        ("(type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0)))", "function-references"),
        ("(memory $large i64 1)", "memory64"),
        ("(table $large i64 1 funcref)", "memory64"),
        ("(func (param i64 i64) (result i64 i64) (i64.mul_wide_s (local.get 0) (local.get 1)))", "wide-arithmetic"),
        ("(memory $bytes 1 (pagesize 1))", "custom-page-sizes"),
    ] {
        assert_refused(
            &[("other", with(code))],
            &format!("it uses WebAssembly proposals that this host does not support: `{name}`"),
        );
    }
}

#[test]
fn functions_that_are_lifted_async_are_refused_by_their_name() {
    let text = guest::PLAIN_WAT
        .replace("(func (export \"handle\") (result i32) (i32.const 0)))", "(func (export \"handle\")))")
        .replace("(func (export \"handle\") (result $outcome)", "(func (export \"handle\") async (result $outcome)")
        .replace("(core func $instance \"handle\")", "(core func $instance \"handle\") async");
    let bytes = assemble(&text);
    assert_refused(
        &[("other", bytes)],
        "it uses WebAssembly proposals that this host does not support: `component-model-async`",
    );
}

#[test]
fn several_proposals_are_named_together() {
    let bytes = with("(tag $t) (func (throw $t)) (memory $shared 1 1 shared)");
    assert_refused(
        &[("other", bytes)],
        "it uses WebAssembly proposals that this host does not support: `exceptions`, `threads`",
    );
}

#[test]
fn what_toolchains_emit_is_allowed() {
    for code in [
        "(memory $second 1)",
        "(func (result i32) (return_call 0)) ",
        "(func (drop (i32x4.splat (i32.const 1))))",
        "(func (drop (i32x4.relaxed_laneselect (v128.const i32x4 0 0 0 0) (v128.const i32x4 0 0 0 0)
           (v128.const i32x4 0 0 0 0))))",
        "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
        "(func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))",
        "(func (drop (i32.extend8_s (i32.const 1))) (drop (i32.trunc_sat_f32_s (f32.const 1))))",
        "(table 100000 funcref) (func (drop (table.grow 0 (ref.null func) (i32.const 1))))",
    ] {
        let server = TestServer::start(RoutesDir::new().with_bytes("plain.wasm", &with(code)));
        assert_eq!(server.diagnostics(), [], "{code}");
        assert!(server.get("/plain").ends_with(PLAIN_BODY), "{code}");
    }
}

#[test]
fn a_component_past_a_limit_is_refused_with_its_count_and_the_limit() {
    let parts = |n: usize, module: &str| {
        let instances = "(core instance (instantiate $m))".repeat(n);
        assemble(&guest::PLAIN_WAT.replacen(
            "(core module $code",
            &format!("(core module $m {module}) {instances} (core module $code"),
            1,
        ))
    };
    for (bytes, expected) in [
        (parts(64, ""), "it has 65 core instances; this host allows at most 64"),
        (parts(17, "(table 1 funcref)"), "it has 17 tables; this host allows at most 16"),
        (parts(4, "(memory 1)"), "it has 5 memories; this host allows at most 4"),
        (with("(table 100001 funcref)"), "it has 100001 elements in a table; this host allows at most 100000"),
    ] {
        assert_refused(&[("other", bytes)], expected);
    }
}

/// A handler that asks for the path of its request, for which the host calls its `realloc`, and whose `post-return` runs
/// behind its answer.
fn allocating(realloc: &str, post_return: &str) -> Vec<u8> {
    assemble(&format!(
        "(component
          (import \"vibrato:handler/types@0.1.0\" (instance $types
            (type $outcome (variant (case \"body\" (list u8)) (case \"close\") (case \"manual\")))
            (export \"outcome\" (type (eq $outcome)))))
          (alias export $types \"outcome\" (type $outcome))
          (import \"vibrato:handler/request@0.1.0\" (instance $request (export \"path\" (func (result string)))))
          (core module $libc
            (memory (export \"memory\") 1)
            (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) {realloc}))
          (core instance $libc (instantiate $libc))
          (core func $path (canon lower (func $request \"path\")
            (memory (core memory $libc \"memory\")) (realloc (core func $libc \"realloc\"))))
          (core module $code
            (import \"libc\" \"memory\" (memory 1))
            (import \"request\" \"path\" (func $path (param i32)))
            (data (i32.const 0) \"\\00\\00\\00\\00\\10\\00\\00\\00\\05\\00\\00\\00\")
            (data (i32.const 16) \"plain\")
            (func (export \"handle\") (result i32) (call $path (i32.const 64)) (i32.const 0))
            (func (export \"post\") (param i32) {post_return}))
          (core instance $code (instantiate $code
            (with \"libc\" (instance $libc)) (with \"request\" (instance (export \"path\" (func $path))))))
          (func (export \"handle\") (result $outcome)
            (canon lift (core func $code \"handle\") (memory (core memory $libc \"memory\"))
              (post-return (core func $code \"post\")))))"
    ))
}

#[test]
fn a_realloc_or_a_post_return_that_loops_or_traps_ends_and_frees_its_permit() {
    let cases = [
        ("good", "(i32.const 1024)", "", "200"),
        ("realloc-loops", "(loop (br 0)) unreachable", "", "504"),
        ("realloc-traps", "unreachable", "", "500"),
        ("realloc-lies", "(i32.const -8)", "", "500"),
        ("post-loops", "(i32.const 1024)", "(loop (br 0))", "504"),
        ("post-traps", "(i32.const 1024)", "unreachable", "500"),
    ];
    let routes = cases.iter().fold(RoutesDir::new().with(guest::HELLO), |routes, (name, realloc, post_return, _)| {
        routes.with_bytes(&format!("{name}.wasm"), &allocating(realloc, post_return))
    });
    let server = TestServer::builder(routes)
        .option("timeout", host::options::Value::Float(0.3))
        .limits(|limits| limits.max_invocations = 1)
        .start();
    assert_eq!(server.diagnostics(), []);
    for (name, .., status) in cases {
        for _ in 0..3 {
            let answer = server.get(&format!("/{name}"));
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
            assert!(server.get("/hello").starts_with("HTTP/1.1 200 "), "after {name}");
        }
    }
}

#[test]
fn what_a_component_has_named_is_quoted_in_part() {
    let name = |number: usize| format!("n{number}-{}", "x".repeat(90_000));
    let exports: String = (0..200)
        .map(|number| format!("(func (export \"{}\") (canon lift (core func $i \"f\")))", name(number)))
        .collect();
    let many =
        format!("(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) {exports})");
    let imports: String = (0..200).map(|number| format!("(import \"{}\" (func))", name(number))).collect();
    let server = TestServer::start(
        RoutesDir::new()
            .with_bytes("exports.wasm", &assemble(&many))
            .with_bytes(
                "imports.wasm",
                &assemble(&guest::PLAIN_WAT.replacen("(component", &format!("(component {imports}"), 1)),
            )
            .with_file("long.toml", &format!("path = '/{}'", "x".repeat(900_000)))
            .with_bytes("long.wasm", &plain())
            .with_file("key.toml", &format!("rate = '{}'", "x".repeat(900_000)))
            .with_bytes("key.wasm", &plain()),
    );
    assert!(!server.diagnostics().is_empty());
    for diagnostic in server.diagnostics() {
        let printed = diagnostic.to_string();
        assert!(printed.len() < 13_000, "{} bytes: {}", printed.len(), &printed[..200]);
    }
    let told = |file: &str| server.diagnostics().iter().filter(|it| Path::new(&it.location).ends_with(file)).count();
    assert_eq!((told("exports.wasm"), told("imports.wasm")), (1, 32));
}
