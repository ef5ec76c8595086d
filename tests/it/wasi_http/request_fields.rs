//! Fields of requests that the host sets for a component of wasi:http: the table `[request-fields]` of a route file.

use std::process::Output;

use serde_json::Value;

use crate::support::wire::get;
use crate::support::{RoutesDir, TestServer, compile_cache, guest, host, log, plain, run, text};

use super::worlds::{WORLDS, World, report_in, reported};

const TABLE: &str = "\
[request-fields]
X-Addr = 'peer'
x-id = 'id'
x-page = 'param:page'
x-user = 'context:user'
";

const PATHS: &str = "paths = ['/script', '/pages/{page}']\n";

/// The guest of a version at two paths with this route file, behind the guest `layer`, which is named `a`.
fn routes(world: World, name: &str, route_file: &str) -> RoutesDir {
    let route = world.route(name);
    RoutesDir::new()
        .with_as("_middleware.wasm", guest::LAYER)
        .with_file("_middleware.toml", "name = 'a'")
        .with_as(&format!("{route}.wasm"), world.script)
        .with_file(&format!("{route}.toml"), route_file)
}

#[track_caller]
fn serve(world: World, name: &str, route_file: &str) -> TestServer {
    let server = TestServer::start(routes(world, name, route_file));
    assert_eq!(server.diagnostics(), [], "{world:?}");
    server
}

/// The fields that the guest sees of a GET of `target` with these lines, each `NAME=VALUE;`.
#[track_caller]
fn fields(server: &TestServer, target: &str, lines: &str) -> String {
    let between = if target.contains('?') { '&' } else { '?' };
    let request =
        format!("GET {target}{between}ask=fields&report HTTP/1.1\r\nHost: it\r\n{lines}Connection: close\r\n\r\n");
    let report = report_in(&server.exchange(request)).join("\n");
    report.strip_prefix("fields: ").unwrap_or_else(|| panic!("{report}")).to_owned()
}

#[test]
fn a_component_sees_what_the_host_knows_as_fields() {
    for world in WORLDS {
        let server = serve(world, "knows", &format!("{PATHS}{TABLE}"));
        let seen = fields(&server, "/pages/7%20a?a=vouch:user=Ada", "Accept: a\r\n");
        assert_eq!(seen, "x-addr=127.0.0.1;x-id=1;x-page=7 a;x-user=Ada;accept=a;", "{world:?}");
        // Each by its name too, in any case.
        let report = reported(&server, "ask=field:X-ADDR&ask=field:x-user&a=vouch:user=Bob");
        assert_eq!(report, ["field:X-ADDR: 127.0.0.1", "field:x-user: Bob"], "{world:?}");
    }
}

#[test]
fn the_id_is_that_in_the_log() {
    for world in WORLDS {
        let server = serve(world, "logged_id", &format!("{PATHS}{TABLE}"));
        for id in ["1", "2"] {
            let report = reported(&server, "stderr=of%20this%20id&ask=field:x-id");
            assert_eq!(report, [format!("field:x-id: {id}")], "{world:?}");
            log().wait_for(&["of this id", &world.route("logged_id"), &format!("request={id} ")]);
        }
    }
}

#[test]
fn a_source_without_a_value_or_with_one_that_no_field_has_makes_no_field() {
    for world in WORLDS {
        let server = serve(world, "valueless", &format!("{PATHS}{TABLE}"));
        let seen = |target: &str| {
            let seen = fields(&server, target, "");
            let known: Vec<&str> = seen.split_inclusive(';').filter(|field| !field.starts_with("x-id=")).collect();
            known.concat()
        };
        for (target, expected) in [
            ("/script", "x-addr=127.0.0.1;"),
            // A middleware leaves bytes of any kind.
            ("/script?a=vouch:user=a%0D%0Ax-admin:%201", "x-addr=127.0.0.1;"),
            ("/script?a=vouch:user=a%00", "x-addr=127.0.0.1;"),
            ("/script?a=vouch:user=%20a", "x-addr=127.0.0.1;"),
            ("/script?a=vouch:user=", "x-addr=127.0.0.1;x-user=;"),
            ("/script?a=vouch:user=%C3%A4%09b", "x-addr=127.0.0.1;x-user=\\xc3\\xa4\\tb;"),
            // What a middleware has sealed without a value.
            ("/script?a=vouch:user", "x-addr=127.0.0.1;"),
            ("/pages/a%0D%0Ab", "x-addr=127.0.0.1;"),
            ("/pages/a%7F", "x-addr=127.0.0.1;"),
            ("/pages/%20a", "x-addr=127.0.0.1;"),
            ("/pages/%C3%A4", "x-addr=127.0.0.1;x-page=\\xc3\\xa4;"),
        ] {
            assert_eq!(seen(target), expected, "{target} of {world:?}");
        }
    }
}

