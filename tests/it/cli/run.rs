//! What a person sees of the binary: its lines, its errors, its signals.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::process::Command;

use serde_json::Value;

use crate::support::wire::HELLO_RESPONSE_CLOSE;
use crate::support::{Client, Process, RoutesDir, compile_cache, guest, host, plain, run, text};

/// `host COMMAND` over a directory, with the shared compile cache.
fn over(command: &str, routes: &RoutesDir, arguments: &[&str]) -> Command {
    let mut host = host(&[command, "--cache-dir"]);
    host.arg(compile_cache()).arg("--routes").arg(routes.path()).args(arguments);
    host
}

#[test]
fn each_listener_is_printed_once_it_accepts() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let listen = ["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--workers", "2"];
    let process = Process::spawn(over("run", &routes, &listen), 2);
    let addresses = process.addresses().to_owned();
    assert_ne!(addresses[0].port(), addresses[1].port());
    for address in addresses {
        assert_ne!(address.port(), 0);
        assert_eq!(Client::connect(address).exchange(get_and_close!("/hello")), HELLO_RESPONSE_CLOSE);
    }
    process.signal("TERM");
    let (status, printed) = process.wait();
    assert!(status.success(), "{status}");
    assert_eq!(printed, "", "stdout has the addresses alone");
}

#[test]
fn it_listens_on_names_and_on_ipv6() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let mut of_localhost: Vec<IpAddr> =
        "localhost:0".to_socket_addrs().expect("there is a localhost").map(|address| address.ip()).collect();
    of_localhost.sort_unstable();
    of_localhost.dedup();
    let arguments = ["--listen", "localhost:0", "--listen", "[::1]:0"];
    let process = Process::spawn(over("run", &routes, &arguments), of_localhost.len() + 1);
    let (of_name, alone) = process.addresses().split_at(of_localhost.len());
    let mut listened: Vec<IpAddr> = of_name.iter().map(SocketAddr::ip).collect();
    listened.sort_unstable();
    assert_eq!(listened, of_localhost);
    assert!(of_name.iter().all(|address| address.port() == of_name[0].port()), "{of_name:?}");
    for address in [of_name, alone].concat() {
        assert_eq!(Client::connect(address).exchange(get_and_close!("/hello")), HELLO_RESPONSE_CLOSE);
    }
}

#[test]
fn it_listens_on_all_addresses_of_ipv4_and_of_ipv6_with_one_port() {
    let routes = RoutesDir::new().with(guest::HELLO);
    for order in [["0.0.0.0", "[::]"], ["[::]", "0.0.0.0"], ["127.0.0.1", "[::]"]] {
        let free = TcpListener::bind("[::]:0").and_then(|listener| listener.local_addr()).expect("a port is free");
        let [one, other] = order.map(|host| format!("{host}:{}", free.port()));
        let process = Process::spawn(over("run", &routes, &["--listen", &one, "--listen", &other]), 2);
        for host in ["127.0.0.1", "[::1]"] {
            let address = format!("{host}:{}", free.port()).parse().expect("it is an address");
            assert_eq!(Client::connect(address).exchange(get_and_close!("/hello")), HELLO_RESPONSE_CLOSE, "{order:?}");
        }
        drop(process);
    }
    // Alone it takes both.
    let process = Process::spawn(over("run", &routes, &["--listen", "[::]:0"]), 1);
    let address = SocketAddr::from(([127, 0, 0, 1], process.addresses()[0].port()));
    assert_eq!(Client::connect(address).exchange(get_and_close!("/hello")), HELLO_RESPONSE_CLOSE);
}

