//! Settings, variables and secrets: `config` and `env` of `[grant]`.

use std::fs;
use std::path::Path;

use artifacts::Guest;
use host::diagnostic::Severity;

use crate::support::{Process, RoutesDir, TestServer, compile_cache, guest, host, run, text};

/// The table that most tests grant. The secret `stripe` has to be there.
const GRANT: &str = "mine = [1, 2]\ntheme = 'light'\n\
    [grant]\nenv = { LEVEL = 'info', KEY = { secret = 'stripe' } }\n\
    [grant.config]\ntheme = 'dark'\napi_key = { secret = 'stripe' }\n";

/// What no output may show.
const SECRET: &str = "tell-nobody-7131";

/// The body of a response.
pub(super) fn body(response: &str) -> String {
    let (_, body) = response.split_once("\r\n\r\n").expect("a response has a head");
    let mut lines = String::new();
    let mut rest = body;
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).expect("a chunk begins with its length");
        lines += &after[..length];
        rest = after.get(length + 2..).unwrap_or_default();
    }
    lines
}

/// A directory of secrets.
fn secrets() -> RoutesDir {
    RoutesDir::new().with_file("stripe", &format!("{SECRET}\n"))
}

fn routes(guest: Guest, grant: &str) -> RoutesDir {
    RoutesDir::new().with_as("reach.wasm", guest).with_file("reach.toml", &format!("path = '/reach'\n{grant}"))
}

/// A server of a guest with what its route file says, and its secrets.
fn serve(guest: Guest, grant: &str) -> (TestServer, RoutesDir) {
    let secrets = secrets();
    let directory = secrets.path().to_owned();
    let server = TestServer::builder(routes(guest, grant)).config(|config| config.secrets = Some(directory)).start();
    (server, secrets)
}

#[test]
fn a_component_reads_its_settings_its_own_options_and_its_secrets() {
    let (server, _secrets) = serve(guest::REACH, GRANT);
    assert_eq!(server.diagnostics(), []);
    let found =
        body(&server.get("/reach?config=theme&config=mine&config=api_key&config=rate&config=none&env=LEVEL&env=KEY"));
    let expected = format!(
        "config: dark\nconfig: [1,2]\nconfig: {SECRET}\nconfig: none\nconfig: none\nenv: info\nenv: {SECRET}\n"
    );
    assert_eq!(found, expected);
    let all = format!("configs: [(\"api_key\", \"{SECRET}\"), (\"mine\", \"[1,2]\"), (\"theme\", \"dark\")]\n");
    assert_eq!(body(&server.get("/reach?configs")), all);
    assert_eq!(body(&server.get("/reach?secret=api_key")), "secret: Some(Secret(..))\n");
}

#[test]
fn a_component_of_the_standard_world_reads_them_by_both_versions_of_wasi_config() {
    let (server, _secrets) = serve(guest::REACH_WASI, GRANT);
    let found = body(&server.get("/reach?config=theme&draft=theme&config=none&draft=none&env=KEY"));
    assert_eq!(found, format!("config: dark\ndraft: dark\nconfig: none\ndraft: none\nenv: {SECRET}\n"));
    let all = format!("[(\"api_key\", \"{SECRET}\"), (\"mine\", \"[1,2]\"), (\"theme\", \"dark\")]");
    assert_eq!(body(&server.get("/reach?configs&drafts")), format!("configs: {all}\ndrafts: {all}\n"));
}

#[test]
fn variables_are_those_that_were_granted_in_every_world() {
    for guest in [guest::REACH, guest::REACH_WASI, guest::REACH_P3] {
        let (server, _secrets) = serve(guest, "[grant.env]\nLEVEL = 'info'\nPACKAGE = { from = 'CARGO_PKG_NAME' }\n");
        let found = body(&server.get("/reach?env=LEVEL&env=PACKAGE&env=HOME&env=PATH"));
        assert_eq!(found, "env: info\nenv: host\nenv: none\nenv: none\n", "{guest}");
    }
}

#[test]
fn without_a_grant_there_are_no_settings_and_no_variables() {
    for guest in [guest::REACH, guest::REACH_WASI] {
        let (server, _secrets) = serve(guest, "");
        assert_eq!(body(&server.get("/reach?configs&config=theme&env=PATH")), "configs: []\nconfig: none\nenv: none\n");
    }
}

