//! `host top`: what it shows of a running host, once and in a terminal, and how it leaves that terminal.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{Process, RoutesDir, guest, host, run, text, wait_until};

const ROWS: u16 = 60;
const COLUMNS: u16 = 100;

/// A terminal that shows nothing yet.
fn parser() -> vt100::Parser {
    let [rows, columns] = [ROWS, COLUMNS].map(|length| NonZeroU16::new(length).expect("it is not 0"));
    vt100::Parser::new(rows, columns, 0)
}

/// What the program prints without a terminal, with these arguments.
fn once(arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = run(host(&["top"]).args(arguments));
    (text(&output.stdout).to_owned(), text(&output.stderr).to_owned(), output.status.code())
}

/// `host top` in a terminal of its own, as a person sees it.
struct InTerminal {
    child: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl InTerminal {
    /// Starts it between two lines that tell the settings of the terminal.
    fn start(admin: &str, environment: (&str, &str)) -> Self {
        let top = host(&["top", "--admin", admin]);
        let script = format!(
            "top=$(printf \"'%s' \" \"$0\" \"$@\")\n\
             exec script -qfc \"stty rows {ROWS} cols {COLUMNS}; before=\\$(stty -g); $top; echo ended \\$?; \
             test \\\"\\$before\\\" = \\\"\\$(stty -g)\\\" && echo as before; cat\" /dev/null"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(top.get_program()).args(top.get_args());
        command.env_remove("NO_COLOR").env("TERM", "xterm").env(environment.0, environment.1);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script can be started");
        let keys = child.stdin.take().expect("stdin is a pipe");
        let mut terminal = child.stdout.take().expect("stdout is a pipe");
        let screen = Arc::new(Mutex::new(parser()));
        let seen = screen.clone();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = terminal.read(&mut bytes) {
                seen.lock().expect("no test has panicked with it").process(&bytes[..length]);
            }
        });
        Self { child, keys, screen }
    }

    fn with_screen<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.screen.lock().expect("no test has panicked with it").screen())
    }

    fn lines(&self) -> Vec<String> {
        self.with_screen(|screen| screen.rows(0, COLUMNS).collect())
    }

    #[track_caller]
    fn wait_for(&self, shown: &str) {
        wait_until(&format!("{shown} is shown"), || self.lines().iter().any(|line| line.contains(shown)));
    }

    /// Waits until the first rows of the table begin with these names.
    #[track_caller]
    fn wait_for_rows(&self, names: &[&str]) {
        wait_until(&format!("the rows are {names:?}"), || {
            let lines = self.lines();
            let rows = lines.iter().skip_while(|line| !line.contains("Errors/s") || !line.contains("Route")).skip(1);
            rows.zip(names).filter(|(row, name)| row.starts_with(*name)).count() == names.len()
        });
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Sees that the program has ended and the terminal is as it was.
    #[track_caller]
    fn is_restored(&self, code: u8) {
        self.wait_for(&format!("ended {code}"));
        self.wait_for("as before");
        assert!(self.with_screen(|screen| !screen.alternate_screen() && !screen.hide_cursor()));
    }

    /// The process of the program itself.
    fn signal(&self, name: &str) {
        let script = self.child.id().to_string();
        let shell = children(&script);
        let top = children(shell.trim());
        let status = Command::new("kill").args(["-s", name, top.trim()]).status();
        assert!(status.expect("there is a kill command").success(), "{top}");
    }
}

fn children(process: &str) -> String {
    std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).expect("the process runs")
}

impl Drop for InTerminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn served() -> (Process, String) {
    let (process, admin) =
        Process::start_with_admin(&RoutesDir::new().with(guest::HELLO).with(guest::SCRIPT), &["--no-watch"]);
    let address = admin.address().to_string();
    (process, address)
}

#[test]
fn the_table_is_printed_once_with_the_figures_of_each_route() {
    let (process, admin) = served();
    for _ in 0..3 {
        process.get("/hello");
    }
    process.get("/script?trap");
    let is_done = AtomicBool::new(false);
    let (printed, _, code) = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                process.get("/hello");
            }
        });
        let printed = once(&["--admin", &admin, "--once", "--sort", "name"]);
        is_done.store(true, Ordering::Relaxed);
        printed
    });
    assert_eq!(code, Some(0));
    assert!(printed.starts_with("Serving, up ") && !printed.contains('\u{1b}'), "{printed}");
    let rows: Vec<Vec<&str>> = printed
        .lines()
        .skip_while(|line| !line.starts_with("Route "))
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        (rows[0][..3].to_vec(), rows[1][0], rows[2][0]),
        (vec!["-", "(no", "route)"], "hello", "script"),
        "{printed}"
    );
    assert!(rows[1][1].replace(',', "").parse::<f64>().is_ok_and(|rate| rate > 0.0), "{printed}");
    assert!(rows[1][3].ends_with('s') && rows[1][4].ends_with('s'), "{printed}");
    assert_eq!(rows[2].last(), Some(&"1"), "{printed}");
    // The figures are those of the page: their total is what was counted.
    let (reversed, _, _) = once(&["--admin", &format!("http://{admin}"), "--sort", "name", "--reverse"]);
    let names: Vec<&str> = reversed
        .lines()
        .skip_while(|line| !line.starts_with("Route "))
        .skip(1)
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names, ["script", "hello", "-"]);
}

