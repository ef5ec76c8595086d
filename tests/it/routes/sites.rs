//! Sites: the routes of a host name, and that nothing of one site reaches another.

use host::config::ErrorDetail;
use serde_json::Value;

use crate::support::{Client, Process, RoutesDir, TestServer, compile_cache, guest, host, plain, run, text};

/// A routes directory with a route at each of these places, which answers with this status.
fn routes(places: &[(&str, u16)]) -> RoutesDir {
    places.iter().fold(RoutesDir::new(), |routes, (place, status)| with_route(routes, place, *status))
}

fn with_route(routes: RoutesDir, place: &str, status: u16) -> RoutesDir {
    let routes = routes.with_bytes(&format!("{place}.wasm"), &plain());
    routes.with_file(&format!("{place}.toml"), &format!("status = {status}"))
}

/// The middleware `layer`, which leaves this name in `X-Trace`.
fn with_layer(routes: RoutesDir, place: &str, name: &str) -> RoutesDir {
    let routes = routes.with_as(&format!("{place}.wasm"), guest::LAYER);
    routes.with_file(&format!("{place}.toml"), &format!("name = '{name}'"))
}

fn serve(routes: RoutesDir) -> TestServer {
    let server = TestServer::start(routes);
    assert_eq!(server.diagnostics(), []);
    server
}