#[test]
fn a_secret_that_changes_is_read_again_on_reload_by_routes_that_serve() {
    let (server, secrets) = serve(
        guest::REACH,
        "reuse = 100\n[grant]\nconfig = { key = { secret = 'stripe' } }\nenv = { KEY = { secret = 'stripe' } }",
    );
    assert_eq!(body(&server.get("/reach?config=key")), format!("config: {SECRET}\n"));
    secrets.write("stripe", "another");
    assert_eq!(body(&server.get("/reach?config=key")), format!("config: {SECRET}\n"));
    server.reload();
    assert_eq!(body(&server.get("/reach?config=key")), "config: another\n");
    secrets.remove("stripe");
    server.reload();
    assert_eq!(body(&server.get("/reach?config=key")), "config: another\n");
}

#[test]
fn a_grant_that_cannot_be_given_is_an_error_of_its_route_with_its_line() {
    for (grant, reason) in [
        (
            "[grant.config]\na = 1\nkey = { secret = 'none' }",
            "line 4: the grant `config.key` needs the secret `none`: ",
        ),
        (
            "[grant.env]\nKEY = { from = 'VIBRATO_IS_NOT_SET' }",
            "line 3: the grant `env.KEY` is from the environment variable `VIBRATO_IS_NOT_SET`, which the host does not have as text",
        ),
        (
            "[grant.files]\n\n'/data' = '/there/is/none'",
            "line 4: the directory /there/is/none cannot be opened: No such file or directory (os error 2)",
        ),
        (
            "[grant.files]\n'/data' = '/proc'",
            "line 3: the directory /proc cannot be granted: it is, is in, or has /proc",
        ),
    ] {
        let (server, _secrets) = serve(guest::REACH, grant);
        let [error] = server.diagnostics() else { panic!("{:?}", server.diagnostics()) };
        assert!(error.severity == Severity::Error && error.location.ends_with("/reach.toml"), "{error}");
        assert!(error.reason.starts_with(reason), "{error}");
        assert!(!error.remedy.is_empty() && server.get("/reach").starts_with("HTTP/1.1 404"));
    }
}

#[test]
fn a_wrong_grant_leaves_the_route_as_it_was() {
    let (server, _secrets) = serve(guest::REACH, GRANT);
    server.routes().write("reach.toml", "path = '/reach'\n[grant.config]\ntheme = { secret = 'none' }");
    server.reload();
    crate::support::log().wait_for(&["the grant `config.theme` needs the secret `none`"]);
    assert_eq!(body(&server.get("/reach?config=theme")), "config: dark\n");
}

#[test]
fn a_component_cannot_declare_grants_and_a_host_can_refuse_all() {
    let routes = routes(guest::REACH, GRANT);
    let mut check = host(&["check", "--no-grants", "--cache-dir"]);
    let output = run(check.arg(compile_cache()).arg(routes.path()));
    let printed = text(&output.stdout).replace(&routes.path().display().to_string(), "ROUTES");
    let expected = "\
error: ROUTES/reach.toml: line 5: this host grants nothing: it was started with --no-grants
  remedy: remove the table `[grant]`, or start the host without --no-grants
0 routes; 1 error, 0 warnings
";
    assert_eq!((printed.as_str(), output.status.code()), (expected, Some(1)));
}

#[test]
fn no_output_of_the_host_shows_a_secret() {
    let (directory, stored) = (routes(guest::REACH, GRANT), secrets());
    let [routes, secrets] = [&directory, &stored].map(|it| it.path().display().to_string());
    let cache = compile_cache().display().to_string();
    for command in
        [&["routes", "--routes", &routes] as &[&str], &["routes", "--json", "--routes", &routes], &["check", &routes]]
    {
        let output = run(host(command).args(["--secrets", &secrets, "--cache-dir", &cache]));
        assert_eq!(output.status.code(), Some(0), "{command:?}: {output:?}");
        for printed in [&output.stdout, &output.stderr] {
            assert!(!text(printed).contains(SECRET), "{command:?}: {}", text(printed));
        }
    }
    let output = run(host(&["routes", "--routes", &routes]).args(["--secrets", &secrets, "--cache-dir", &cache]));
    for line in [
        "grant config api_key = { secret = \"stripe\" }",
        "grant config theme = \"dark\"",
        "grant env KEY = { secret = \"stripe\" }",
        "grant env LEVEL = \"info\"",
    ] {
        assert!(text(&output.stdout).contains(line), "{}", text(&output.stdout));
    }
    // The log of a server in development mode, and its page.
    let server = Process::start(&directory, &["--secrets", &secrets, "--dev", "--dev-host", "it"]);
    assert!(server.get("/reach?secret=api_key&print=printed").starts_with("HTTP/1.1 200"));
    stored.remove("stripe");
    server.signal("HUP");
    server.stderr().wait_for(&["the secret `stripe` keeps its text"]);
    assert_eq!(server.stderr().with(&[SECRET]), Vec::<String>::new());
    assert!(!server.get("/reach/none").contains(SECRET));
}

