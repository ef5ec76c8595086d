//! Directories: `files` of `[grant]`, in every world.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use artifacts::Guest;
use host::config::Config;
use host::diagnostic::Severity;
use host::server::Server;

use crate::support::{RoutesDir, TestServer, guest};

/// The guests that reach for files, each of another world.
const GUESTS: [Guest; 3] = [guest::REACH, guest::REACH_WASI, guest::REACH_P3];

/// The bytes that may be written in `/tmp`.
const QUOTA: u64 = 100_000;

/// Directories to grant: `data` to read and `tmp` to write, and beside them what must not be reached.
struct Granted(RoutesDir);

impl Granted {
    fn new() -> Self {
        let files =
            RoutesDir::new().with_file("data/a", "hello").with_file("data/in/b", "inner").with_file("secret", "no");
        let path = |name: &str| files.path().join(name);
        symlink("a", path("data/link"))
            .and_then(|()| symlink("../secret", path("data/out")))
            .expect("links can be made");
        symlink(path("secret"), path("data/absolute")).expect("a link can be made");
        fs::create_dir(path("tmp")).expect("a directory can be made");
        Self(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Serves a guest that may use them.
    fn serve(&self, guest: Guest, options: &str) -> TestServer {
        let (data, tmp) = (self.path("data"), self.path("tmp"));
        let grant = format!(
            "path = '/reach'\n{options}[grant.files]\n'/data' = '{}'\n'/tmp' = {{ path = '{}', write = true, max_bytes = {QUOTA} }}\n",
            data.display(),
            tmp.display(),
        );
        let server = TestServer::start(RoutesDir::new().with_as("reach.wasm", guest).with_file("reach.toml", &grant));
        assert_eq!(server.diagnostics(), [], "{guest}");
        server
    }
}

/// What the steps of a query report.
#[track_caller]
fn report(server: &TestServer, steps: &str) -> String {
    let response = server.get(&format!("/reach?{steps}"));
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    let (_, body) = response.split_once("\r\n\r\n").expect("a response has a head");
    body.split("\r\n").filter(|line| line.contains(": ")).map(|chunk| chunk.trim_end().replace('\n', "; ")).collect()
}

#[test]
fn a_directory_is_read_and_nothing_beside_it() {
    for guest in GUESTS {
        let granted = Granted::new();
        let server = granted.serve(guest, "");
        let read = report(&server, "read=/data/a&read=/data/in/b&read=/data/link&list=/data&size=/data/a");
        assert_eq!(read, "read: hello; read: inner; read: hello; list: a absolute in link out; size: 5", "{guest}");
        for path in
            ["/data/out", "/data/absolute", "/data/../secret", "/data/in/../../secret", "/secret", "/etc/passwd"]
        {
            let found = report(&server, &format!("read={path}"));
            assert!(["read: PermissionDenied", "read: NotFound"].contains(&&*found), "{guest}, {path}: {found}");
        }
    }
}

#[test]
fn what_is_granted_for_reading_cannot_be_changed() {
    for guest in GUESTS {
        let granted = Granted::new();
        let server = granted.serve(guest, "");
        for step in [
            "write=/data/a:x",
            "write=/data/new:x",
            "append=/data/a:x",
            "seek=/data/a:1",
            "truncate=/data/a:0",
            "mkdir=/data/new",
            "rmdir=/data/in",
            "remove=/data/a",
            "rename=/data/a:/data/new",
            "link=/data/a:/data/new",
            "symlink=a:/data/new",
            "touch=/data/a",
            "files=/data:1",
        ] {
            let found = report(&server, step);
            let name = step.split('=').next().unwrap_or_default();
            let refused = [format!("{name}: PermissionDenied"), format!("{name}: 0")];
            assert!(refused.contains(&found), "{guest}, {step}: {found}");
        }
        // A link or a rename cannot bring it into a directory that can be written.
        assert_eq!(
            report(&server, "link=/data/a:/tmp/a&rename=/data/a:/tmp/a"),
            "link: CrossesDevices; rename: CrossesDevices"
        );
        assert_eq!(report(&server, "list=/data&read=/data/a"), "list: a absolute in link out; read: hello", "{guest}");
    }
}

#[test]
fn what_is_granted_for_writing_holds_what_was_written_between_requests() {
    for guest in GUESTS {
        let granted = Granted::new();
        let server = granted.serve(guest, "");
        let written = report(
            &server,
            "write=/tmp/a:one&append=/tmp/a:two&mkdir=/tmp/in&rename=/tmp/a:/tmp/in/b&link=/tmp/in/b:/tmp/c",
        );
        assert_eq!(written, "write: ok; append: ok; mkdir: ok; rename: ok; link: ok", "{guest}");
        assert_eq!(report(&server, "read=/tmp/in/b&read=/tmp/c"), "read: onetwo; read: onetwo", "{guest}");
        assert_eq!(fs::read_to_string(granted.path("tmp/in/b")).ok().as_deref(), Some("onetwo"));
        let links = report(&server, "symlink=/etc/passwd:/tmp/x&symlink=../secret:/tmp/y&read=/tmp/y&append=/tmp/y:z");
        assert_eq!(
            links, "symlink: PermissionDenied; symlink: ok; read: PermissionDenied; append: PermissionDenied",
            "{guest}"
        );
        assert_eq!(fs::read_to_string(granted.path("secret")).ok().as_deref(), Some("no"));
    }
}

#[test]
fn no_more_is_written_than_the_quota_however_it_is_written() {
    for guest in GUESTS {
        let granted = Granted::new();
        let server = granted.serve(guest, "");
        assert_eq!(report(&server, "fill=/tmp/a:90000&size=/tmp/a"), "fill: ok; size: 90000", "{guest}");
        for (steps, refused) in [
            ("append=/tmp/a:", "append: ok"),
            ("truncate=/tmp/a:98000", "truncate: QuotaExceeded"),
            ("truncate=/tmp/a:1000000000000", "truncate: QuotaExceeded"),
            ("mkdir=/tmp/b&mkdir=/tmp/c", "mkdir: ok; mkdir: QuotaExceeded"),
            ("files=/tmp:100", "files: 0"),
        ] {
            assert_eq!(report(&server, steps), refused, "{guest}, {steps}");
        }
        for step in ["fill=/tmp/a:200000", "seek=/tmp/a:1000000000", "fill=/tmp/b/c:100000"] {
            assert!(!report(&server, step).contains("ok"), "{guest}, {step}");
            let used = fs::metadata(granted.path("tmp/a")).map_or(0, |metadata| metadata.len());
            assert!(used < QUOTA, "{guest}, {step}: {used}");
        }
        // What is removed can be written again.
        assert_eq!(report(&server, "remove=/tmp/a&fill=/tmp/a:90000"), "remove: ok; fill: ok", "{guest}");
        assert_eq!(report(&server, "truncate=/tmp/a:10&fill=/tmp/b/c:80000"), "truncate: ok; fill: ok", "{guest}");
    }
}

#[test]
fn pipes_and_devices_are_not_opened_and_hold_nobody_up() {
    for guest in GUESTS {
        let granted = Granted::new();
        let made = Command::new("mkfifo").arg(granted.path("data/pipe")).arg(granted.path("tmp/pipe")).status();
        assert!(made.expect("there is a mkfifo command").success());
        symlink("pipe", granted.path("data/to_pipe")).expect("a link can be made");
        let server = granted.serve(guest, "");
        for _ in 0..20 {
            let read = report(&server, "read=/data/pipe&read=/data/to_pipe&write=/tmp/pipe:x");
            assert_eq!(read, "read: PermissionDenied; read: PermissionDenied; write: PermissionDenied", "{guest}");
        }
        assert_eq!(report(&server, "read=/data/a"), "read: hello", "{guest}");
    }
}

#[test]
fn an_instance_has_a_bounded_number_of_files_open_and_keeps_its_directories_when_it_is_used_again() {
    for guest in GUESTS {
        let granted = Granted::new();
        let server = granted.serve(guest, "reuse = 100\n");
        for _ in 0..3 {
            // Its two directories count.
            assert_eq!(report(&server, "open=/data/a:200&read=/data/a"), "open: 126; read: hello", "{guest}");
        }
    }
}

#[test]
fn a_directory_stays_what_it_was_when_another_takes_its_path() {
    let granted = Granted::new();
    let server = granted.serve(guest::REACH, "");
    fs::rename(granted.path("data"), granted.path("moved")).expect("a directory can be renamed");
    symlink(granted.path("tmp"), granted.path("data")).expect("a link can be made");
    assert_eq!(report(&server, "read=/data/a"), "read: hello");
}

#[test]
fn the_directories_of_the_host_cannot_be_granted() {
    let secrets = RoutesDir::new().with_file("key", "no");
    let routes = RoutesDir::new().with_as("reach.wasm", guest::REACH);
    for path in [routes.path(), routes.path().parent().expect("it is in a directory"), secrets.path()] {
        let grant = format!("[grant.files]\n'/data' = '{}'", path.display());
        routes.write("reach.toml", &grant);
        let config = Config {
            routes: routes.path().to_owned(),
            secrets: Some(secrets.path().to_owned()),
            cache_directory: None,
            ..Config::default()
        };
        let (_, diagnostics) = Server::new(config).expect("a server can be made");
        let [error] = diagnostics.as_slice() else { panic!("{diagnostics:?}") };
        assert_eq!(error.severity, Severity::Error);
        assert!(error.reason.contains("cannot be granted: it is, is in, or has the "), "{error}");
    }
}

#[test]
fn without_a_grant_there_are_no_directories() {
    for guest in GUESTS {
        let routes = RoutesDir::new().with_as("reach.wasm", guest).with_file("reach.toml", "path = '/reach'");
        let found = report(&TestServer::start(routes), "read=/data/a&list=/&write=/tmp/a:x");
        for line in found.split("; ") {
            assert!(
                line.ends_with("PermissionDenied") || line.ends_with("NotFound") || line.ends_with("Uncategorized"),
                "{guest}: {found}"
            );
        }
    }
}
