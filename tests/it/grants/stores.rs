//! Key-value stores: `kv` of `[grant]`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc;

use artifacts::Guest;
use host::diagnostic::Severity;

use super::settings::body;
use crate::support::{Process, RoutesDir, TestServer, compile_cache, guest, host, run, text};

/// Grants the store without a name, and one with a name that can be read alone.
const GRANT: &str = "[grant.kv]\n'' = 'shop'\nprices = { store = 'shop', write = false }\n";

/// A server of `routes` whose stores are in `state`.
fn serve(routes: RoutesDir, state: &RoutesDir) -> TestServer {
    let state = state.path().to_owned();
    TestServer::builder(routes).config(|config| config.state = Some(state)).start()
}

fn route(guest: Guest, grant: &str) -> RoutesDir {
    RoutesDir::new().with_as("kv.wasm", guest).with_file("kv.toml", grant)
}

#[test]
fn a_component_keeps_what_it_sets_across_requests_and_servers() {
    let state = RoutesDir::new();
    let server = serve(route(guest::STORES, GRANT), &state);
    assert_eq!(server.diagnostics(), []);
    let set =
        "/kv?get=:a&set=:a:1&get=:a&get=default:a&get=prices:a&set-for=:brief:0&get=:brief&set-for=:long:86400000";
    let expected = "get: none\nset: ok\nget: 1\nget: 1\nget: 1\nset-for: ok\nget: none\nset-for: ok\n";
    assert_eq!(body(&server.get(set)), expected);
    server.stop();
    server.join();
    let server = serve(route(guest::STORES, GRANT), &state);
    assert_eq!(
        body(&server.get("/kv?get=:a&list=:&delete=:a&delete=:a&get=:a&list=:")),
        "get: 1\nlist: a long\ndelete: ok\ndelete: ok\nget: none\nlist: long\n"
    );
}

#[test]
fn a_component_lists_increments_and_swaps() {
    let state = RoutesDir::new();
    let server = serve(route(guest::STORES, GRANT), &state);
    assert_eq!(
        body(&server.get("/kv?set=:p/b:1&set=:p/a:1&set=:q:1&list=:p/&page=:p/:1&page=:p/:9&page=:p/:0")),
        "set: ok\nset: ok\nset: ok\nlist: p/a p/b\npage: p/a Some(\"p/a\")\npage: p/a p/b None\npage: p/a Some(\"p/a\")\n"
    );
    let found = body(&server.get("/kv?increment=:n:5&increment=:n:-7&get=:n&set=:n:x&increment=:n:1"));
    let refused = "Other(\"the value is no integer of 64 bits in decimal digits\")";
    assert_eq!(found, format!("increment: 5\nincrement: -2\nget: -2\nset: ok\nincrement: {refused}\n"));
    assert_eq!(
        body(&server.get("/kv?swap=:s:-:1&swap=:s:-:2&swap=:s:1:2&get=:s&swap=:s:2:-&get=:s")),
        "swap: true\nswap: false\nswap: true\nget: 2\nswap: true\nget: none\n"
    );
}

#[test]
fn both_drafts_of_wasi_keyvalue_reach_the_same_store() {
    let state = RoutesDir::new();
    let server = serve(route(guest::STORES_WASI, GRANT), &state);
    assert_eq!(server.diagnostics(), []);
    assert_eq!(
        body(&server.get("/kv?1.set=:a:1&2.get=default:a&2.exists=:a&1.delete=:a&2.exists=:a&1.get=prices:a")),
        "1.set: ok\n2.get: 1\n2.exists: true\n1.delete: ok\n2.exists: false\n1.get: none\n"
    );
    assert_eq!(
        body(
            &server
                .get("/kv?1.increment=:n:5&2.increment=:n:-3&1.increment=:n:-1&2.many=:200&1.many=:1000&1.many=:1001")
        ),
        "1.increment: 5\n2.increment: 2\n1.increment: the sum is beyond an integer of 64 bits\n2.many: 200 0\n\
         1.many: 1000 0\n1.many: a call has at most 1000 keys\n"
    );
    assert_eq!(
        body(&server.get("/kv?2.set=:c:old&2.swap=:c:new&2.get=:c&2.stale=:c:last&2.swap=:none:first&2.get=:none")),
        "2.set: ok\n2.swap: old\n2.get: new\n2.stale: between true last\n2.swap: none\n2.get: first\n"
    );
}