/// A request for a target of a host.
fn request(host: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

fn ask(server: &TestServer, host: &str, target: &str) -> String {
    server.exchange(request(host, target))
}

fn status(response: &str) -> u16 {
    response.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no response: {response:?}"))
}

#[track_caller]
fn assert_statuses(server: &TestServer, cases: &[(&str, &str, u16)]) {
    for (host, target, expected) in cases {
        assert_eq!(status(&ask(server, host, target)), *expected, "{host}{target}");
    }
}

/// The value of `X-Trace`, which shows the middleware that has seen a response.
fn trace(response: &str) -> Option<&str> {
    response.lines().find_map(|line| line.strip_prefix("x-trace: "))
}

#[test]
fn a_request_is_answered_by_the_site_of_its_name_and_by_no_other() {
    let server = serve(routes(&[
        ("@example.org/index", 201),
        ("@example.org/in/[id]", 202),
        ("@*.example.org/index", 203),
        ("@[2001:db8::1]/index", 206),
        ("index", 205),
        ("outside", 200),
    ]));
    assert_statuses(
        &server,
        &[
            ("example.org", "/", 201),
            ("EXAMPLE.org:8443", "/", 201),
            ("example.org.", "/", 201),
            ("example.org", "/in/7", 202),
            ("example.org", "/outside", 404),
            ("example.org", "/@example.org/", 404),
            ("www.example.org", "/", 203),
            ("a.b.Example.ORG.:1", "/", 203),
            ("www.example.org", "/in/7", 404),
            ("[2001:DB8:0::1]:80", "/", 206),
            ("other.test", "/", 205),
            ("other.test", "/outside", 200),
            ("other.test", "/in/7", 404),
            ("notexample.org", "/", 205),
            ("example.org.other.test", "/", 205),
            ("%65xample.org", "/", 205),
            ("default", "/", 205),
        ],
    );
}

#[test]
fn the_authority_of_an_absolute_target_counts_and_a_request_without_one_is_for_the_default_site() {
    let server = serve(routes(&[("@a.test/index", 201), ("@b.test/index", 202), ("@default/index", 203)]));
    for (request, expected) in [
        ("GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n", 201),
        ("GET http://A.TEST:80 HTTP/1.0\r\nHost: b.test\r\n\r\n", 201),
        ("GET http://b.test/ HTTP/1.0\r\n\r\n", 202),
        ("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n", 201),
        ("GET / HTTP/1.0\r\n\r\n", 203),
        ("GET http://c.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", 203),
    ] {
        assert_eq!(status(&server.exchange(request)), expected, "{request}");
    }
}

#[test]
fn a_name_without_a_site_gets_421_if_there_is_no_default_site_and_the_connection_goes_on() {
    let server = serve(routes(&[("@a.test/index", 201)]));
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: b.test:80\r\n\r\n");
    client.read_until("HTTP/1.1 421 Misdirected Request\r\n");
    client.read_until("there is no site b.test here");
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.read_until("HTTP/1.1 201 Created\r\n");
    let nameless = server.exchange("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(status(&nameless), 421);
    assert!(nameless.contains("the request names no host, and there is no default site"), "{nameless}");
    for method in ["OPTIONS *", "OPTIONS /", "BREW /", "POST /none"] {
        let asked = |host: &str| {
            status(&server.exchange(format!("{method} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")))
        };
        assert_eq!(asked("b.test"), 421, "{method}");
        assert_ne!(asked("a.test"), 421, "{method}");
    }
    // Whatever a client calls it, and as long as it likes.
    let long = format!("{}b.test", "a.".repeat(4_000));
    let told = ask(&server, &long, "/");
    assert!(status(&told) == 421 && told.len() < 1_000, "{}", told.len());
}

#[test]
fn hosts_that_are_none_get_400_before_a_site_is_looked_for() {
    let server = serve(routes(&[("@a.test/index", 201), ("index", 203)]));
    for host in
        ["", "a.test:x", "a.test:99999", "u@a.test", "a.test/", "a test", "[::1", "a.test, b.test", "a.t\u{e9}st"]
    {
        assert_eq!(status(&ask(&server, host, "/")), 400, "{host}");
    }
    let twice = "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&server.exchange(twice)), 400);
}

#[test]
fn the_methods_of_one_site_are_none_of_another() {
    let brews = |routes: RoutesDir, site: &str, method: &str| {
        let place = format!("{site}/pot");
        routes
            .with_bytes(&format!("{place}.wasm"), &plain())
            .with_file(&format!("{place}.toml"), &format!("method = '{method}'"))
    };
    let server = serve(brews(brews(RoutesDir::new(), "@a.test", "BREW"), "@b.test", "GET"));
    let send = |host: &str, line: &str| {
        server.exchange(format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    };
    assert_eq!(status(&send("a.test", "BREW /pot")), 200);
    assert_eq!(status(&send("b.test", "BREW /pot")), 501);
    assert!(send("a.test", "OPTIONS *").contains("\r\nAllow: OPTIONS, BREW\r\n"), "{}", send("a.test", "OPTIONS *"));
    assert!(
        send("b.test", "OPTIONS *").contains("\r\nAllow: GET, HEAD, OPTIONS\r\n"),
        "{}",
        send("b.test", "OPTIONS *")
    );
}

#[test]
fn middleware_keeps_to_its_site_and_a_route_cannot_name_that_of_another() {
    let directory =
        routes(&[("index", 200), ("@a.test/index", 200), ("@b.test/index", 200), ("@default/in/index", 200)]);
    let directory = with_layer(with_layer(directory, "_middleware", "root"), "@a.test/_middleware", "a");
    // It guards its path wherever a route of its site answers there, and nowhere else.
    let directory = with_layer(directory, "@a.test/_paths", "paths");
    let directory = directory.with_file("@a.test/_paths.toml", "name = 'paths'\npaths = ['/{*rest}']");
    let server = serve(directory);
    for (host, target, expected) in [
        ("a.test", "/", Some("pathsa")),
        ("b.test", "/", None),
        ("c.test", "/", Some("root")),
        // What is in `@default` is of the same site as what is outside of all sites.
        ("c.test", "/in", Some("root")),
    ] {
        let answer = ask(&server, host, target);
        assert_eq!(status(&answer), 200, "{answer}");
        let seen = trace(&answer).map(|trace| if trace.len() == 6 { "pathsa".to_owned() } else { trace.to_owned() });
        assert_eq!(seen.as_deref(), expected, "{host}{target}: {answer}");
    }
    let names = with_layer(routes(&[]), "_auth", "root");
    let names =
        names.with_bytes("@a.test/index.wasm", &plain()).with_file("@a.test/index.toml", "middleware = ['auth']");
    let server = TestServer::start(names);
    let told: Vec<String> = server.diagnostics().iter().map(ToString::to_string).collect();
    assert!(told.concat().contains("its middleware `auth` is not there"), "{told:?}");
    assert_eq!(status(&ask(&server, "a.test", "/")), 404);
}

#[test]
fn the_same_path_in_two_sites_is_no_conflict_and_in_the_default_site_it_is() {
    let server = serve(routes(&[("@a.test/x", 201), ("@b.test/x", 202), ("x", 203)]));
    assert_statuses(&server, &[("a.test", "/x", 201), ("b.test", "/x", 202), ("c.test", "/x", 203)]);
    let server = TestServer::start(routes(&[("@default/x", 201), ("x", 202), ("@a.test/x", 203)]));
    let told: Vec<String> = server.diagnostics().iter().map(ToString::to_string).collect();
    assert!(told.concat().contains("is claimed by"), "{told:?}");
    assert_statuses(&server, &[("a.test", "/x", 203), ("c.test", "/x", 404)]);
}

#[test]
fn a_component_declares_paths_of_its_site_alone() {
    let directory = RoutesDir::new().with_as("@a.test/declares.wasm", guest::SCRIPT);
    let server = serve(directory.with_bytes("index.wasm", &plain()));
    assert_statuses(&server, &[("a.test", "/script?body=a", 200), ("b.test", "/script?body=a", 404)]);
}

#[test]
fn a_name_whose_routes_are_all_broken_is_not_answered_by_the_default_site() {
    let directory = routes(&[("index", 200)]).with_bytes("@a.test/index.wasm", b"no component");
    std::fs::create_dir_all(directory.path().join("@empty.test")).expect("it can be made");
    let server = TestServer::start(directory);
    assert_statuses(
        &server,
        &[("a.test", "/", 404), ("a.test", "/x", 404), ("empty.test", "/", 404), ("b.test", "/", 200)],
    );
}

#[test]
fn directories_that_name_no_host_are_told_and_not_served() {
    let directory = routes(&[
        ("@/index", 201),
        ("@exa mple/index", 201),
        ("@Example.org/index", 201),
        ("@example.org./index", 201),
        ("@example.org:80/index", 201),
        ("@b\u{fc}cher.example/index", 201),
        ("@*/index", 201),
        ("@example.org/index", 202),
        ("in/@user/index", 203),
        ("@file", 204),
    ]);
    let server = TestServer::start(directory);
    let told: Vec<String> = server.diagnostics().iter().map(ToString::to_string).collect();
    for (place, remedy) in [
        ("@", "name it `@example.org`"),
        ("@exa mple", "use letters, digits, `-`, `_` and dots"),
        ("@Example.org", "rename it in lower case"),
        ("@example.org.", "leave the dot at the end out"),
        ("@example.org:80", "leave the port out"),
        ("@b\u{fc}cher.example", "write its A-labels, as in `@xn--bcher-kva.example`"),
        ("@*", "`@default` for all names without a site"),
    ] {
        let is_of_place = |line: &&String| line.contains(&format!("/{place}: it is no site: "));
        let line = told.iter().find(is_of_place).unwrap_or_else(|| panic!("{place}: {told:#?}"));
        assert!(line.starts_with("error: ") && line.contains(remedy), "{line}");
    }
    assert_eq!(told.len(), 7, "{told:#?}");
    assert_statuses(
        &server,
        &[
            ("example.org", "/", 202),
            ("other.test", "/", 404),
            // Only a directory at the top is a site.
            ("other.test", "/in/@user", 203),
            ("other.test", "/@file", 204),
        ],
    );
}

#[test]
fn sites_come_and_go_while_the_host_runs() {
    let server = TestServer::builder(routes(&[("index", 200)])).watched().start();
    let wait_for = |host: &str, expected: u16| {
        crate::support::wait_until(host, || status(&ask(&server, host, "/")) == expected);
    };
    wait_for("a.test", 200);
    server.routes().write("@a.test/index.wasm", plain());
    server.routes().write("@a.test/index.toml", "status = 201");
    wait_for("a.test", 201);
    assert_eq!(status(&ask(&server, "b.test", "/")), 200);
    server.routes().write("@a.test/index.toml", "status = 202");
    wait_for("a.test", 202);
    // Without a file left, its name has no routes; without its directory, it is a name like any other.
    server.routes().remove("@a.test/index.wasm");
    server.routes().remove("@a.test/index.toml");
    wait_for("a.test", 404);
    std::fs::remove_dir(server.routes().path().join("@a.test")).expect("it is empty");
    wait_for("a.test", 200);
}

#[test]
fn a_link_gives_a_site_a_second_name() {
    let directory = routes(&[("@example.org/index", 201)]);
    std::os::unix::fs::symlink("@example.org", directory.path().join("@www.example.org")).expect("it can be linked");
    let server = serve(directory);
    assert_statuses(&server, &[("example.org", "/", 201), ("www.example.org", "/", 201), ("a.test", "/", 421)]);
}

#[test]
fn two_sites_hear_nothing_of_each_others_topics() {
    let script = |routes: RoutesDir, site: &str| {
        let directory = routes.with_as(&format!("{site}/script.wasm"), guest::SCRIPT);
        directory.with_file(&format!("{site}/script.toml"), "path = '/script'\ntopics = 'chat'")
    };
    let server = serve(script(script(script(RoutesDir::new(), "@a.test"), "@b.test"), "in"));
    let listen = |host: &str, path: &str| -> Client {
        let mut client = server.connect();
        client.send(request(host, &format!("{path}?subscribe=t&write=one&manual")));
        client.read_until("one");
        client
    };
    let mut listeners = [listen("a.test", "/script"), listen("b.test", "/script"), listen("c.test", "/script")];
    for (host, path) in [("a.test", "/script"), ("b.test", "/script"), ("c.test", "/script")] {
        let told = ask(&server, host, &format!("{path}?publish=t:{host}&report"));
        assert!(told.contains("publish: 1\n"), "{host}: {told}");
    }
    for (listener, host) in listeners.iter_mut().zip(["a.test", "b.test", "c.test"]) {
        listener.read_until(host);
    }
}

#[test]
fn what_a_client_may_have_of_one_site_does_not_count_for_another() {
    let limited = |routes: RoutesDir, site: &str| {
        let routes = routes.with_as(&format!("{site}/script.wasm"), guest::SCRIPT);
        routes.with_file(
            &format!("{site}/script.toml"),
            "rate = 1\nburst = 20_000\nrate_scope = 'client'\nconcurrency = 1",
        )
    };
    let server = serve(limited(limited(RoutesDir::new(), "@a.test"), "@b.test"));
    // It takes all that the client may have of the one site, and is still being sent.
    let mut slow = server.connect();
    slow.send(request("a.test", "/script?body-bytes=40000"));
    slow.read_exactly(1_000);
    let answer = ask(&server, "b.test", "/script?body-bytes=10000");
    assert_eq!(status(&answer), 200);
    assert!(answer.len() > 10_000, "{}", answer.len());
    assert_eq!(status(&ask(&server, "a.test", "/script?body=a")), 503, "it is the only one at once there");
}

#[test]
fn the_routes_of_sites_are_printed_with_their_names() {
    let directory =
        routes(&[("@example.org/shop/[id]", 200), ("@*.example.org/index", 200), ("@default/a", 200), ("b", 200)]);
    let print = |arguments: &[&str]| {
        let output = run(host(&["routes", "--cache-dir"])
            .arg(compile_cache())
            .arg("--routes")
            .arg(directory.path())
            .args(arguments));
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout).to_owned()
    };
    let printed = print(&[]);
    for shown in ["  example.org/shop/{id}  ", "  *.example.org/ ", "  /a ", "  /b "] {
        assert!(printed.contains(shown), "{shown}: {printed}");
    }
    let json: Value = serde_json::from_str(&print(&["--json"])).expect("it is JSON");
    let sites: Vec<(&str, Option<&str>)> = json["routes"]
        .as_array()
        .expect("they are a list")
        .iter()
        .map(|route| (route["name"].as_str().expect("it has a name"), route["site"].as_str()))
        .collect();
    let expected = [
        ("@*.example.org/index", Some("*.example.org")),
        ("@default/a", None),
        ("@example.org/shop/[id]", Some("example.org")),
        ("b", None),
    ];
    assert_eq!(sites, expected);
}

#[test]
fn the_access_log_says_for_which_host_a_request_was() {
    let directory = routes(&[("@a.test/index", 200)]);
    let process = Process::start(&directory, &["--access-log", "text", "--workers", "1"]);
    for host in ["A.test:80", "b.test"] {
        process.connect().exchange(request(host, "/"));
    }
    process.signal("TERM");
    let (_, printed) = process.wait();
    let words: Vec<Vec<&str>> = printed.lines().map(|line| line.split(' ').collect()).collect();
    let shown: Vec<(&str, &str, &str)> = words.iter().map(|line| (line[5], line[8], line[line.len() - 1])).collect();
    assert_eq!(
        shown,
        [("200", "route=@a.test/index", "host=A.test:80"), ("421", "route=-", "host=b.test")],
        "{printed}"
    );
}

#[test]
fn development_mode_serves_the_names_of_sites_and_shows_them_on_its_page() {
    let directory = routes(&[("@a.test/index", 201), ("@*.b.test/index", 202)]);
    let server = TestServer::builder(directory).error_detail(ErrorDetail::Development).start();
    assert_statuses(
        &server,
        &[("a.test", "/", 201), ("c.test", "/", 421), ("x.b.test", "/", 421), ("localhost", "/x", 421)],
    );
    let page = ask(&server, "localhost", "/");
    assert_eq!(status(&page), 200, "{page}");
    assert!(page.contains("any a.test/ (@a.test/index.wasm)") && page.contains("any *.b.test/ ("), "{page}");
    let near = ask(&server, "a.test", "/indx");
    assert!(!near.contains("b.test"), "routes of another site are not named: {near}");
}