#[test]
fn a_client_cannot_send_a_field_that_the_host_sets() {
    let spoofs = [
        "x-user: Eve\r\n",
        "X-USER: Eve\r\n",
        "X-User:Eve\r\nx-user:\tEve \r\nx-uSER: \r\n",
        "x_user: Eve\r\n",
        "X_User: Eve\r\nX-User: Eve\r\n",
        "Connection: x-user\r\nX-User: Eve\r\n",
        "X-User: Eve\r\nConnection: X-USER, close\r\n",
        "Connection: x_user, x-user, x-addr, x-page, x-id\r\nx_user: Eve\r\n",
        "X-Addr: 10.0.0.1\r\nx-page: 8\r\nX-ID: 9\r\nx_addr: 10.0.0.1\r\nx_page: 8\r\nx_id: 9\r\nx-user: Eve, Ada\r\n",
    ];
    for world in WORLDS {
        let server = serve(world, "spoofed", &format!("{PATHS}{TABLE}"));
        for (number, spoof) in (0..).zip(spoofs) {
            let first = 1 + 2 * number;
            let seen = fields(&server, "/pages/7?a=vouch:user=Ada", spoof);
            assert_eq!(seen, format!("x-addr=127.0.0.1;x-id={first};x-page=7;x-user=Ada;"), "{spoof} of {world:?}");
            // There is no user, and the path captures nothing.
            let seen = fields(&server, "/script", spoof);
            assert_eq!(seen, format!("x-addr=127.0.0.1;x-id={};", first + 1), "{spoof} of {world:?}");
        }
        // Other names are the client's.
        let seen = fields(&server, "/script", "x-users: Eve\r\nuser: Eve\r\nx--user: Eve\r\n");
        assert!(seen.ends_with(";x-users=Eve;user=Eve;x--user=Eve;"), "{seen} of {world:?}");
    }
}

#[test]
fn a_line_that_is_no_field_reaches_no_component() {
    for world in WORLDS {
        let server = serve(world, "no_lines", &format!("{PATHS}{TABLE}"));
        for line in [
            "x-user : Eve",
            " x-user: Eve",
            "x-\r\nuser: Eve",
            "x-user: a\r\n Eve",
            "x-user\0: Eve",
            "x-us\u{e9}r: Eve",
        ] {
            let request =
                format!("GET /script?ask=fields&report HTTP/1.1\r\nHost: it\r\n{line}\r\nConnection: close\r\n\r\n");
            let response = server.exchange(request);
            assert!(response.starts_with("HTTP/1.1 400 "), "{line:?}: {response} of {world:?}");
        }
    }
}

#[test]
fn a_client_cannot_send_such_a_field_as_a_trailer() {
    for world in WORLDS {
        let server = serve(world, "trailing", &format!("{PATHS}{TABLE}"));
        let response = server.exchange(
            "POST /script?read&trailers&report HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
             1\r\na\r\n0\r\nX-User: Eve\r\nx_user: Eve\r\nx-sum: 1\r\nx-addr: 10.0.0.1\r\n\r\n",
        );
        assert_eq!(report_in(&response), ["read: 1 and closed", "trailers: x-sum=1;"], "{world:?}");
    }
}

#[test]
fn fields_of_a_full_head_do_not_displace_those_of_the_host() {
    for world in WORLDS {
        let server = serve(world, "displaced", &format!("{PATHS}{TABLE}"));
        let many: String = (0..96).map(|number| format!("x-{number}: {}\r\n", "x".repeat(300))).collect();
        let seen = fields(&server, "/script?a=vouch:user=Ada", &many);
        assert!(seen.starts_with("x-addr=127.0.0.1;x-id=1;x-user=Ada;x-0=xxx"), "{seen} of {world:?}");
    }
}

#[test]
fn a_field_that_the_component_knows_by_another_name_can_be_set() {
    for world in WORLDS {
        let table = "[request-fields]\nauthorization = 'context:user'\nforwarded = 'peer'\nAccept = 'id'";
        let server = serve(world, "well_known", &format!("{PATHS}{table}"));
        let seen = fields(
            &server,
            "/script?a=vouch:user=Ada",
            "Authorization: Basic RXZl\r\nAccept: a\r\nForwarded: for=a\r\n",
        );
        assert_eq!(seen, "accept=1;authorization=Ada;forwarded=127.0.0.1;", "{world:?}");
    }
}

