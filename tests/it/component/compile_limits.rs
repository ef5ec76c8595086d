//! Components that take long, take much or end the process when they are compiled, started or asked for their route: each
//! is told what it took, costs only itself, and delays nobody.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{Process, RoutesDir, TIMEOUT, TestServer, assemble, guest, host, plain, run, text, wait_until};

/// `plain.wat` with loops in each other: each costs the compiler as much as all around it together.
fn nested_loops(loops: usize) -> Vec<u8> {
    let step = |number: usize| {
        let (to, from) = (number % 200 + 1, number * 7 % 200 + 1);
        format!("(loop (local.set {to} (i64.add (local.get {from}) (i64.const 1)))")
    };
    let begins: String = (0..loops).map(step).collect();
    let locals = "i64 ".repeat(200);
    let ends = ")".repeat(loops);
    let code = format!("\"plain\") (func (param i32) (local {locals}) {begins} (br_if 0 (local.get 0)) {ends})");
    assemble(&guest::PLAIN_WAT.replacen("\"plain\")", &code, 1))
}

/// `plain.wat` with code that runs when it is started.
fn with_start_function(code: &str) -> Vec<u8> {
    assemble(&guest::PLAIN_WAT.replacen("\"plain\")", &format!("\"plain\") (func $start {code}) (start $start)"), 1))
}

/// The only thing that is wrong with the only component of a server.
#[track_caller]
fn reason(server: &TestServer) -> &str {
    let [diagnostic] = server.diagnostics() else { panic!("{:?}", server.diagnostics()) };
    &diagnostic.reason
}

fn one_route(bytes: &[u8]) -> RoutesDir {
    RoutesDir::new().with_bytes("other.wasm", bytes)
}

#[test]
fn a_limit_that_compiling_passes_is_named_with_its_flag() {
    let memory = TestServer::builder(one_route(&nested_loops(3000))).compiling(|it| it.memory = 32 << 20).start();
    assert_eq!(reason(&memory), "compiling it takes more than 33554432 bytes of memory");
    assert!(memory.diagnostics()[0].remedy.ends_with("raise `--compile-memory`"));
    let cpu =
        TestServer::builder(one_route(&nested_loops(8000))).compiling(|it| it.cpu = Duration::from_secs(1)).start();
    assert_eq!(reason(&cpu), "compiling it takes more than 1 s of processor time");
    let time = TestServer::builder(one_route(&nested_loops(8000)))
        .compiling(|it| it.timeout = Duration::from_millis(500))
        .start();
    assert_eq!(reason(&time), "compiling it takes more than 0.5 s");
}

/// A program of a few lines in place of the one that compiles.
fn program(directory: &Path, script: &str) -> std::path::PathBuf {
    let file = directory.join("program");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a file can be written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).expect("its mode can be set");
    file
}

#[test]
fn a_process_that_ends_or_answers_wrongly_costs_only_its_component() {
    let length = |bytes: &str| format!("cat > /dev/null; printf '{bytes}'");
    for (script, expected) in [
        ("kill -s ABRT $$".to_owned(), "the process that compiled it has crashed: SIGABRT"),
        ("kill -s SEGV $$".to_owned(), "the process that compiled it has crashed: SIGSEGV"),
        ("exit 3".to_owned(), "the process that compiled it has crashed: exit status: 3"),
        (
            "printf 'a \\033[2J panic' >&2; exit 3".to_owned(),
            "the process that compiled it has crashed: exit status: 3; it said: a \\u{1b}[2J panic",
        ),
        (
            "echo 'memory allocation of 8 bytes failed' >&2; kill -s ABRT $$".to_owned(),
            "compiling it takes more than 2147483648 bytes of memory",
        ),
        (length("Z\\0\\0\\0\\0\\0\\0\\0\\0"), "it sent an invalid frame"),
        (length("C\\377\\377\\377\\377\\377\\377\\377\\377"), "it sent a frame that is too large"),
        (length("C\\1\\0\\0\\0\\0\\0\\0\\0x"), "it cannot be compiled"),
        (length("F\\1\\0\\0\\0\\0\\0\\0\\0x"), "it sent an invalid frame"),
    ] {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let program = program(directory.path(), &script);
        let server = TestServer::builder(one_route(&plain())).compiling(|it| it.program = Some(program)).start();
        assert!(reason(&server).contains(expected), "{script}: {}", reason(&server));
        assert!(server.get("/other").starts_with("HTTP/1.1 404 "));
    }
    let missing =
        TestServer::builder(one_route(&plain())).compiling(|it| it.program = Some("/nowhere/host".into())).start();
    assert!(
        reason(&missing).starts_with("no process or thread can be started to compile it: "),
        "{}",
        reason(&missing)
    );
}

#[test]
fn a_component_that_cannot_start_is_reported_when_it_is_loaded() {
    for (code, expected) in [
        ("unreachable", "it cannot be started: wasm trap: wasm `unreachable` instruction executed"),
        ("(loop (br 0))", "it cannot be started: it took longer than 300ms"),
        ("(drop (i32.load (i32.const -1)))", "it cannot be started: wasm trap: out of bounds memory access"),
    ] {
        let server = TestServer::builder(one_route(&with_start_function(code)))
            .option("timeout", host::options::Value::Float(0.3))
            .start();
        assert_eq!(reason(&server), expected);
    }
}

