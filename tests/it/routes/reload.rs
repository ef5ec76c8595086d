//! Changes in the routes directory while it is served. They take effect, and no request fails.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::wire::get;
use crate::support::{Client, Process, RoutesDir, TestServer, guest, log, plain};

/// A server that watches `route.wasm`. Each test names its file differently, to find it in the log.
fn watched(place: &str) -> TestServer {
    TestServer::builder(RoutesDir::new().with_bytes(place, &plain())).watched().start()
}

#[test]
fn files_that_come_change_and_go_take_effect() {
    let server = watched("one.wasm");
    let routes = server.routes();
    server.wait_for("/new", "404");
    routes.replace("new.wasm", plain());
    server.wait_for("/new", "200");
    routes.write("deep/er/new.wasm", plain());
    server.wait_for("/deep/er/new", "200");
    routes.write("new.toml", "status = 201");
    server.wait_for("/new", "201");
    routes.write("new.toml", "status = 202\npath = '/other'");
    server.wait_for("/other", "202");
    server.wait_for("/new", "404");
    routes.remove("new.toml");
    server.wait_for("/new", "200");
    routes.remove("new.wasm");
    server.wait_for("/new", "404");
    server.wait_for("/one", "200");
}

#[test]
fn a_file_that_is_broken_leaves_the_version_before_it_until_it_is_mended() {
    let server = watched("mended.wasm");
    let serves_on = "; the version before it still serves\n  remedy: ";
    let whole = plain();
    for (place, broken, reason) in [
        ("mended.wasm", &whole[..whole.len() / 2], "mended.wasm: it cannot be compiled: "),
        ("mended.wasm", b"", "mended.wasm: it is not WebAssembly: "),
        ("mended.wasm", b"\0asm\x0d\0\x01\0", "mended.wasm: it does not export the function `handle`"),
        ("mended.toml", b"status = 'many'", "mended.toml: line 1: option `status` is \"many\""),
        ("mended.toml", b"status", "mended.toml: line 1: "),
    ] {
        server.routes().write(place, broken);
        let told = log().wait_for(&[reason, serves_on]);
        assert!(told.contains("ERROR"), "{told}");
        assert!(server.get("/mended").starts_with("HTTP/1.1 200 "), "after {reason}");
    }
    server.routes().write("mended.wasm", &whole);
    server.routes().write("mended.toml", "status = 201");
    server.wait_for("/mended", "201");
}

#[test]
fn a_route_that_claims_the_path_of_another_is_reported_and_takes_over_once_that_is_gone() {
    let server = watched("elder.wasm");
    server.routes().write("elder.toml", "path = '/claimed'\nstatus = 201");
    server.wait_for("/claimed", "201");
    server.routes().write("claimant.wasm", plain());
    server.routes().write("claimant.toml", "path = '/claimed'\nstatus = 202");
    let elder = server.routes().path().join("elder.wasm").display().to_string();
    let claim = format!("claimant.wasm: `GET /claimed` is claimed by {elder}, which answers there already");
    log().wait_for(&[&claim, "this one is not at `/claimed` now"]);
    assert!(server.get("/claimed").starts_with("HTTP/1.1 201 "));
    server.routes().remove("elder.wasm");
    server.wait_for("/claimed", "202");
}

#[test]
fn a_request_in_flight_ends_on_the_version_that_it_began_on() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "path = '/script'");
    let server = TestServer::builder(routes).watched().start();
    let mut client = server.connect();
    client.send("POST /script?write=Hello&read HTTP/1.1\r\nHost: it\r\nContent-Length: 6\r\n\r\n");
    client.expect(ok_chunked!("5\r\nHello\r\n"));
    server.routes().write("script.toml", "path = '/script'\nstatus = 201");
    server.routes().replace("script.wasm", plain());
    server.wait_for("/script", "201");
    client.send("World!GET /script HTTP/1.1\r\nHost: it\r\n\r\n");
    client.expect("6\r\nWorld!\r\n0\r\n\r\n");
    assert!(client.read_until("\r\n").starts_with("HTTP/1.1 201 "), "the next one is the new version's");
}

#[test]
fn a_route_that_moves_with_its_route_file_loses_no_request() {
    let server = watched("here.wasm");
    let place = |name: &str| server.routes().path().join(name);
    server.routes().write("here.toml", "path = '/moves'\nstatus = 201");
    server.wait_for("/moves", "201");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let requests = scope.spawn(|| {
            let going = || !over.load(Ordering::Relaxed);
            let answers = std::iter::from_fn(|| going().then(|| server.get("/moves")));
            answers.filter_map(|answer| answer.lines().next().map(str::to_owned)).collect::<BTreeSet<String>>()
        });
        for extension in ["wasm", "toml"] {
            let (from, to) = (place("here").with_extension(extension), place("there").with_extension(extension));
            fs::rename(from, to).expect("a file can be renamed");
        }
        // What comes with the change is served once it is.
        server.routes().write("also.wasm", plain());
        server.wait_for("/also", "200");
        over.store(true, Ordering::Relaxed);
        let statuses = requests.join().expect("every answer is whole");
        assert_eq!(statuses, BTreeSet::from(["HTTP/1.1 201 Created".to_owned()]));
    });
    assert!(!place("here.wasm").exists());
    server.wait_for("/moves", "201");
}