#[test]
fn middleware_sees_what_the_client_has_sent() {
    for world in WORLDS {
        // The guest at `/own` is of the own world, and sees the request as middleware does.
        let routes = routes(world, "unset", &format!("{PATHS}{TABLE}")).with_as("own.wasm", guest::SCRIPT);
        let server = TestServer::start(routes.with_file("own.toml", "path = '/own'"));
        assert_eq!(server.diagnostics(), []);
        let own = server.exchange(
            "GET /own?ask=field:x-user&report HTTP/1.1\r\nHost: it\r\nX-User: Eve\r\nConnection: close\r\n\r\n",
        );
        assert!(own.contains("field:x-user: Eve\n"), "{own}");
    }
}

#[test]
fn a_table_that_the_route_cannot_have_is_an_error() {
    for world in WORLDS {
        let name = world.route("refused_table");
        for (route_file, reason, remedy) in [
            (
                "path = '/script'\n[request-fields]\nx-page = 'param:page'",
                "line 3: the request field `x-page` is from the capture `page`, which no path of the route has",
                "capture it, as in `path = \"/{page}\"`, or remove the field",
            ),
            (
                "path = '/{name}/{*rest}'\n[request-fields]\nx-a = 'peer'\nx-page = 'param:page'\nx-rest = 'param:rest'",
                "line 4: the request field `x-page` is from the capture `page`, which no path of the route has",
                "name one that it has, as in \"param:name\"",
            ),
            (
                "[request-fields]\nx-a = 'address'",
                "line 2: the request field `x-a` is from \"address\"; expected \"peer\", \"id\", \"context:NAME\" or \
                 \"param:NAME\", as in \"context:user\"",
                "write what is expected in its place",
            ),
        ] {
            let server = TestServer::start(routes(world, "refused_table", route_file));
            let [error] = server.diagnostics() else { panic!("{:?}", server.diagnostics()) };
            assert_eq!((&*error.reason, &*error.remedy), (reason, remedy), "{world:?}");
            assert!(error.location.ends_with(&format!("{name}.toml")), "{error}");
            assert!(server.get("/script").starts_with("HTTP/1.1 404 "), "{world:?}");
        }
    }
}

#[test]
fn handlers_of_the_own_world_and_middleware_have_no_such_table() {
    let table = "rate = 1\n[request-fields]\nx-user = 'context:user'";
    let routes = RoutesDir::new().with_bytes("plain.wasm", &plain()).with_file("plain.toml", table);
    let server = TestServer::start(routes);
    let [error] = server.diagnostics() else { panic!("{:?}", server.diagnostics()) };
    assert_eq!(
        error.reason,
        "line 2: `request-fields` is for handlers of wasi:http, and this one is of vibrato:handler"
    );
    assert!(server.get("/plain").starts_with("HTTP/1.1 404 "), "it would see the field of the client");
    let routes = RoutesDir::new().with_as("_middleware.wasm", guest::LAYER).with_file("_middleware.toml", table);
    let server = TestServer::start(routes);
    let [error] = server.diagnostics() else { panic!("{:?}", server.diagnostics()) };
    assert_eq!(error.reason, "line 2: a middleware has no `request-fields`");
    // One that is empty says nothing.
    let routes = RoutesDir::new().with_bytes("plain.wasm", &plain()).with_file("plain.toml", "[request-fields]");
    assert_eq!(TestServer::start(routes).diagnostics(), []);
}

#[test]
fn a_wrong_table_leaves_the_version_before_it_and_a_good_one_takes_effect() {
    for world in WORLDS {
        let routes = routes(world, "reloaded", &format!("{PATHS}{TABLE}"));
        let server = TestServer::builder(routes).watched().start();
        let file = format!("{}.toml", world.route("reloaded"));
        let user = || reported(&server, "ask=field:x-user&a=vouch:user=Ada");
        let place = server.routes().path().join(&file).display().to_string();
        for (wrong, reason) in [
            ("x-user = 'nobody'", "line 3: the request field `x-user` is from \"nobody\""),
            ("x-user = 'peer'\nX-USER = 'peer'", "line 3: the request field `x-user` has the same name as `x-user`"),
            ("x-user = 'param:none'", "line 3: the request field `x-user` is from the capture `none`"),
            ("Connection = 'peer'", "line 3: the request field `Connection` is of the connection or of the body"),
        ] {
            server.routes().write(&file, format!("{PATHS}[request-fields]\n{wrong}"));
            log().wait_for(&["ERROR", &place, reason, "; the version before it still serves"]);
            assert_eq!(user(), ["field:x-user: Ada"], "{wrong} of {world:?}");
        }
        let more = format!("status = 201\n{PATHS}{TABLE}x-more = 'context:user'\n");
        server.routes().write(&file, more.replace("'context:user'", "'context:trace'"));
        server.wait_for("/script?set&finish", "201");
        let response = server.get("/script?ask=field:x-user&ask=field:x-more&a=vouch:user=Ada&status=200&report");
        assert_eq!(report_in(&response)[..2], ["field:x-user: a", "field:x-more: a"], "{world:?}");
    }
}