#[test]
fn a_component_of_wasi_http_0_3_reaches_its_store() {
    let state = RoutesDir::new();
    let server = serve(route(guest::REACH_P3, GRANT), &state);
    assert_eq!(body(&server.get("/kv?increment=n&increment=n")), "increment: Ok(1)\nincrement: Ok(2)\n");
    let server = serve(route(guest::REACH_P3, ""), &RoutesDir::new());
    assert!(body(&server.get("/kv?increment=n")).starts_with("increment: Err(Error::AccessDenied"));
}

#[test]
fn a_middleware_has_the_stores_of_its_own_file() {
    let state = RoutesDir::new();
    let routes = route(guest::STORES, GRANT).with_as("_middleware.wasm", guest::STORES_MIDDLEWARE);
    routes.write("_middleware.toml", GRANT);
    let server = serve(routes, &state);
    assert!(server.get("/kv?get=:requests").contains("x-count: 1\r\n"));
    let second = server.get("/kv?get=:requests");
    assert!(second.contains("x-count: 2\r\n") && body(&second) == "get: none\n", "{second}");
}

#[test]
fn both_drafts_list_a_store_in_pages() {
    let state = RoutesDir::new();
    let routes = route(guest::STORES_WASI, GRANT)
        .with_as("own.wasm", guest::STORES)
        .with_file("own.toml", "[grant.kv]\n'' = { store = 'shop', shared = true }\n");
    routes.write("kv.toml", "timeout = 60\n[grant.kv]\n'' = { store = 'shop', shared = true }\n");
    let server = serve(routes, &state);
    for page in 0..3 {
        let steps: Vec<_> = (0..100).map(|number| format!("set=:{page}/{number}:x")).collect();
        server.get(&format!("/own?{}", steps.join("&")));
    }
    assert_eq!(body(&server.get("/kv?1.list=&2.list=")), "1.list: [300] 300 300\n2.list: [300] 300 300\n");
}

#[test]
fn without_a_grant_every_call_is_denied_and_the_log_says_which_line_allows_it() {
    let state = RoutesDir::new();
    let routes = RoutesDir::new().with_as("kv_none.wasm", guest::STORES).with_as("wasi.wasm", guest::STORES_WASI);
    let server = serve(routes, &state);
    assert_eq!(
        body(&server.get("/kv_none?get=:a&set=:a:1&list=:&increment=:a:1&swap=:a:-:1&delete=:a")),
        "get: Denied\nset: Denied\nlist: Denied\nincrement: Denied\nswap: Denied\ndelete: Denied\n"
    );
    crate::support::log()
        .wait_for(&["handler kv_none was denied the key-value store ``", "`kv = { \"\" = \"default\" }`"]);
    assert_eq!(body(&server.get("/wasi?1.get=:a&2.get=x:a")), "1.get: access-denied\n2.get: access-denied\n");
}

#[test]
fn a_store_that_is_not_granted_is_none_and_one_to_read_cannot_be_changed() {
    let state = RoutesDir::new();
    let server = serve(route(guest::STORES, GRANT), &state);
    assert_eq!(
        body(
            &server.get(
                "/kv?get=other:a&set=prices:a:1&increment=prices:a:1&swap=prices:a:-:1&delete=prices:a&get=prices:a"
            )
        ),
        "get: NoSuchStore\nset: ReadOnly\nincrement: ReadOnly\nswap: ReadOnly\ndelete: ReadOnly\nget: none\n"
    );
    let server = serve(route(guest::STORES_WASI, GRANT), &RoutesDir::new());
    assert_eq!(
        body(&server.get("/kv?1.get=other:a&2.set=prices:a:1&2.swap=prices:a:1")),
        "1.get: no-such-store\n2.set: access-denied\n2.swap: access-denied\n"
    );
}

#[test]
fn what_is_too_large_is_refused_and_a_store_is_full_at_its_limit() {
    let state = RoutesDir::new();
    let grant = "[grant.kv]\n'' = { store = 'small', max_bytes = 1000 }\nlarge = 'large'\n";
    let server = serve(route(guest::STORES, grant), &state);
    // An entry counts 64 bytes besides its key and value.
    assert_eq!(
        body(&server.get("/kv?fill=:a:936&fill=:a:935&set=:b:1&fill=:a:1&set=:b:1&fill=large:a:1048577&fill=large:a:1048576&set=large::1")),
        "fill: Full\nfill: ok\nset: Full\nfill: ok\nset: ok\nfill: TooLarge\nfill: ok\nset: TooLarge\n"
    );
    let long = "k".repeat(1025);
    assert_eq!(
        body(&server.get(&format!("/kv?get=large:{long}&get=large:{}", &long[1..]))),
        "get: TooLarge\nget: none\n"
    );
}