#[test]
fn routes_shows_each_grant_as_its_route_file_has_it() {
    let grant = "[grant]\nhttp = ['https://a.example', 'https://*.b.example:8443']\n\
                 config = { 'two words' = 1, api_key = 'hunter2' }";
    let directory = routes(guest::REACH, grant);
    let shown = |arguments: &[&str]| {
        let mut command = host(&["routes", "--cache-dir"]);
        run(command.arg(compile_cache()).arg("--routes").arg(directory.path()).args(arguments))
    };
    let text_output = shown(&[]);
    for line in [
        "    grant http = https://a.example\n",
        "    grant http = https://*.b.example:8443\n",
        "    grant config \"two words\" = \"1\"\n",
        "    grant config api_key = \"…\"\n",
    ] {
        assert!(text(&text_output.stdout).contains(line), "{}", text(&text_output.stdout));
    }
    let table: serde_json::Value = serde_json::from_slice(&shown(&["--json"]).stdout).expect("it prints JSON");
    let expected = serde_json::json!({
        "config": { "two words": "\"1\"", "api_key": "\"…\"" },
        "http": ["https://a.example", "https://*.b.example:8443"],
    });
    assert_eq!(table["routes"][0]["grant"], expected);
}

#[test]
fn a_single_call_is_granted_what_a_file_says() {
    let (routes, files) =
        (routes(guest::REACH, ""), RoutesDir::new().with_file("grant.toml", "[grant.config]\ntheme = 'blue'\n"));
    let component = routes.path().join("reach.wasm");
    let grant = files.path().join("grant.toml");
    let call = |target: &str, grant: &Path| {
        let mut call = host(&["call", "--cache-dir"]);
        run(call.arg(compile_cache()).arg("--grant").arg(grant).arg(&component).args(["--path", target]))
    };
    let output = call("/reach?config=theme", &grant);
    assert!(text(&output.stdout).contains("config: blue\n"), "{output:?}");
    files.write("grant.toml", "[grant.config]\ntheme = []\n");
    let output = call("/reach", &grant);
    let told = text(&output.stderr);
    assert!(
        told.contains("grant.toml: line 2: the grant `config.theme` is something else") && told.contains("remedy: "),
        "{told}"
    );
    files.write("grant.toml", "rate = 1\n");
    assert!(text(&call("/reach", &grant).stderr).contains("has no table `[grant]`"));
}

#[test]
fn check_says_which_imports_want_a_grant_and_which_grants_nothing_imports() {
    let routes = routes(guest::REACH, "");
    let check = || {
        let output = run(host(&["check", "--cache-dir"]).arg(compile_cache()).arg(routes.path()));
        text(&output.stdout).replace(&routes.path().display().to_string(), "ROUTES")
    };
    let note = "note: ROUTES/reach.wasm: it imports `vibrato:handler/config@0.1.0`, and `config` is not granted in ROUTES/reach.toml\n";
    let unreached = "note: ROUTES/reach.wasm: it imports files, environment variables without a grant, and finds none; its \
                     language may do that by itself\n";
    assert_eq!(check(), format!("{note}{unreached}1 route; 0 errors, 0 warnings\n"));
    routes.write("reach.toml", "path = '/reach'\n[grant]\nconfig = { a = 1 }");
    assert_eq!(check(), format!("{unreached}1 route; 0 errors, 0 warnings\n"));
    fs::copy(guest::HELLO.path(), routes.path().join("reach.wasm")).expect("a file can be copied");
    let expected = "\
warning: ROUTES/reach.toml: line 3: `config` is granted, and the component imports no interface for it
  remedy: remove the grant, or build the component with that interface
1 route; 0 errors, 1 warning
";
    assert_eq!(check(), expected);
}
