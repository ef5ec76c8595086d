//! What `wit/README.md` says of versions: components of an older world than the host's serve, and those of a newer one
//! serve or are told what is missing.

use crate::support::{RoutesDir, TestServer, assemble, guest, plain, plain_importing};

const METHOD: &str = "(instance (export \"method\" (func (result string))))";

/// The response of `plain.wat`.
const BODY: &str = "\r\n\r\n5\r\nplain\r\n0\r\n\r\n";

/// The version of the world, which the host must have.
fn version() -> &'static str {
    let text = include_str!("../../../wit/world.wit");
    let (_, version) = text.split_once("\npackage vibrato:handler@").expect("the world is of this package");
    version.split(';').next().expect("a text has a first part")
}

/// An interface of a version that no host has yet, of the same line.
fn later(interface: &str) -> String {
    let (line, _) = version().rsplit_once('.').expect("a version has dots");
    format!("vibrato:handler/{interface}@{line}.999")
}

#[track_caller]
fn assert_serves(component: &[u8]) {
    let server = TestServer::start(RoutesDir::new().with_bytes("any.wasm", component));
    assert_eq!(server.diagnostics(), []);
    let response = server.get("/any");
    assert!(response.ends_with(BODY), "{response}");
}

/// Loads it, and compares the reason and the remedy.
#[track_caller]
fn assert_refused(component: &[u8], expected: &[(&str, &str)]) {
    let server = TestServer::start(RoutesDir::new().with_bytes("any.wasm", component));
    let told: Vec<String> = server.diagnostics().iter().map(ToString::to_string).collect();
    let told: Vec<&str> = told.iter().map(|text| text.split_once("any.wasm: ").expect("it names the file").1).collect();
    let expected: Vec<String> =
        expected.iter().map(|(reason, remedy)| format!("{reason}\n  remedy: {remedy}")).collect();
    assert_eq!(told, expected);
}

const NEWER: &str = "use a newer host, or build it against the `wit/world.wit` of this one: Python and JavaScript import \
                     every function of that, called or not";

const AGAINST: &str = "build it against the `wit/world.wit` of this host, and use no interface beyond it and WASI 0.2's \
                       cli, clocks, filesystem, http, io, random and sockets, wasi:config and wasi:keyvalue";

#[test]
fn a_component_of_a_world_with_fewer_functions_serves() {
    assert_serves(&plain_importing("vibrato:handler/request@0.1.0", METHOD));
}

#[test]
fn a_component_of_a_world_with_fewer_interfaces_serves() {
    assert_serves(&plain());
}

#[test]
fn a_component_of_a_later_version_serves_where_the_host_has_what_it_imports() {
    assert_serves(&plain_importing(&later("request"), METHOD));
}

#[test]
fn a_component_may_know_a_type_that_the_host_does_not() {
    let types = "(instance (type $later (enum \"a\" \"b\")) (export \"later\" (type (eq $later))))";
    assert_serves(&plain_importing(&later("types"), types));
}

#[test]
fn a_component_may_export_what_the_host_does_not_call() {
    let export = "(instance $none) (export \"later\" (instance $none))\n  (core module";
    assert_serves(&assemble(&guest::PLAIN_WAT.replacen("(core module", export, 1)));
}

#[test]
fn every_function_that_the_host_does_not_have_is_reported() {
    let functions = "(instance
      (export \"method\" (func (result string)))
      (export \"trailer\" (func (param \"name\" string) (result string)))
      (export \"age\" (func (result u64))))";
    let (request, version) = (later("request"), version());
    let lacks =
        |name| format!("it imports the function `{name}` of `{request}`; this host has version {version} without it");
    let expected = [(&*lacks("trailer"), NEWER), (&*lacks("age"), NEWER)];
    assert_refused(&plain_importing(&request, functions), &expected);
}

#[test]
fn a_component_of_an_incompatible_version_is_refused_with_the_supported_one() {
    for other in ["0.2.0", "0.0.1", "1.0.0", "0.1.0-draft"] {
        let reason = format!(
            "it imports `vibrato:handler/request@{other}`, which this host does not provide: it has version {} of that \
             interface",
            version()
        );
        assert_refused(&plain_importing(&format!("vibrato:handler/request@{other}"), METHOD), &[(&reason, AGAINST)]);
    }
}

#[test]
fn a_function_with_another_signature_is_refused() {
    let signature = "(instance (export \"method\" (func (param \"lower\" bool) (result string))))";
    let differs =
        "instance export `method` has the wrong type: type mismatch with parameters: expected 0-tuple, found 1-tuple";
    assert_mismatch(signature, differs);
}

/// Also where only the host makes such values, and has the cases that the component knows.
#[test]
fn an_enum_with_a_case_more_or_less_is_refused() {
    for (cases, count) in [("\"http10\"", 1), ("\"http10\" \"http11\" \"http20\"", 3)] {
        let interface = format!(
            "(instance (type $version (enum {cases}))
              (export \"http-version\" (type $exported (eq $version)))
              (export \"version\" (func (result $exported))))"
        );
        let differs = format!(
            "instance export `version` has the wrong type: type mismatch with results: expected enum of 2 names, \
             found {count} names"
        );
        assert_mismatch(&interface, &differs);
    }
}

/// Wants `interface` as that of the first version's requests.
#[track_caller]
fn assert_mismatch(interface: &str, differs: &str) {
    let reason = format!(
        "its imports do not match the world `vibrato:handler/handler@{}`: component imports instance \
         `vibrato:handler/request@0.1.0`, but a matching implementation was not found in the linker: {differs}",
        version()
    );
    assert_refused(&plain_importing("vibrato:handler/request@0.1.0", interface), &[(&reason, AGAINST)]);
}