#[test]
fn help_shows_every_default() {
    let help = run(&mut host(&["run", "--help"]));
    assert!(help.status.success());
    let defaults = [
        ("--routes", "routes"),
        ("--secrets", "$CREDENTIALS_DIRECTORY, which systemd sets"),
        ("--cache-dir", "the user's cache directory"),
        ("--declare", "below"),
        ("--compile-memory", "2147483648"),
        ("--compile-cpu", "120"),
        ("--compile-timeout", "120"),
        ("--wasi-http-03", "on"),
        ("--listen", "127.0.0.1:8000"),
        ("--log-format", "text"),
        ("--access-log", "off; text with --dev, shorter on a terminal"),
        ("--workers", "one per core"),
        ("--idle-poll", "50"),
        ("--max-connections", "10000"),
        ("--max-connections-per-client", "1000, and none for loopback addresses"),
        ("--max-memory", "half of what the machine or the control group has"),
        ("--tls-handshakes", "64"),
        ("--tls-ticket-keys", "keys that this process makes, and replaces every six hours"),
        ("--engine-prefix", "vibrato"),
        ("--engine-timeout", "0.25"),
        ("--trace-parent", "trusted"),
        ("--trace-ratio", "1"),
        ("--trace-service", "vibrato"),
        ("--acme-directory", "https://acme-v02.api.letsencrypt.org/directory"),
        ("--max-invocations", "1000"),
        ("--max-parked", "10000"),
        ("--max-streams", "128"),
        ("--max-head", "32768"),
        ("--max-fields", "100"),
        ("--max-target", "16384"),
        ("--head-timeout", "30"),
        ("--body-timeout", "30"),
        ("--min-body-rate", "256"),
        ("--min-write-rate", "256"),
        ("--idle-timeout", "75"),
        ("--interpreters", "`interpreters` beside this program, or `../lib/vibrato/interpreters`"),
        ("--load-timeout", "10"),
        ("--write-timeout", "30"),
        ("--half-close-timeout", "10"),
        ("--grace", "5"),
        ("--linger-timeout", "30"),
        ("--linger-bytes", "67108864"),
        ("--drain-delay", "none"),
        ("--drain-timeout", "30"),
        ("--on-gap", "keep"),
        ("--park-drain", "10"),
        ("--drain-request-timeout", "3"),
        ("--buffer-size", "16384"),
        ("--concurrency", "0"),
        ("--content-type", "text/html; charset=utf-8"),
        ("--cpu", "10000"),
        ("--history-seconds", "300"),
        ("--log-rate", "131072"),
        ("--max-body", "67108864"),
        ("--max-message", "65536"),
        ("--max-outbound", "1024"),
        ("--max-subscribers", "0"),
        ("--max-topics", "10000"),
        ("--memory", "134217728"),
        ("--publish-rate", "16777216"),
        ("--push-overflow", "disconnect"),
        ("--push-queue", "65536"),
        ("--quarantine", "20"),
        ("--rate", "0"),
        ("--rate-scope", "client"),
        ("--reuse", "1"),
        ("--status", "200"),
        ("--stream", "true"),
        ("--timeout", "30"),
        ("--upload-rate", "0"),
        ("--websocket", "false"),
    ];
    let help = text(&help.stdout);
    let shown = help.split("\n      --").skip(1).filter_map(flag_and_default).collect();
    let defaults = defaults.map(|(flag, default)| (flag.trim_start_matches("--").to_owned(), default.to_owned()));
    let shown: BTreeMap<String, String> = shown;
    assert_eq!(shown, BTreeMap::from(defaults));
}

/// A flag's name and its default, out of the part of the help that follows its two hyphens.
fn flag_and_default(part: &str) -> Option<(String, String)> {
    // The lines are wrapped.
    let words = part.split_whitespace().collect::<Vec<_>>().join(" ");
    let (name, _) = words.split_once(' ')?;
    let (_, default) = words.split_once("[default: ")?;
    Some((name.to_owned(), default.split_once(']')?.0.to_owned()))
}