#[test]
fn it_asks_over_a_unix_socket() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let socket = format!("unix:{}", directory.path().join("admin.sock").display());
    let _process = Process::start(&RoutesDir::new().with(guest::HELLO), &["--no-watch", "--admin", &socket]);
    let (printed, error, code) = once(&["--admin", &socket]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(printed.lines().any(|line| line.starts_with("hello ")), "{printed}");
}

#[test]
fn what_is_no_admin_listener_is_told_with_the_flag_to_change() {
    let (process, _) = served();
    let public = process.addresses()[0].to_string();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let nobody = closed.local_addr().expect("it has one").to_string();
    drop(closed);
    for (admin, told, code) in [
        (public.as_str(), "is no admin listener: a request for /stats.json gets the status 404", 2),
        (&nobody, "cannot connect to", 2),
        ("unix:./none.sock", "cannot connect to", 2),
        ("fd:admin", "only the host knows the socket of that name", 2),
        ("https://127.0.0.1:9000", "expected an address without https://", 2),
        ("9000", "expected host:port", 2),
    ] {
        let (printed, error, exit) = once(&["--admin", admin, "--once"]);
        assert_eq!((printed.as_str(), exit), ("", Some(code)), "{admin}: {error}");
        assert!(error.contains(told) && error.contains("--admin"), "{admin}: {error}");
    }
}

#[test]
fn a_person_sorts_filters_looks_into_a_route_and_quits() {
    let (process, admin) = served();
    process.get("/script?trap");
    let mut top = InTerminal::start(&admin, ("NO_COLOR", ""));
    top.wait_for("Serving, up ");
    top.press("n");
    top.wait_for_rows(&["- (no route)", "hello", "script"]);
    top.press("n");
    top.wait_for_rows(&["script", "hello", "- (no route)"]);
    top.press("/hel");
    top.wait_for_rows(&["hello"]);
    wait_until("other routes are hidden", || !top.lines().iter().any(|line| line.starts_with("script")));
    top.press("\u{1b}");
    top.wait_for_rows(&["script", "hello"]);
    top.press("\u{1b}[B\r");
    top.wait_for("Route script");
    top.wait_for("any method");
    top.press("G");
    top.wait_for("wasm backtrace");
    top.press("?");
    top.wait_for("Columns, each with the key that sorts by it");
    assert!(top.with_screen(vt100::Screen::alternate_screen));
    top.press("q");
    top.is_restored(0);
}

#[test]
fn a_host_that_is_away_is_told_and_found_again() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let socket = format!("unix:{}", directory.path().join("admin.sock").display());
    let routes = RoutesDir::new().with(guest::HELLO);
    let process = Process::start(&routes, &["--no-watch", "--admin", &socket]);
    let mut top = InTerminal::start(&socket, ("NO_COLOR", ""));
    top.wait_for("hello");
    drop(process);
    top.wait_for("The host is away");
    let _process = Process::start(&routes, &["--no-watch", "--admin", &socket]);
    top.wait_for("Serving, up ");
    top.press("\u{3}");
    top.is_restored(0);
}

#[test]
fn a_signal_ends_it_and_the_terminal_is_as_before() {
    let (_process, admin) = served();
    for (signal, code) in [("TERM", 143), ("HUP", 129)] {
        let top = InTerminal::start(&admin, ("NO_COLOR", ""));
        top.wait_for("hello");
        top.signal(signal);
        top.is_restored(code);
    }
}

#[test]
fn without_colours_there_are_none() {
    let (process, admin) = served();
    process.get("/script?trap");
    let has_colours = |environment| {
        let mut top = InTerminal::start(&admin, environment);
        top.wait_for("Serving");
        let is_default = |cell: &vt100::Cell| cell.fgcolor() == vt100::Color::Default;
        let has = top.with_screen(|screen| {
            (0..ROWS)
                .any(|row| (0..COLUMNS).any(|column| screen.cell(row, column).is_some_and(|cell| !is_default(cell))))
        });
        top.press("q");
        top.is_restored(0);
        has
    };
    assert!(has_colours(("NO_COLOR", "")));
    assert!(!has_colours(("NO_COLOR", "1")));
}