#[test]
fn a_field_that_is_removed_stays_until_the_operator_confirms_that() {
    for world in WORLDS {
        let routes = routes(world, "removed", &format!("{PATHS}{TABLE}"));
        let server = TestServer::builder(routes).watched().start();
        let route = world.route("removed");
        let place = server.routes().path().join(format!("{route}.wasm")).display().to_string();
        let file = format!("{route}.toml");
        let seen = || {
            let request =
                "GET /script?ask=field:x-user&report HTTP/1.1\r\nHost: it\r\nX-User: Eve\r\nConnection: close\r\n\r\n";
            report_in(&server.exchange(request)).concat()
        };
        let all = "its request field `x-addr`, its request field `x-id`, its request field `x-page`, its request field `x-user`";
        type Change = fn(&RoutesDir, &str);
        let changes: [(&str, Change); 3] = [
            ("its request field `x-user`", |routes, file| {
                routes.write(file, format!("{PATHS}{}", TABLE.replace("x-user", "x-name")));
            }),
            (all, |routes, file| routes.write(file, PATHS)),
            (all, |routes, file| routes.remove(file)),
        ];
        for (lost, change) in changes {
            change(server.routes(), &file);
            let lost = format!("it has lost {lost}; the version before it still serves");
            log().wait_for(&["ERROR", &place, &lost]);
            assert_eq!(seen(), "field:x-user: ", "{lost} of {world:?}");
        }
        server.routes().write(&file, PATHS);
        server.reload();
        let start = std::time::Instant::now();
        while seen() != "field:x-user: Eve" {
            assert!(start.elapsed() < crate::support::TIMEOUT, "the operator has confirmed it");
        }
    }
}

/// Runs a command of the host on these arguments.
fn command(name: &str, arguments: &[&str]) -> Output {
    run(host(&[name, "--cache-dir"]).arg(compile_cache()).args(arguments))
}

#[test]
fn the_commands_show_and_honour_the_table() {
    for world in WORLDS {
        let routes = routes(world, "shown", &format!("{PATHS}{TABLE}"));
        let directory = routes.path().display().to_string();
        let component = format!("{directory}/{}.wasm", world.route("shown"));
        let printed = command("routes", &["--routes", &directory]);
        let lines = "\
            behind _middleware
           request field x-addr = peer (file)
           request field x-id = id (file)
           request field x-page = param:page (file)
           request field x-user = context:user (file)
";
        assert!(text(&printed.stdout).contains(lines.trim_start()), "{printed:?} of {world:?}");
        let printed = command("routes", &["--json", "--routes", &directory]);
        let table: Value = serde_json::from_slice(&printed.stdout).expect("it prints JSON");
        let expected =
            serde_json::json!({ "x-addr": "peer", "x-id": "id", "x-page": "param:page", "x-user": "context:user" });
        assert_eq!(table["routes"][0]["request-fields"], expected, "{world:?}");
        let called = command("call", &[&component, "--path", "/pages/7?ask=fields&report", "--field", "X-User: Eve"]);
        let response = text(&called.stdout);
        assert!(response.ends_with("\r\n\r\nfields: x-addr=127.0.0.1;x-id=1;x-page=7;\n"), "{called:?} of {world:?}");
        routes.write(&format!("{}.toml", world.route("shown")), "[request-fields]\nHost = 'peer'");
        for place in [&directory, &component] {
            let checked = command("check", &[place]);
            let reason =
                "line 2: the request field `Host` is of the connection or of the body, and cannot be set\n  remedy: ";
            assert!(text(&checked.stdout).contains(reason), "{checked:?} of {world:?}");
            assert_eq!(checked.status.code(), Some(1), "{world:?}");
        }
    }
}

#[test]
fn nothing_of_one_request_reaches_the_next_in_the_same_instance() {
    for world in WORLDS {
        let server = serve(world, "reused_fields", &format!("reuse = 100\n{PATHS}{TABLE}"));
        let mut client = server.connect();
        for (target, expected) in [
            ("/pages/7?a=vouch:user=Ada", "x-addr=127.0.0.1;x-id=1;x-page=7;x-user=Ada;"),
            ("/script?calls", "x-addr=127.0.0.1;x-id=2;"),
            ("/pages/8?a=vouch:user=Bob", "x-addr=127.0.0.1;x-id=3;x-page=8;x-user=Bob;"),
        ] {
            let between = if target.contains('?') { '&' } else { '?' };
            client.send(get(&format!("{target}{between}ask=fields&report")));
            let report = report_in(&client.read_response());
            assert_eq!(report.last(), Some(&format!("fields: {expected}")), "{report:?} of {world:?}");
        }
    }
}
