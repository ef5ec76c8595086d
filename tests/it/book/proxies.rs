//! The recipes for proxies: each is put before a server, read by the program that it is for.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Instant;
use std::{env, thread};

use host::options::Value;
use tempfile::TempDir;

use super::page::{Act, Page};
use super::shell::SHOWN;
use crate::support::websocket::{BINARY, CLOSE, HANDSHAKE, PING, PONG};
use crate::support::{Client, RoutesDir, TIMEOUT, TestServer, guest, skip, wait_until};

/// The site of the recipes.
const SITE: &str = "chat.example";

/// A program that has a recipe: its name is that of the recipe, of the command and of Debian's package.
#[derive(Debug)]
struct Program {
    name: &'static str,
    /// Where the recipe listens, and what a test has in its place: `{}` is a free port.
    listens: (&'static str, &'static str),
    /// What stands around the recipe, in the place of `{recipe}`; `{folder}` is a folder of its own.
    frame: &'static str,
    /// The arguments that run it in the foreground; `{file}` is its configuration.
    arguments: &'static [&'static str],
}

const PROGRAMS: [Program; 3] = [
    Program {
        name: "nginx",
        listens: ("listen 80;", "listen 127.0.0.1:{};"),
        // As Debian's `nginx.conf` has it, in so far as it matters to what is sent.
        frame: "daemon off;\nmaster_process off;\npid {folder}/pid;\nevents {}\nhttp {\n\
            sendfile on;\ntcp_nopush on;\ngzip on;\naccess_log off;\n\
            client_body_temp_path {folder}/body;\nproxy_temp_path {folder}/proxy;\nfastcgi_temp_path {folder}/fastcgi;\n\
            uwsgi_temp_path {folder}/uwsgi;\nscgi_temp_path {folder}/scgi;\n{recipe}}\n",
        arguments: &["-e", "stderr", "-c", "{file}"],
    },
    Program {
        name: "caddy",
        listens: ("chat.example {", "http://chat.example:{} {\nbind 127.0.0.1"),
        frame: "{\nadmin off\n}\n{recipe}",
        arguments: &["run", "--adapter", "caddyfile", "--config", "{file}"],
    },
    Program {
        name: "haproxy",
        listens: ("bind :80", "bind 127.0.0.1:{}"),
        frame: "{recipe}",
        arguments: &["-db", "-f", "{file}"],
    },
];

/// The programs that are installed; `VIBRATO_PROXIES=all` demands all of them.
static INSTALLED: LazyLock<Vec<&Program>> = LazyLock::new(|| {
    let all = env::var("VIBRATO_PROXIES").is_ok_and(|value| value == "all");
    let installed = PROGRAMS.iter().filter(|program| {
        let mut version = program.command(&[if program.name == "caddy" { "version" } else { "-v" }]);
        let installed = version.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|end| end.success());
        assert!(installed || !all, "{0} is not installed: `make test-proxies` installs it", program.name);
        if !installed {
            skip(&format!("the recipe for {0}: {0} is not installed; `make test-proxies` installs it", program.name));
        }
        installed
    });
    installed.collect()
});

impl Program {
    /// The program as the tests' user runs it, who may not have the folder of Debian's servers in its path.
    fn command(&self, arguments: &[&str]) -> Command {
        let path = env::var("PATH").unwrap_or_default();
        let mut command = Command::new(self.name);
        command.args(arguments).env("PATH", format!("{path}:/usr/sbin")).stdin(Stdio::null());
        command
    }

    /// What the book says to write for it.
    fn recipe(&self) -> String {
        let steps = Page::read("docs/src/operating.md").steps().into_iter();
        let mut recipes = steps.filter_map(|step| match step.act {
            Act::Recipe { program, text } if program == self.name => Some(text),
            _ => None,
        });
        recipes.next().unwrap_or_else(|| panic!("the book has no recipe for {}", self.name))
    }

    /// The recipe with other addresses than it shows, and what stands around it.
    fn configuration(&self, port: u16, upstream: SocketAddr, folder: &Path) -> String {
        let mut recipe = self.recipe();
        let (listens, listening) = self.listens;
        for (shown, real) in [(listens, listening.replace("{}", &port.to_string())), (SHOWN, upstream.to_string())] {
            assert_eq!(recipe.matches(shown).count(), 1, "the recipe for {} has {shown:?} once", self.name);
            recipe = recipe.replace(shown, &real);
        }
        self.frame.replace("{folder}", &folder.display().to_string()).replace("{recipe}", &recipe)
    }
}

