//! Components that would harm who loads them: each is refused with what it uses or has too much of, and costs only itself.

use super::support::{PLAIN, RoutesDir, TestServer, component};

/// The answer of [`PLAIN`], which is served beside all of them.
const PLAIN_BODY: &str = "\r\n\r\n5\r\nplain\r\n0\r\n\r\n";

/// A component that describes itself with `describe`, and answers with `handle`, both in text.
fn described(definitions: &str, handle: &str, describe: &str) -> Vec<u8> {
    component(
        &PLAIN
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

/// [`PLAIN`] with other code in its module.
fn with(code: &str) -> Vec<u8> {
    component(&PLAIN.replace("\"plain\")", &format!("\"plain\") {code}")))
}

/// Serves `plain` beside the others, which must answer, and compares why each of the others is refused.
#[track_caller]
fn assert_refused(others: &[(&str, Vec<u8>)], expected: &str) {
    let routes =
        others.iter().fold(RoutesDir::new().with_bytes("plain.wasm", &component(PLAIN)), |routes, (name, bytes)| {
            routes.with_bytes(&format!("{name}.wasm"), bytes)
        });
    let server = TestServer::start(routes);
    let said: Vec<(String, &str)> = server
        .diagnostics()
        .iter()
        .map(|it| (it.file.file_stem().unwrap_or_default().to_string_lossy().into_owned(), it.reason.as_str()))
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
    assert_refused(&both, "it uses what this host does not support: `gc`");
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
        assert_refused(&[("other", with(code))], &format!("it uses what this host does not support: `{name}`"));
    }
}

#[test]
fn functions_that_are_lifted_async_are_refused_by_their_name() {
    let text = PLAIN
        .replace("(func (export \"handle\") (result i32) (i32.const 0)))", "(func (export \"handle\")))")
        .replace("(func (export \"handle\") (result $outcome)", "(func (export \"handle\") async (result $outcome)")
        .replace("(core func $instance \"handle\")", "(core func $instance \"handle\") async");
    let bytes = component(&text);
    assert_refused(&[("other", bytes)], "it uses what this host does not support: `component-model-async`");
}

#[test]
fn several_proposals_are_named_together() {
    let bytes = with("(tag $t) (func (throw $t)) (memory $shared 1 1 shared)");
    assert_refused(&[("other", bytes)], "it uses what this host does not support: `exceptions`, `threads`");
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
fn a_component_with_too_much_of_something_is_told_what_it_has_and_what_it_may_have() {
    let parts = |n: usize, module: &str| {
        let instances = "(core instance (instantiate $m))".repeat(n);
        component(&PLAIN.replacen(
            "(core module $code",
            &format!("(core module $m {module}) {instances} (core module $code"),
            1,
        ))
    };
    for (bytes, expected) in [
        (parts(64, ""), "it has 65 core instances; 64 is the most that this host allows"),
        (parts(17, "(table 1 funcref)"), "it has 17 tables; 16 is the most that this host allows"),
        (parts(4, "(memory 1)"), "it has 5 memories; 4 is the most that this host allows"),
        (with("(table 100001 funcref)"), "it has 100001 elements in a table; 100000 is the most that this host allows"),
    ] {
        assert_refused(&[("other", bytes)], expected);
    }
}