#[test]
fn every_mistake_is_reported_before_it_listens() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = taken.local_addr().expect("a listener has an address").to_string();
    let routes = RoutesDir::new().with(guest::HELLO).with_file("file", "");
    let missing = routes.path().join("missing").display().to_string();
    let file = routes.path().join("file").display().to_string();
    let in_use = format!(
        "error: cannot listen on {taken}: Address already in use (os error 98); another program listens there; stop it, or \
         choose another port, as in --listen "
    );
    let rows: [(&[&str], String); 17] = [
        (
            &["--routes", &missing],
            format!("error: cannot read the routes directory {missing}; make it, or name another with --routes: "),
        ),
        (&["--routes", &file], format!("error: {file} is not a directory; name one with --routes\n")),
        (&["--listen", &taken], in_use),
        (
            &["--listen", "127.0.0.1:0", "--listen", "nowhere"],
            invalid(
                "nowhere",
                "--listen <ADDR>",
                "expected host:port, as in 127.0.0.1:8000, or unix:/path, or fd:NAME",
            ),
        ),
        (
            &["--listen", "nowhere.invalid:80"],
            "error: `--listen nowhere.invalid:80`: there is no host of that name; write an address, ".to_owned(),
        ),
        (&["--listen", "192.0.2.1:0"], "error: cannot listen on 192.0.2.1:0: ".to_owned()),
        (&["--rate", "fast"], invalid("fast", "--rate <VALUE>", "expected a whole number, 0 or more; 0 is unlimited")),
        (&["--rate", "-1"], invalid("-1", "--rate <VALUE>", "expected a whole number, 0 or more; 0 is unlimited")),
        (&["--status", "99"], invalid("99", "--status <VALUE>", "expected a whole number from 200 to 599")),
        (&["--chunked", "yes"], invalid("yes", "--chunked <VALUE>", "expected true, false or \"auto\"")),
        (&["--rate-scope", "all"], invalid("all", "--rate-scope <VALUE>", "expected \"client\" or \"connection\"")),
        (
            &["--timeout", "0"],
            invalid("0", "--timeout <VALUE>", "expected a number of seconds above 0 and up to 86400"),
        ),
        (
            &["--idle-timeout", "-1"],
            invalid("-1", "--idle-timeout <SECONDS>", "expected a number of seconds above 0, such as 30 or 0.5"),
        ),
        (
            &["--idle-poll", "20000"],
            invalid("20000", "--idle-poll <MICROSECONDS>", "expected a number of microseconds up to 10000"),
        ),
        (&["--max-invocations", "0"], invalid("0", "--max-invocations <N>", "0 is not in 1..=100000")),
        (&["--log-format", "xml"], "error: invalid value 'xml' for '--log-format <FORMAT>'\n".to_owned()),
        (&["--no-such-flag"], "error: unexpected argument '--no-such-flag' found\n".to_owned()),
    ];
    for (arguments, error) in &rows {
        let default: &[&str] = if arguments[0] == "--routes" { &[] } else { &["--routes"] };
        let mut command = host(&["run", "--no-cache"]);
        command.args(default);
        if !default.is_empty() {
            command.arg(routes.path());
        }
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        is_refused(command.args(*arguments), error);
    }
}

#[test]
fn a_routes_directory_is_named_with_a_flag_or_without() {
    let routes = RoutesDir::new().with_bytes("plain.wasm", &plain());
    let mut command = host(&["run", "--no-cache", "--listen", "127.0.0.1:0"]);
    command.arg(routes.path());
    Process::spawn(command, 1).wait_for("/plain", "200");
    let listed = run(host(&["routes", "--no-cache"]).arg(routes.path()));
    assert!(text(&listed.stdout).contains("/plain"), "{listed:?}");
    for command in ["run", "routes"] {
        let error = "error: the argument '--routes <DIR>' cannot be used with '[DIR]'\n";
        is_refused(&mut host(&[command, "--routes", "a", "b"]), error);
        is_refused(
            &mut host(&[command, "/no/such/directory"]),
            "error: cannot read the routes directory /no/such/directory; ",
        );
    }
}

fn invalid(value: &str, flag: &str, expected: &str) -> String {
    format!("error: invalid value '{value}' for '{flag}': {expected}\n")
}

/// The binary prints nothing but an error that starts so, and fails with 2.
#[track_caller]
fn is_refused(command: &mut Command, error: &str) {
    let output = run(command);
    let printed = text(&output.stderr);
    assert!(printed.starts_with(error), "{printed:?} starts with {error:?}");
    assert_eq!((text(&output.stdout), output.status.code()), ("", Some(2)), "{error}");
}

