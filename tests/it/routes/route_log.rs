//! The log lines about routes: at the start of the host, and when routes change.

use serde_json::Value;

use crate::support::{Process, RoutesDir, guest};

#[test]
fn routes_are_logged_at_the_start_and_as_they_change() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_as("users/[id].wasm", guest::PAGE);
    let routes = routes.with_file("users/[id].toml", "declare = 'any'");
    let process = Process::start(&routes, &[]);
    let told = process.stderr();
    told.wait_for(&[" INFO routes: + /script  script.wasm\n"]);
    told.wait_for(&[" INFO routes: + GET /page/{id}  users/[id].wasm\n"]);
    routes.write("script.toml", "status = 201\npaths = ['/script', '/other']");
    told.wait_for(&[" INFO routes: ~ /script  script.wasm\n"]);
    told.wait_for(&[" INFO routes: + /other  script.wasm\n"]);
    routes.write("users/[id].toml", "status = 'none'");
    told.wait_for(&["ERROR", "users/[id].toml: line 1: "]);
    routes.remove("script.wasm");
    told.wait_for(&[" INFO routes: - /script  script.wasm\n"]);
    told.wait_for(&[" INFO routes: - /other  script.wasm\n"]);
}

#[test]
fn a_log_of_json_has_an_event_for_each_change() {
    let process = Process::start(&RoutesDir::new().with(guest::PAGE), &["--log-format", "json"]);
    let line = process.stderr().wait_for(&["\"target\":\"routes\""]);
    let event: Value = serde_json::from_str(&line).expect("a line is JSON");
    let expected = [("change", "added"), ("methods", "GET"), ("path", "/page/{id}"), ("file", "page.wasm")];
    for (name, value) in expected {
        assert_eq!(event[name], value, "{line}");
    }
}

#[test]
fn a_failure_names_its_route_before_its_backtrace() {
    let process = Process::start(&RoutesDir::new().with(guest::TRAP), &[]);
    process.get("/trap");
    let first = process.stderr().wait_for(&["ERROR handler route=\"trap\" request=1: handler trap "]);
    assert!(!first.contains("backtrace:"), "the backtrace is on lines of its own: {first}");
    let last = process.stderr().wait_for(&["  0: "]);
    assert!(!last.contains("route="), "{last}");
}