/// A proxy that runs, ended when dropped.
#[derive(Debug)]
struct Proxy {
    process: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Proxy {
    /// Runs `program` on a free port before `upstream`.
    fn start(program: &Program, upstream: SocketAddr) -> Self {
        // Another process may take the port before the proxy does.
        let tries = (0..3).map(|_| Self::try_start(program, upstream));
        tries.reduce(Result::or).expect("it is tried").unwrap_or_else(|log| panic!("{}: {log}", program.name))
    }

    /// The same once, or what it says where it ends.
    fn try_start(program: &Program, upstream: SocketAddr) -> Result<Self, String> {
        let folder = TempDir::new().expect("a temporary directory can be made");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let (file, log) = (folder.path().join("configuration"), folder.path().join("log"));
        fs::write(&file, program.configuration(address.port(), upstream, folder.path())).expect("it can be written");
        let file = file.display().to_string();
        let arguments: Vec<&str> =
            program.arguments.iter().map(|&word| if word == "{file}" { file.as_str() } else { word }).collect();
        let mut command = program.command(&arguments);
        for home in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env(home, folder.path());
        }
        let said = File::create(&log).expect("a file can be written");
        command.stdout(Stdio::null()).stderr(said);
        drop(listener);
        let process = command.spawn().expect("the program can be started");
        let mut proxy = Self { process, address, _folder: folder };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = proxy.process.try_wait().expect("it can be asked").is_some();
            if ended || start.elapsed() > TIMEOUT {
                return Err(fs::read_to_string(log).unwrap_or_default());
            }
            thread::yield_now();
        }
        Ok(proxy)
    }

    fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// The value of `Host` that a browser sends to it.
    fn site(&self) -> String {
        format!("{SITE}:{}", self.address.port())
    }

    /// The head of a request up to where more fields may come.
    fn head(&self, request: &str) -> String {
        format!("{request} HTTP/1.1\r\nHost: {}\r\n", self.site())
    }

    /// What a GET on a connection of its own is answered: the head, and the chunks of the body.
    #[track_caller]
    fn get(&self, target: &str) -> String {
        let mut client = self.connect();
        client.send(self.head(&format!("GET {target}")) + "\r\n");
        client.read_response()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a test with each program before a server.
fn behind_each(test: impl Fn(&Proxy, &TestServer)) {
    for program in INSTALLED.iter() {
        let routes = RoutesDir::new().with(guest::SCRIPT).with(guest::MESSAGES).with(guest::CHAT_WS);
        let server = TestServer::builder(routes).option("max_body", Value::Integer(16 << 20)).start();
        let proxy = Proxy::start(program, server.address());
        // Shown where the test fails.
        println!("behind {}", program.name);
        test(&proxy, &server);
    }
}

#[test]
fn a_request_reaches_the_host_as_it_was_sent() {
    behind_each(|proxy, _| {
        let asked = "ask=method&ask=target&ask=field:host&ask=field:x-probe&report";
        let target = format!("/script/a%2Fb//c%20d?{asked}");
        let mut client = proxy.connect();
        client.send(proxy.head(&format!("PATCH {target}")) + "X-Probe: as it is\r\n\r\n");
        let answer = client.read_response();
        let site = proxy.site();
        let said = format!("method: PATCH\ntarget: {target}\nfield:host: {site}\nfield:x-probe: as it is\n");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(&said), "{said:?} is not in {answer:?}");
    });
}

#[test]
fn the_address_of_the_client_cannot_be_forged() {
    behind_each(|proxy, _| {
        let mut client = proxy.connect();
        client.send(proxy.head("GET /script?ask=fields&report") + "X-Forwarded-For: 192.0.2.1\r\n\r\n");
        let answer = client.read_response();
        assert!(answer.contains(";x-forwarded-for=127.0.0.1;") && !answer.contains("192.0.2.1"), "{answer:?}");
        assert!(answer.contains(";x-forwarded-proto=http;"), "{answer:?}");
    });
}

#[test]
fn a_status_of_the_host_reaches_the_client_and_the_connection_lives() {
    behind_each(|proxy, _| {
        let mut client = proxy.connect();
        for (target, status) in [("/script?status=201&body=made", "201"), ("/none", "404"), ("/script?trap", "500")] {
            client.send(proxy.head(&format!("GET {target}")) + "\r\n");
            let answer = client.read_response();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer:?}");
        }
    });
}