#[test]
fn an_invalid_log_filter_is_reported_before_it_listens() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let mut command = over("run", &routes, &["--listen", "127.0.0.1:0"]);
    is_refused(command.env("RUST_LOG", "host=loud"), "error: RUST_LOG=host=loud is not a valid log filter: ");
}

#[test]
fn the_log_is_filtered_as_rust_log_says() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let mut command = over("run", &routes, &["--listen", "127.0.0.1:0"]);
    command.env("RUST_LOG", "error");
    let process = Process::spawn(command, 1);
    let stderr = process.stderr().clone();
    process.signal("TERM");
    assert!(process.wait().0.success());
    assert_eq!(stderr.with(&[]), Vec::<String>::new());
}

#[test]
fn json_logs_are_an_object_a_line() {
    let routes = RoutesDir::new().with(guest::TRAP).with_bytes("bad.wasm", b"\0asm");
    let process = Process::start(&routes, &["--log-format", "json"]);
    process.get("/trap");
    process.signal("TERM");
    let stderr = process.stderr().clone();
    assert!(process.wait().0.success());
    let lines: Vec<Value> =
        stderr.with(&[]).iter().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let found = |level: &str, message: &str| {
        lines
            .iter()
            .find(|line| line["level"] == level && line["message"].as_str().is_some_and(|text| text.contains(message)))
    };
    let bad = format!("{}/bad.wasm: it cannot be compiled: ", routes.path().display());
    let told = found("ERROR", &bad).and_then(|line| line["message"].as_str());
    assert!(told.is_some_and(|message| message.starts_with(&bad)), "the level is said once: {lines:?}");
    assert!(found("INFO", "routes loaded").is_some_and(|line| line["routes"] == 1), "{lines:?}");
    assert!(
        found("ERROR", "wasm backtrace").is_some_and(|line| line["route"] == "trap" && line["request"] == 1),
        "{lines:?}"
    );
    assert!(found("INFO", "stopping").is_some(), "{lines:?}");
}

#[test]
fn a_second_start_compiles_nothing() {
    let routes = RoutesDir::new().with(guest::HELLO).with(guest::TEXT);
    let cache = RoutesDir::new();
    let start = |loaded: &str| {
        let mut command = host(&["run", "--listen", "127.0.0.1:0", "--cache-dir"]);
        command.arg(cache.path()).arg("--routes").arg(routes.path());
        let process = Process::spawn(command, 1);
        process.stderr().wait_for(&["routes loaded", loaded]);
        assert_eq!(process.get("/hello"), HELLO_RESPONSE_CLOSE);
    };
    start("routes=2 cached=0 compiled=2");
    start("routes=2 cached=2 compiled=0");
    start("routes=2 cached=2 compiled=0");
}

#[test]
fn routes_prints_a_table_with_where_each_value_came_from() {
    let routes = RoutesDir::new().with(guest::DOWNLOAD).with(guest::PAGE).with_as("users/[id].wasm", guest::TRAP);
    let routes = routes.with_file("download.toml", "rate = 10\nnote = \"slow\"");
    let output = run(&mut over("routes", &routes, &["--status", "201"]));
    assert!(output.status.success(), "{output:?}");
    let place = routes.path().display();
    let table = format!(
        "METHODS  PATH         FILE\n\
         GET      /download    {place}/download.wasm\n           \
           content_type = application/octet-stream (component)\n           \
           note = slow (file)\n           \
           rate = 10 (file)\n           \
           status = 201 (flag)\n\
         GET      /page/{{id}}   {place}/page.wasm\n           \
           status = 201 (flag)\n\
         *        /users/{{id}}  {place}/users/[id].wasm\n           \
           topics of users/\n           \
           status = 201 (flag)\n\
         Every other option has its default:\n  \
           buffer_size = 16384\n  \
           concurrency = 0\n  \
           content_type = text/html; charset=utf-8\n  \
           cpu = 10000\n  \
           history_seconds = 300\n  \
           log_rate = 131072\n  \
           max_body = 67108864\n  \
           max_message = 65536\n  \
           max_subscribers = 0\n  \
           max_topics = 10000\n  \
           memory = 134217728\n  \
           on_gap = keep\n  \
           publish_rate = 16777216\n  \
           push_overflow = disconnect\n  \
           push_queue = 65536\n  \
           quarantine = 20\n  \
           rate = 0\n  \
           rate_scope = client\n  \
           reuse = 1\n  \
           status = 200\n  \
           stream = true\n  \
           timeout = 30\n  \
           upload_rate = 0\n  \
           websocket = false\n"
    );
    assert_eq!(text(&output.stdout), table);
}