#[test]
fn a_check_finds_memory_that_the_route_does_not_have() {
    let large =
        assemble(&guest::PLAIN_WAT.replace("(memory (export \"memory\") 1)", "(memory (export \"memory\") 100)"));
    let routes = one_route(&large);
    let checked = |memory: &str| {
        let check = run(host(&["check", "--memory", memory, "--no-cache"]).arg(routes.path()));
        (text(&check.stdout).replace(&routes.path().display().to_string(), "ROUTES"), check.status.code())
    };
    assert_eq!(checked("6553600"), ("1 route; 0 errors, 0 warnings\n".to_owned(), Some(0)));
    let (printed, code) = checked("6553599");
    let expected = "error: ROUTES/other.wasm: it cannot be started: reached its memory limit of 6553599 bytes; ";
    assert!(printed.starts_with(expected), "{printed}");
    assert_eq!(code, Some(1));
}

#[test]
fn a_component_out_of_the_cache_is_checked_against_the_memory_of_its_route() {
    let large =
        assemble(&guest::PLAIN_WAT.replace("(memory (export \"memory\") 1)", "(memory (export \"memory\") 100)"));
    let cache = tempfile::tempdir().expect("a directory can be made");
    let routes = one_route(&large);
    let check = || {
        let check = run(host(&["check", "--cache-dir"]).arg(cache.path()).arg(routes.path()));
        text(&check.stdout).replace(&routes.path().display().to_string(), "ROUTES")
    };
    assert_eq!(check(), "1 route; 0 errors, 0 warnings\n");
    routes.write("other.toml", "memory = 6553599");
    let expected = "error: ROUTES/other.wasm: its memories take 6553600 bytes when it starts, and its option `memory` is \
                    6553599\n  remedy: raise `memory` in ROUTES/other.toml, or let the component begin with less\n\
                    0 routes; 1 error, 0 warnings\n";
    assert_eq!(check(), expected);
}

/// A host without a cache, that has just begun to load `routes`.
fn start_loading(routes: &RoutesDir, arguments: &[&str]) -> Process {
    let mut command = host(&["run", "--listen", "127.0.0.1:0", "--no-cache", "--load-timeout", "2"]);
    command.arg("--routes").arg(routes.path()).args(arguments);
    Process::spawn(command, 1)
}

/// Asks for `path` until it is loaded: a busy machine takes its time.
#[track_caller]
fn wait_until_served(process: &Process, path: &str) {
    let start = Instant::now();
    loop {
        let answer = process.get(path);
        if answer.starts_with("HTTP/1.1 200 ") {
            return;
        }
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(start.elapsed() < 6 * TIMEOUT, "{path} is not loaded");
    }
}

#[test]
fn components_that_never_end_describing_themselves_delay_no_other() {
    let spins = (0..8)
        .fold(RoutesDir::new(), |routes, number| routes.with_as(&format!("{number}.wasm"), guest::DESCRIBE_SPINS));
    let routes = spins.with(guest::TEXT);
    let process = start_loading(&routes, &[]);
    wait_until_served(&process, "/text");
    let ended = process.stderr().with(&["its `describe` failed: it took longer than"]).len();
    assert!(ended < 8, "it was loaded after all others");
}

#[test]
fn components_that_compile_for_long_delay_no_other() {
    let slow = nested_loops(8000);
    let routes = (0..4).fold(RoutesDir::new(), |routes, number| routes.with_bytes(&format!("{number}.wasm"), &slow));
    // Larger than those, so that it comes last.
    let large = format!("\"plain\") (@custom \"x\" \"{}\")", "x".repeat(slow.len()));
    let routes = routes.with_bytes("z.wasm", &assemble(&guest::PLAIN_WAT.replacen("\"plain\")", &large, 1)));
    let process = start_loading(&routes, &["--compile-cpu", "60"]);
    wait_until_served(&process, "/z");
    let ended = process.stderr().with(&["routes: + /"]).iter().filter(|line| !line.contains("/z")).count();
    assert!(ended < 4, "it was loaded after all others");
}

#[test]
fn scripts_that_wait_for_their_interpreter_delay_no_other() {
    let interpreters = RoutesDir::new().with_bytes("python.wasm", &nested_loops(20_000));
    let routes = RoutesDir::new().with_file("0.py", "");
    let process = start_loading(&routes, &["--interpreters", &interpreters.path().display().to_string()]);
    wait_until("the interpreter is not compiled", || children(process.id()).len() == 1);
    // As many as there are cores are looked up at once.
    let scripts = std::thread::available_parallelism().map_or(1, usize::from);
    (1..=scripts).for_each(|number| routes.write(&format!("{number}.py"), ""));
    routes.write("z.wasm", plain());
    wait_until_served(&process, "/z");
    assert!(process.stderr().with(&["the interpreter of Python"]).is_empty(), "it was loaded after the scripts");
}