#[test]
fn one_connection_to_the_host_serves_many_requests() {
    for program in INSTALLED.iter() {
        let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let proxy = Proxy::start(program, upstream.local_addr().expect("it has an address"));
        let mut client = proxy.connect();
        client.send(proxy.head("GET /first") + "\r\n");
        let mut host = Client::over(upstream.accept().expect("the proxy connects").0);
        for target in ["/first", "/second", "/third"] {
            if target != "/first" {
                client.send(proxy.head(&format!("GET {target}")) + "\r\n");
            }
            // Another connection would not be answered.
            let head = host.read_until("\r\n\r\n");
            assert!(head.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{head:?}");
            host.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            assert!(client.read_response().ends_with("\r\n\r\nok"));
        }
    }
}

#[test]
fn a_response_arrives_piece_by_piece() {
    behind_each(|proxy, _| {
        let mut client = proxy.connect();
        let target = "GET /script?set=content-type:text/html&subscribe=pieces&write=first&manual";
        client.send(proxy.head(target) + "\r\n");
        client.read_until("first");
        for piece in ["second", "third"] {
            let answer = proxy.get(&format!("/script?publish=pieces:{piece}&report"));
            assert!(answer.contains("publish: 1\n"), "{answer:?}");
            client.read_until(piece);
        }
        proxy.get("/script?finish=pieces&report");
        client.read_until("0\r\n\r\n");
    });
}

#[test]
fn a_client_that_goes_frees_the_place_of_its_response() {
    behind_each(|proxy, server| {
        let mut client = proxy.connect();
        client.send(proxy.head("GET /script?subscribe=leaving&write=first&manual") + "\r\n");
        client.read_until("first");
        wait_until("the response is left open", || server.parked() == 1);
        drop(client);
        wait_until("the host hears that its client has gone", || server.parked() == 0);
    });
}

#[test]
fn a_large_body_is_taken_and_its_first_bytes_reach_the_handler_before_its_last() {
    const SIZE: usize = 8 << 20;
    behind_each(|proxy, _| {
        for framing in [format!("Content-Length: {SIZE}\r\n"), "Transfer-Encoding: chunked\r\n".to_owned()] {
            let mut watcher = proxy.connect();
            watcher.send(proxy.head("GET /script?subscribe=body&write=ready&manual") + "\r\n");
            watcher.read_until("ready");
            let mut client = proxy.connect();
            client.send(proxy.head("POST /script?read-one=5&publish=body:begun&count") + &framing + "\r\n");
            let is_chunked = framing.contains("chunked");
            client.send(if is_chunked { "5\r\nfirst\r\n" } else { "first" });
            watcher.read_until("begun");
            let rest = vec![b'x'; SIZE - 5];
            client.send(if is_chunked { format!("{:x}\r\n", rest.len()) } else { String::new() });
            client.send(rest);
            client.send(if is_chunked { "\r\n0\r\n\r\n" } else { "" });
            let answer = client.read_response();
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(&format!("{}", SIZE - 5)), "{answer:?}");
        }
    });
}

#[test]
fn a_body_that_is_too_large_is_reported() {
    const SIZE: usize = 17 << 20;
    behind_each(|proxy, _| {
        let mut socket = TcpStream::connect(proxy.address).expect("the proxy accepts");
        socket.set_write_timeout(Some(TIMEOUT)).expect("a time-out can be set");
        let mut client = Client::over(socket.try_clone().expect("a socket can be shared"));
        client.send(proxy.head("POST /script?read") + &format!("Content-Length: {SIZE}\r\n\r\n"));
        // It sends on, as clients do that look for no answer before they have sent all; the proxy may stop reading.
        let sender = thread::spawn(move || socket.write_all(&vec![b'x'; SIZE]));
        let head = client.read_until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 413 "), "{head:?}");
        drop(client);
        let _ = sender.join();
    });
}

#[test]
fn a_websocket_passes_with_its_origin_and_its_host() {
    behind_each(|proxy, _| {
        let mut client = proxy.connect();
        let origin = format!("http://{}", proxy.site());
        client.send(proxy.head("GET /messages?subscribe=told") + &format!("Origin: {origin}\r\n{HANDSHAKE}\r\n"));
        let head = client.read_until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head:?}");
        client.expect_answer("field=host", &proxy.site());
        client.expect_answer("field=origin", &origin);
        client.expect_answer("echo=there and back", "there and back");
        client.send_frame(BINARY, b"\x00\xff");
        client.expect_frame(BINARY, b"\x00\xff");
        client.send_frame(PING, "are you there?");
        client.expect_frame(PONG, "are you there?");
        let long = "x".repeat(60_000);
        client.expect_answer(&format!("echo={long}"), &long);
        client.send_frame(CLOSE, 1000u16.to_be_bytes());
        client.expect_close(1000, "");
        client.read_until_end();
    });
}

#[test]
fn a_page_of_the_site_may_enter_the_chat_and_another_may_not() {
    behind_each(|proxy, _| {
        for (origin, status) in [(format!("http://{}", proxy.site()), "101"), ("http://other.example".into(), "403")] {
            let mut client = proxy.connect();
            client.send(proxy.head("GET /chat-ws/room/socket") + &format!("Origin: {origin}\r\n{HANDSHAKE}\r\n"));
            let head = client.read_until("\r\n\r\n");
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{origin} got {head:?}");
        }
    });
}

#[test]
fn a_client_of_http10_is_served() {
    behind_each(|proxy, _| {
        let mut client = proxy.connect();
        client.send("GET /script?body=old HTTP/1.0\r\nHost: chat.example\r\n\r\n");
        let (answer, _) = client.read_until_end();
        assert!(answer.contains(" 200 ") && answer.ends_with("old"), "{answer:?}");
    });
}
