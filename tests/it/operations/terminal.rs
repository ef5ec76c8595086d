//! What a person sees in a terminal: short lines, with colours unless they are not wanted.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::wire::get_and_close;
use crate::support::{Client, Lines, RoutesDir, compile_cache, guest, host};

/// A host whose stdout and stderr are one terminal.
struct InTerminal {
    child: Child,
    lines: Lines,
    /// It is there as long as the host.
    _routes: RoutesDir,
}

impl InTerminal {
    fn start(routes: RoutesDir, environment: (&str, &str)) -> Self {
        let run = host(&["run", "--listen", "127.0.0.1:0", "--dev", "--dev-host", "it"]);
        let in_terminal = "run=$(printf \"'%s' \" \"$0\" \"$@\")\n\
                           exec script -qfc \"stty -opost; exec $run\" /dev/null";
        let mut command = Command::new("sh");
        command.args(["-c", in_terminal]).arg(run.get_program()).args(run.get_args());
        command.arg("--cache-dir").arg(compile_cache()).arg("--routes").arg(routes.path());
        command.env_remove("RUST_LOG").env_remove("NO_COLOR").env("TERM", "xterm").env(environment.0, environment.1);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("script can be started");
        let terminal = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let lines = Lines::default();
        let pushed = lines.clone();
        std::thread::spawn(move || {
            terminal.lines().map_while(Result::ok).for_each(|line| pushed.push(&format!("{line}\n")));
        });
        Self { child, lines, _routes: routes }
    }

    fn get(&self, target: &str) -> String {
        self.lines.wait_for(&["routes loaded"]);
        let line = self.lines.wait_for(&["listening on http://"]);
        let address = line.trim().trim_start_matches("listening on http://").parse().expect("it is an address");
        Client::connect(address).exchange(get_and_close(target))
    }
}

impl Drop for InTerminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a line begins with a time of day.
fn has_time(line: &str) -> bool {
    let bytes = line.as_bytes();
    bytes.len() > 9 && [2, 5].iter().all(|&at| bytes[at] == b':') && bytes[8] == b' ' && !line.contains('Z')
}

#[test]
fn a_terminal_without_colours_has_short_lines_that_fit_it() {
    for environment in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let routes = RoutesDir::new().with(guest::SCRIPT);
        let terminal = InTerminal::start(routes, environment);
        assert!(terminal.get("/script").starts_with("HTTP/1.1 200 "));
        terminal.get(&format!("/script?body={}", "a".repeat(200)));
        let line = terminal.lines.wait_for(&[" GET /script 200 ", " ms\n"]);
        assert!(has_time(&line), "{line:?}");
        let long = terminal.lines.wait_for(&[" GET /script?body=aaa"]);
        assert!(long.contains("… 200 ") && long.trim_end().chars().count() <= 100, "{long:?}");
        let loaded = terminal.lines.wait_for(&["routes loaded"]);
        assert!(has_time(&loaded), "{loaded:?}");
        assert_eq!(terminal.lines.with(&["\u{1b}"]), Vec::<String>::new());
    }
}

#[test]
fn a_terminal_with_colours_shows_the_status_in_them() {
    let terminal = InTerminal::start(RoutesDir::new().with(guest::SCRIPT), ("TERM", "xterm"));
    terminal.get("/script");
    terminal.get("/none");
    terminal.lines.wait_for(&[" GET /script \u{1b}[32m200\u{1b}[0m"]);
    terminal.lines.wait_for(&[" GET /none \u{1b}[33m404\u{1b}[0m"]);
}