#[test]
fn routes_shows_nothing_that_looks_like_a_secret() {
    let token = "ghp_0123456789abcdefABCDEF0123456789abcd";
    let secrets = format!("db_password = 'hunter2'\nnote = '{token}'\nnotes = ['a', '{token}']\ngreeting = 'Hi'");
    let routes = RoutesDir::new().with(guest::PAGE).with_file("page.toml", &secrets);
    for arguments in [&[][..], &["--json"]] {
        let output = run(&mut over("routes", &routes, arguments));
        let shown = text(&output.stdout);
        assert!(!shown.contains("hunter2") && !shown.contains(token), "{shown}");
        assert!(shown.contains("Hi") && shown.matches('…').count() == 3, "{shown}");
    }
}

#[test]
fn routes_prints_json() {
    let routes = RoutesDir::new().with(guest::PAGE).with_file("page.toml", "rate = 10\nnotes = [\"a\", \"b\"]");
    let output = run(&mut over("routes", &routes, &["--json", "--status", "201"]));
    assert!(output.status.success(), "{output:?}");
    let mut table: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let mut options = table["routes"][0]["options"].take();
    let expected = serde_json::json!({ "routes": [{
        "name": "page",
        "methods": ["GET"],
        "site": null,
        "paths": ["/page/{id}"],
        "file": routes.path().join("page.wasm").display().to_string(),
        "component": null,
        "world": "vibrato:handler",
        "middleware": [],
        "topics": { "directory": "" },
        "grant": {},
        "request-fields": {},
        "timer": null,
        "options": null,
    }] });
    assert_eq!(table, expected);
    let rows = [
        ("rate", serde_json::json!({ "value": 10, "source": "file" })),
        ("notes", serde_json::json!({ "value": ["a", "b"], "source": "file" })),
        ("status", serde_json::json!({ "value": 201, "source": "flag" })),
        ("stream", serde_json::json!({ "value": true, "source": "default" })),
        ("content_type", serde_json::json!({ "value": "text/html; charset=utf-8", "source": "default" })),
    ];
    for (name, entry) in rows {
        assert_eq!(options[name].take(), entry, "{name}");
    }
}

#[test]
fn routes_shows_the_topic_scope_of_a_route() {
    let routes = RoutesDir::new().with_as("a/one.wasm", guest::HELLO).with_as("a/two.wasm", guest::PAGE);
    let routes = routes.with_file("a/two.toml", "topics = 'chat'");
    let output = run(&mut over("routes", &routes, &[]));
    let printed = text(&output.stdout);
    assert!(printed.contains("/a/one.wasm\n           topics of a/\n"), "{printed}");
    assert!(printed.contains("/a/two.wasm\n           topics = chat (file)\n"), "{printed}");
    let output = run(&mut over("routes", &routes, &["--json"]));
    let table: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let topics = [0, 1].map(|route| &table["routes"][route]["topics"]);
    assert_eq!(topics, [&serde_json::json!({ "directory": "a" }), &serde_json::json!({ "name": "chat" })]);
}

