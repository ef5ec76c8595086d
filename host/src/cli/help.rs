//! `--help-all`: the commands that load components only to look at them take every flag about loading, and `--help` lists
//! those that such a command rarely needs only if it is asked for all.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};
use host::options::find;

/// The flag that lists all flags.
const ALL: &str = "--help-all";

/// The commands whose `--help` is short.
const COMMANDS: [&str; 3] = ["call", "check", "routes"];

/// Flags about loading that those commands rarely need, beside the options of routes.
const RARE: [&str; 7] =
    ["ca", "compile_cpu", "compile_memory", "compile_timeout", "interpreters", "max_outbound", "wasi_http_03"];

/// What the short help ends with.
const HINT: &str = "`--help-all` also lists the options of every route, such as --timeout, and limits on compiling.";

/// The arguments with `--help` in place of [`ALL`], and whether that was there. What follows `--` is no flag.
pub(super) fn arguments(arguments: impl Iterator<Item = OsString>) -> (Vec<OsString>, bool) {
    let mut arguments: Vec<OsString> = arguments.collect();
    let end = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    let mut shows_all = false;
    for argument in arguments[..end].iter_mut().filter(|argument| *argument == OsStr::new(ALL)) {
        (*argument, shows_all) = ("--help".into(), true);
    }
    (arguments, shows_all)
}

/// The command line, with the rare flags hidden unless all are to be shown.
pub(super) fn command(mut host: Command, shows_all: bool) -> Command {
    if shows_all {
        return host;
    }
    let is_rare = |argument: &Arg| {
        let name = argument.get_id().as_str();
        find(name).is_some() || RARE.contains(&name)
    };
    for name in COMMANDS {
        host = host.mut_subcommand(name, |command| {
            command
                .after_help(HINT)
                .mut_args(|argument| if is_rare(&argument) { argument.hide(true) } else { argument })
        });
    }
    host
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn help(command_name: &str, shows_all: bool) -> String {
        let mut host = command(super::super::Cli::command(), shows_all);
        let found = host.find_subcommand_mut(command_name).expect("there is such a command");
        found.render_long_help().to_string()
    }

    #[test]
    fn rare_flags_are_listed_with_help_all_alone() {
        for name in COMMANDS {
            let (short, all) = (help(name, false), help(name, true));
            for flag in ["--timeout", "--compile-memory", "--wasi-http-03", "--rate"] {
                assert!(!short.contains(&format!("  {flag} ")), "{name}: {short}");
                assert!(all.contains(&format!("  {flag} ")), "{name}: {all}");
            }
            assert!(short.contains("--cache-dir") && short.contains(HINT), "{name}: {short}");
        }
        assert!(help("run", false).contains("--timeout") && !help("run", false).contains(HINT));
    }

    #[test]
    fn rare_names_are_flags() {
        let host = super::super::Cli::command();
        for name in COMMANDS {
            let command = host.find_subcommand(name).expect("there is such a command");
            for rare in RARE {
                assert!(command.get_arguments().any(|argument| argument.get_id() == rare), "{name}: {rare}");
            }
        }
    }

    #[test]
    fn what_follows_two_dashes_is_no_flag() {
        let given = |words: &[&str]| arguments(words.iter().map(OsString::from));
        assert_eq!(given(&["host", "call", ALL]), (vec!["host".into(), "call".into(), "--help".into()], true));
        assert!(!given(&["host", "call", "--", ALL]).1);
    }
}