/// Routes that are reloaded under load, and the minimum number of requests meanwhile.
const RELOADS: usize = 50;
const REQUESTS: usize = 10_000;

#[test]
fn reloads_under_load_lose_no_request() {
    let one = |routes: RoutesDir, n: usize| routes.with_bytes(&format!("r{n}.wasm"), &plain());
    let server = TestServer::builder((0..RELOADS).fold(RoutesDir::new(), one)).watched().start();
    let (served, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for first in 0..4 {
            let (server, served, over) = (&server, &served, &over);
            scope.spawn(move || {
                let mut client = server.connect();
                for n in (first..).take_while(|_| !over.load(Ordering::Relaxed)) {
                    ask(&mut client, n % RELOADS);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for n in 0..RELOADS {
            // One reload after the other, the load setting the pace.
            let until = n * REQUESTS / RELOADS;
            while served.load(Ordering::Relaxed) < until {
                std::thread::yield_now();
            }
            // Every other component is replaced too, by one with a custom section more.
            if n % 2 == 0 {
                let other: Vec<u8> = plain().into_iter().chain(*b"\0\x02\x01n").collect();
                server.routes().replace(&format!("r{n}.wasm"), other);
            }
            server.routes().write(&format!("r{n}.toml"), "status = 201");
        }
        for n in 0..RELOADS {
            server.wait_for(&format!("/r{n}"), "201");
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(served.load(Ordering::Relaxed) >= REQUESTS);
}

/// One request. Its response is complete, whichever version of the route has made it.
#[track_caller]
fn ask(client: &mut Client, route: usize) {
    client.send(get(&format!("/r{route}")));
    let line = client.read_until("\r\n");
    assert!(["HTTP/1.1 200 OK\r\n", "HTTP/1.1 201 Created\r\n"].contains(&line.as_str()), "{line}");
    assert!(client.read_until("\r\n\r\n").contains("Transfer-Encoding: chunked\r\n"));
    client.expect("5\r\nplain\r\n0\r\n\r\n");
}

#[test]
fn concurrency_counts_the_requests_of_the_version_before() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "concurrency = 1");
    let server = TestServer::builder(routes).watched().start();
    let mut client = server.connect();
    client.send("POST /script?write=Hello&read HTTP/1.1\r\nHost: it\r\nContent-Length: 6\r\n\r\n");
    client.expect(ok_chunked!("5\r\nHello\r\n"));
    server.routes().write("script.toml", "concurrency = 1\npath = '/other'");
    server.wait_for("/script", "404");
    assert!(server.get("/other").starts_with("HTTP/1.1 503 "));
    client.send("World!");
    client.expect("6\r\nWorld!\r\n0\r\n\r\n");
    server.wait_for("/other", "200");
}

#[test]
fn a_kept_connection_has_the_rate_of_the_new_version() {
    let pace = |rate, status| format!("rate_scope = 'connection'\nburst = 200\nrate = {rate}\nstatus = {status}");
    let routes = RoutesDir::new().with_bytes("paced.wasm", &plain()).with_file("paced.toml", &pace(1, 200));
    let server = TestServer::builder(routes).watched().start();
    let mut client = server.connect();
    // The first answer takes most of what may pass at once: after it, at this rate, a minute would not do for another.
    let request = get!("/paced");
    client.send(request);
    let answer = client.read_until("\r\n0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 ") && (101..170).contains(&answer.len()), "{answer}");
    server.routes().write("paced.toml", pace(1_000_000_000, 201));
    server.wait_for("/paced", "201");
    client.send(request);
    assert!(client.read_until("\r\n0\r\n\r\n").starts_with("HTTP/1.1 201 "));
}

#[test]
fn a_hangup_reloads_and_the_server_goes_on() {
    let routes = RoutesDir::new().with_bytes("plain.wasm", &plain());
    let process = Process::start(&routes, &["--no-watch"]);
    for status in ["201", "202"] {
        routes.write("plain.toml", format!("status = {status}"));
        process.signal("HUP");
        process.wait_for("/plain", status);
    }
    process.signal("TERM");
    assert!(process.wait().0.success());
}

#[test]
#[cfg(target_os = "linux")]
fn only_a_host_that_is_to_watch_watches() {
    let routes = RoutesDir::new().with_bytes("plain.wasm", &plain());
    for (arguments, watches) in [(&[][..], true), (&["--no-watch"], false)] {
        let process = Process::start(&routes, arguments);
        let open = fs::read_dir(format!("/proc/{}/fd", process.id())).expect("the process runs");
        let targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        let inotify = targets.filter(|target| target.to_string_lossy().contains("inotify")).count();
        assert_eq!(inotify > 0, watches, "{arguments:?}");
    }
}

#[test]
fn a_watching_host_takes_in_a_change() {
    let routes = RoutesDir::new().with_bytes("plain.wasm", &plain());
    let process = Process::start(&routes, &[]);
    assert!(process.get("/plain").starts_with("HTTP/1.1 200 "));
    routes.write("plain.toml", "status = 201");
    process.stderr().wait_for(&["routes reloaded", "routes=1"]);
    assert!(process.get("/plain").starts_with("HTTP/1.1 201 "));
}