#[test]
fn routes_tells_what_is_wrong_and_prints_the_rest() {
    let routes = RoutesDir::new().with(guest::HELLO).with_bytes("bad.wasm", b"\0asm");
    let output = run(&mut over("routes", &routes, &[]));
    assert!(text(&output.stderr).starts_with(&format!("error: {}/bad.wasm: ", routes.path().display())));
    assert!(text(&output.stdout).starts_with("METHODS  PATH    FILE\n*        /hello  "), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn routes_with_warnings_alone_succeeds() {
    let routes = RoutesDir::new().with(guest::HELLO).with_file("orphan.toml", "");
    let output = run(&mut over("routes", &routes, &[]));
    assert!(text(&output.stderr).starts_with("warning: "), "{output:?}");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_name_of_a_file_cannot_drive_a_terminal() {
    let good = "a\u{1b}[2J\nb";
    let routes = RoutesDir::new()
        .with_as(&format!("{good}.wasm"), guest::HELLO)
        .with_file(&format!("{good}.toml"), "path = '/a'");
    let routes = routes.with_bytes("c\u{1b}[2J\nd.wasm", b"");
    let output = run(&mut over("routes", &routes, &[]));
    let place = routes.path().display();
    let (printed, told) = (text(&output.stdout), text(&output.stderr));
    assert!(
        printed.starts_with(&format!("METHODS  PATH  FILE\n*        /a    {place}/a\\u{{1b}}[2J\\nb.wasm\n")),
        "{printed}"
    );
    assert!(told.starts_with(&format!("error: {place}/c\\u{{1b}}[2J\\nd.wasm: it is not WebAssembly")), "{told}");
}

#[test]
fn requests_are_numbered_across_workers() {
    let process = Process::start(&RoutesDir::new().with(guest::TRAP), &["--workers", "2"]);
    // The second connection goes to the second worker.
    let mut clients = [process.connect(), process.connect()];
    for (client, request) in [(0, 1), (1, 2), (1, 4), (0, 3)] {
        clients[client].send(get!("/trap"));
        assert!(clients[client].read_response().starts_with("HTTP/1.1 500 "));
        process.stderr().wait_for(&[&format!("route=\"trap\" request={request}: handler trap ")]);
    }
}

#[test]
fn either_signal_lets_a_request_in_flight_end() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    for signal in ["TERM", "INT"] {
        let process = Process::start(&routes, &["--drain-timeout", "600"]);
        let mut client = process.connect();
        client.send("POST /script?write=Hello&read HTTP/1.1\r\nHost: it\r\nContent-Length: 6\r\n\r\n");
        client.expect(ok_chunked!("5\r\nHello\r\n"));
        process.signal(signal);
        process.stderr().wait_for(&["stopping: waiting for requests in flight"]);
        client.send("World!");
        assert_eq!(client.read_to_end(), "6\r\nWorld!\r\n0\r\n\r\n");
        drop(client);
        assert!(process.wait().0.success(), "{signal}");
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let process = Process::start(&routes, &["--drain-timeout", "600", "--timeout", "600"]);
        let mut client = process.connect();
        client.send(get!("/script?write=Hello&spin"));
        client.expect(ok_chunked!("5\r\nHello\r\n"));
        process.signal(first);
        process.stderr().wait_for(&["stopping: waiting for requests in flight"]);
        process.signal(second);
        assert_eq!(client.read_until_end().0, "", "no last chunk");
        assert!(process.wait().0.success());
    }
}

#[test]
fn draining_ends_at_its_deadline() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let process = Process::start(&routes, &["--drain-timeout", "0.1", "--timeout", "600"]);
    let mut client = process.connect();
    client.send(get!("/script?write=Hello&spin"));
    client.expect(ok_chunked!("5\r\nHello\r\n"));
    process.signal("TERM");
    process.stderr().wait_for(&["drain timeout expired"]);
    assert_eq!(client.read_until_end().0, "", "no last chunk");
    assert!(process.wait().0.success());
}

#[test]
fn a_stopped_server_accepts_no_more() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let process = Process::start(&routes, &[]);
    let address = process.addresses()[0];
    process.signal("TERM");
    assert!(process.wait().0.success());
    assert!(TcpListener::bind(address).is_ok(), "the address is free again");
}

#[test]
fn the_version_is_printed() {
    let output = run(&mut host(&["--version"]));
    assert_eq!(text(&output.stdout), concat!("host ", env!("CARGO_PKG_VERSION"), "\n"));
}