#[test]
fn the_log_says_what_an_error_without_a_text_leaves_out() {
    let stores =
        "'' = { store = 'small', max_bytes = 1000 }\nlarge = 'large'\nprices = { store = 'p', write = false }\n";
    let long = "k".repeat(1025);
    let state = RoutesDir::new();
    let rows = [
        (
            "kv_full",
            "fill=:a:1000".to_owned(),
            "``: the store is full: it may hold 1000 bytes (`max_bytes` of its grant)",
        ),
        ("kv_read_only", "set=prices:a:1".to_owned(), "`prices`: the store is read-only"),
        ("kv_long_key", format!("get=large:{long}"), "`large`: a key has 1 to 1024 bytes, and this one has 1025"),
        ("kv_long_value", "fill=large:a:1048577".to_owned(), "`large`: a value has at most 1048576 bytes"),
    ];
    let mut routes = RoutesDir::new();
    for (name, ..) in &rows {
        let file = format!("[grant.kv]\n{stores}");
        routes = routes.with_as(&format!("{name}.wasm"), guest::STORES).with_file(&format!("{name}.toml"), &file);
    }
    let server = serve(routes, &state);
    for (name, step, reason) in rows {
        server.get(&format!("/{name}?{step}"));
        crate::support::log().wait_for(&[&format!("handler {name} could not use the key-value store {reason}")]);
    }
}

#[test]
fn a_store_that_is_missing_in_a_grant_is_an_entry_of_it_and_not_a_second_table() {
    let routes = RoutesDir::new().with_as("kv_other.wasm", guest::STORES).with_file("kv_other.toml", GRANT);
    let server = serve(routes, &RoutesDir::new());
    assert_eq!(body(&server.get("/kv_other?get=other:a")), "get: NoSuchStore\n");
    crate::support::log().wait_for(&["to allow it, add `\"other\" = \"other\"` to `kv` in `[grant]` of kv_other.toml"]);
}

#[test]
fn a_store_is_of_one_route_unless_both_files_share_it() {
    let state = RoutesDir::new();
    let routes = RoutesDir::new();
    for (name, grant) in [
        ("one", "mine = 'shop'\nours = { store = 'shop', shared = true }\n"),
        ("two", "mine = 'shop'\nours = { store = 'shop', shared = true }\n"),
        ("three", "mine = 'shop'\nours = 'shop'\n"),
    ] {
        routes.write(&format!("{name}.toml"), format!("[grant.kv]\n{grant}"));
    }
    let routes = ["one.wasm", "two.wasm", "three.wasm"].iter().fold(routes, |all, it| all.with_as(it, guest::STORES));
    let server = serve(routes, &state);
    server.get("/one?set=mine:a:1&set=ours:a:2");
    assert_eq!(body(&server.get("/two?get=mine:a&get=ours:a&delete=mine:a")), "get: none\nget: 2\ndelete: ok\n");
    assert_eq!(body(&server.get("/three?get=mine:a&get=ours:a&delete=ours:a")), "get: none\nget: none\ndelete: ok\n");
    assert_eq!(body(&server.get("/one?get=mine:a&get=ours:a")), "get: 1\nget: 2\n");
}

#[test]
fn no_update_of_many_clients_is_lost() {
    const CLIENTS: usize = 16;
    let state = RoutesDir::new();
    let path = state.path().to_owned();
    let server = TestServer::builder(route(guest::STORES, &format!("timeout = 60\nreuse = 100\n{GRANT}")))
        .config(|config| config.state = Some(path))
        .workers(NonZeroUsize::new(4).expect("is not 0"))
        .start();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let increments = ["increment=:n:1"; 25].join("&");
                server.get(&format!("/kv?{increments}&add=:swapped:1&add=:swapped:1"));
            });
        }
    });
    assert_eq!(body(&server.get("/kv?get=:n&get=:swapped")), "get: 400\nget: 32\n");
}