/// The processes that `parent` has started.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("there is a /proc").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |id: &u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let behind = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        behind.split(' ').nth(1) == Some(&parent.to_string()) && !behind.starts_with('Z')
    };
    ids.filter(is_child).collect()
}

#[test]
fn compiling_ends_when_its_file_goes_and_when_the_host_dies() {
    let routes = RoutesDir::new().with_bytes("slow.wasm", &nested_loops(20_000));
    let process = start_loading(&routes, &[]);
    wait_until("nothing is compiled", || children(process.id()).len() == 1);
    routes.remove("slow.wasm");
    wait_until("it is still compiled", || children(process.id()).is_empty());
    routes.write("slow.wasm", nested_loops(20_001));
    wait_until("the other is not compiled", || children(process.id()).len() == 1);
    let child = children(process.id())[0];
    process.signal("KILL");
    let is_gone = || !fs::read_to_string(format!("/proc/{child}/cmdline")).is_ok_and(|line| line.contains("compile"));
    wait_until("it outlives the host", is_gone);
}

#[test]
fn what_compiles_has_nothing_of_the_environment_and_a_low_priority() {
    let routes = RoutesDir::new().with_bytes("slow.wasm", &nested_loops(20_000));
    let mut command = host(&["run", "--listen", "127.0.0.1:0", "--no-cache"]);
    command.arg("--routes").arg(routes.path()).env("SECRET", "secret");
    let process = Process::spawn(command, 1);
    let read = |child: u32, file: &str| fs::read(format!("/proc/{child}/{file}")).unwrap_or_default();
    let nice = |id: u32| {
        let stat = String::from_utf8_lossy(&read(id, "stat")).into_owned();
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(16)?.parse::<i32>().ok())
    };
    // These tests may run at a low priority themselves.
    let lower = nice(process.id()).map(|own| (own + 5).min(19));
    let is_low = |child: u32| nice(child).is_some() && nice(child) == lower;
    wait_until("nothing is compiled slowly", || children(process.id()).into_iter().any(is_low));
    let child = children(process.id())[0];
    let environment = String::from_utf8_lossy(&read(child, "environ")).into_owned();
    assert!(!environment.contains("SECRET"), "{environment}");
    assert_eq!(String::from_utf8_lossy(&read(child, "oom_score_adj")).trim(), "1000");
}

#[test]
fn what_a_component_prints_while_it_describes_itself_is_in_the_log() {
    let routes = RoutesDir::new().with(guest::DESCRIBE_PRINTS).with(guest::DESCRIBE_TRAPS);
    let process = start_loading(&routes, &[]);
    process.stderr().wait_for(&["INFO guest", "printed while describing", "route=\"describe_prints\""]);
    process.stderr().wait_for(&["describe_traps.wasm: its `describe` failed: "]);
}

#[test]
fn the_command_is_for_the_host_alone() {
    let typed = run(&mut host(&["compile", "1"]));
    assert_eq!((text(&typed.stdout), typed.status.code()), ("", Some(2)));
    assert_eq!(text(&typed.stderr), "error: this command is for the host itself\n");
}

#[test]
fn a_limit_of_virtual_memory_lowers_the_concurrency_and_is_logged() {
    for kilobytes in ["4000000", "20000000"] {
        let routes = RoutesDir::new().with(guest::HELLO).with(guest::SCRIPT);
        let program = env!("CARGO_BIN_EXE_host");
        let line = format!(
            "ulimit -v {kilobytes} && exec {program} run --listen 127.0.0.1:0 --no-cache --load-timeout 60 --routes {}",
            routes.path().display()
        );
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &line]).env_remove("RUST_LOG");
        let process = Process::spawn(command, 1);
        process.stderr().wait_for(&["little address space: ", "(`ulimit -v`)"]);
        wait_until_served(&process, "/hello");
        process.stderr().wait_for(&["routes loaded"]);
        // Far more at once than there is room for: the rest is told to come again.
        let mut held: Vec<_> = (0..100)
            .map(|_| {
                let mut client = process.connect();
                client.send(
                    "POST /script?read HTTP/1.1\r\nHost: it\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
                );
                client
            })
            .collect();
        let answers: Vec<String> = held.iter_mut().map(|client| client.read_until("\r\n\r\n")).collect();
        let count = |status: &str| answers.iter().filter(|answer| answer.contains(status)).count();
        assert!(count("HTTP/1.1 100 ") > 0, "{answers:?}");
        assert!(count("HTTP/1.1 503 ") > 0, "{answers:?}");
        assert_eq!(count("HTTP/1.1 100 ") + count("HTTP/1.1 503 "), 100, "{answers:?}");
        let refused = answers.iter().find(|answer| answer.contains("503 ")).expect("some are refused");
        assert!(refused.contains("Retry-After: "), "{refused}");
        drop(held);
        let start = Instant::now();
        while !process.get("/hello").starts_with("HTTP/1.1 200 ") {
            assert!(start.elapsed() < TIMEOUT, "no place is free again");
        }
    }
}
