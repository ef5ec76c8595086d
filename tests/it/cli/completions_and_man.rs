//! What `host completions` and `host man` print, as far as it says which commands and flags there are.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::{host, run, text};

#[test]
fn every_shell_has_completions_of_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(&mut host(&["completions", shell]));
        let script = text(&output.stdout);
        assert!(output.status.success(), "{shell}");
        for word in [
            "dev",
            "check",
            "call",
            "test",
            "publish",
            "top",
            "new",
            "completions",
            "man",
            "max-connections",
            "buffer-size",
        ] {
            assert!(script.contains(word), "{word} for {shell}");
        }
    }
}

#[test]
fn bash_takes_its_completions() {
    let script = run(&mut host(&["completions", "bash"])).stdout;
    let ask = "\nCOMP_WORDS=(host ch); COMP_CWORD=1; _host host ch host; echo \"${COMPREPLY[@]}\"\n";
    let mut bash = Command::new("bash").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("there is bash");
    let mut stdin = bash.stdin.take().expect("stdin is a pipe");
    stdin.write_all(&[&script, ask.as_bytes()].concat()).expect("bash reads");
    drop(stdin);
    let output = bash.wait_with_output().expect("bash ends");
    assert_eq!((text(&output.stdout), output.status.success()), ("check\n", true));
}

#[test]
fn there_is_a_page_of_the_host_and_of_each_command() {
    for (arguments, title, flag) in [
        (&["man"][..], ".TH host 1", "check"),
        (&["man", "run"], ".TH host-run 1", "max\\-connections"),
        (&["man", "dev"], ".TH host-dev 1", "dev\\-host"),
        (&["man", "check"], ".TH host-check 1", "cache\\-dir"),
        (&["man", "call"], ".TH host-call 1", "body\\-file"),
        (&["man", "new"], ".TH host-new 1", "style"),
    ] {
        let output = run(&mut host(arguments));
        let page = text(&output.stdout);
        assert!(output.status.success() && page.contains(title) && page.contains(flag), "{arguments:?}: {page}");
    }
}

#[test]
fn an_unknown_command_has_no_page_and_the_error_lists_the_commands() {
    let output = run(&mut host(&["man", "serve"]));
    let expected = "error: unknown command `serve`; expected one of run, dev, routes, check, call, test, publish, top, push, new, completions, man";
    assert!(text(&output.stderr).starts_with(expected), "{output:?}");
    assert_eq!((text(&output.stdout), output.status.code()), ("", Some(2)));
}