#[test]
fn a_grant_of_a_store_needs_a_state_directory_and_has_a_form() {
    for (grant, reason) in [
        ("'' = 'shop'", "line 2: the store `shop` needs a state directory, and the host has none"),
        ("'' = { store = 'shop', engine = true }", "line 2: the store `shop` needs an engine, and the host has none"),
        ("'' = 1", "line 2: the grant `kv.` is something else; expected the name of a store"),
        ("a = { write = true }", "line 2: the grant `kv.a` is something else; expected the name of a store"),
        ("a = { store = 'a', max_bytes = -1 }", "line 2: the grant `kv.a` is something else"),
        ("a = { store = 'a', size = 1 }", "line 2: the grant `kv.a` is something else"),
        ("a = ''", "line 2: the grant `kv.a` names `` as its store; expected 1 to 128 bytes"),
    ] {
        let server = TestServer::start(route(guest::STORES, &format!("[grant.kv]\n{grant}\n")));
        let [error] = server.diagnostics() else { panic!("{:?}", server.diagnostics()) };
        assert!(error.severity == Severity::Error && error.reason.starts_with(reason), "{grant}: {error}");
        assert!(!error.remedy.is_empty());
    }
}

#[test]
fn two_hosts_do_not_share_a_state_directory_and_a_check_needs_not_open_it() {
    let (routes, state) = (route(guest::STORES, GRANT), RoutesDir::new());
    let path = state.path().display().to_string();
    let first = Process::start(&routes, &["--state", &path]);
    assert!(first.get("/kv?set=:a:1").contains("set: ok"));
    let cache = compile_cache().display().to_string();
    let directory = routes.path().display().to_string();
    let second = run(&mut host(&[
        "run",
        "--listen",
        "127.0.0.1:0",
        "--cache-dir",
        &cache,
        "--state",
        &path,
        "--routes",
        &directory,
    ]));
    let said = text(&second.stderr);
    assert!(
        !second.status.success() && said.contains("key-value.redb is in use by another host; stop that host"),
        "{said}"
    );
    let check = run(&mut host(&["check", "--cache-dir", &cache, "--state", &path, &directory]));
    assert!(check.status.success(), "{check:?}");
    let shown = run(&mut host(&["routes", "--cache-dir", &cache, "--state", &path, "--routes", &directory]));
    let line = "grant kv prices = { store = \"shop\", write = false, max_bytes = 67108864 }";
    assert!(text(&shown.stdout).contains(line), "{shown:?}");
}

#[test]
fn what_was_answered_survives_a_kill_during_writes() {
    const CLIENTS: usize = 4;
    let (routes, state) = (route(guest::STORES, &format!("reuse = 100\n{GRANT}")), RoutesDir::new());
    let path = state.path().display().to_string();
    for round in 0..2 {
        let host = Process::start(&routes, &["--state", &path]);
        let (answered, answers) = mpsc::channel();
        let address = host.addresses()[0];
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let answered = answered.clone();
                std::thread::spawn(move || increments(address, client, &answered))
            })
            .collect();
        for _ in 0..20 {
            answers.recv().expect("the host answers");
        }
        host.signal("KILL");
        let made: Vec<u64> = clients.into_iter().map(|client| client.join().expect("a client ends")).collect();
        drop(host);
        let host = Process::start(&routes, &["--state", &path]);
        for (client, made) in made.into_iter().enumerate() {
            let found = host.get(&format!("/kv?increment=:{client}:0&delete=:{client}"));
            let kept: u64 = found.split("increment: ").nth(1).and_then(|it| it.lines().next()).map_or(0, number);
            // The last one may have been made, and not answered.
            assert!(kept == made || kept == made + 1, "round {round}: {kept} kept of {made}");
        }
    }
}

fn number(text: &str) -> u64 {
    text.trim().parse().expect("a number")
}

/// Increments until the host is gone. Returns how many increments were answered.
fn increments(address: std::net::SocketAddr, client: usize, answered: &mpsc::Sender<()>) -> u64 {
    let mut made = 0;
    loop {
        let request = format!("GET /kv?increment=:{client}:1 HTTP/1.0\r\n\r\n");
        let mut response = String::new();
        let asked = TcpStream::connect(address).and_then(|mut stream| {
            stream.set_read_timeout(Some(std::time::Duration::from_secs(30)))?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut response)
        });
        if asked.is_err() || !response.contains("increment: ") {
            return made;
        }
        made += 1;
        let _ = answered.send(());
    }
}

#[test]
fn a_single_call_has_the_stores_of_a_directory() {
    let (routes, state) = (route(guest::STORES, GRANT), RoutesDir::new());
    let component = routes.path().join("kv.wasm");
    let call = |state: &Path, target: &str| {
        let mut call = host(&["call", "--cache-dir"]);
        run(call.arg(compile_cache()).arg("--state").arg(state).arg(&component).args(["--path", target]))
    };
    assert!(text(&call(state.path(), "/kv?set=:a:1").stdout).contains("set: ok"));
    assert!(text(&call(state.path(), "/kv?get=:a").stdout).contains("get: 1"));
}
