//! What people type who know other servers: the error says what this one calls it. And what is no number: the error says what is.

use std::num::{IntErrorKind, ParseIntError};

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use host::text::printable;

/// Flags of other programs, and what to use here.
const FLAGS: [(&[&str], &str); 6] = [
    (
        &["--port", "-p", "--host", "--bind", "-b", "--addr", "--address", "-l", "--ip"],
        "`host run --listen HOST:PORT` says what to listen on; `host dev` takes it too",
    ),
    (&["--threads", "-j", "-t", "--jobs", "-w", "--worker"], "`host run --workers N` says how many threads serve"),
    (
        &["--cert", "--key", "--tls", "--https", "--ssl", "--ssl-cert", "--ssl-key", "--certfile", "--keyfile"],
        "`host run --listen https://HOST:PORT --tls-cert FILE --tls-key FILE` serves with TLS",
    ),
    (
        &["-v", "-vv", "--verbose", "--debug", "--log-level", "--loglevel", "-q", "--quiet"],
        "the environment variable RUST_LOG says what is logged, as in RUST_LOG=debug",
    ),
    (
        &["--routes", "--route", "--dir", "--directory", "-d", "--root", "--path", "--folder"],
        "directories and files are named without a flag here, as in `host check DIR` or `host run DIR`",
    ),
    (
        &["--watch", "--reload", "--hot"],
        "changed files are loaded by themselves, unless `host run --no-watch` says otherwise",
    ),
];

/// Commands of other programs, and those of this one.
const COMMANDS: [(&[&str], &str); 7] = [
    (&["serve", "server", "start", "up"], "`host run DIR` serves a directory"),
    (
        &["build", "watch"],
        "`host dev PROJECT` builds a project and serves it; the tools of its language build it alone",
    ),
    (&["init", "create", "generate", "add"], "`host new NAME` makes a project"),
    (&["list", "ls"], "`host routes DIR` lists routes"),
    (&["lint", "validate", "verify"], "`host check DIR` reports every mistake"),
    (&["curl", "request", "invoke", "fetch", "get"], "`host call FILE --path /x` sends one request to one handler"),
    (&["version"], "`host --version` prints the version"),
];

/// Replaces the tip of an error, which goes by the letters alone, if what was typed is known from other programs.
pub(super) fn improve(mut error: clap::Error) -> clap::Error {
    let (typed, table): (_, &[(&[&str], &str)]) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, &FLAGS),
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, &COMMANDS),
        ErrorKind::ValueValidation => return expecting_a_number(&error).unwrap_or(error),
        _ => return error,
    };
    let Some(ContextValue::String(typed)) = error.get(typed) else { return error };
    let typed = typed.split('=').next().unwrap_or_default();
    // What is one or two letters off a flag of this command is meant as that.
    let is_close = |known: &ContextValue| match known {
        ContextValue::String(known) => known.starts_with(typed) || typed.starts_with(known.as_str()),
        _ => false,
    };
    if error.get(ContextKind::SuggestedArg).is_some_and(is_close) {
        return error;
    }
    let Some((_, tip)) = table.iter().find(|(words, _)| words.contains(&typed)) else { return error };
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(*tip)]));
    for misleading in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::Usage] {
        error.insert(misleading, ContextValue::None);
    }
    error
}

/// The error in place of one of the parser of integers, which names neither what it expects nor a remedy.
fn expecting_a_number(error: &clap::Error) -> Option<clap::Error> {
    let reason = match std::error::Error::source(error)?.downcast_ref::<ParseIntError>()?.kind() {
        IntErrorKind::PosOverflow => "the number is too large; write a smaller one",
        IntErrorKind::Zero => "expected a whole number above 0, such as 4",
        _ => "expected a whole number in digits, without a sign or a unit, such as 4 or 65536",
    };
    let (Some(ContextValue::String(flag)), Some(ContextValue::String(value))) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
    else {
        return None;
    };
    let message =
        format!("invalid value '{}' for '{flag}': {reason}\n\nFor more information, try '--help'.\n", printable(value));
    Some(clap::Error::raw(ErrorKind::ValueValidation, message))
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;

    fn host() -> Command {
        super::super::Cli::command()
    }

    fn told(arguments: &[&str]) -> String {
        let typed = std::iter::once("host").chain(arguments.iter().copied());
        improve(host().try_get_matches_from(typed).expect_err("it is wrong")).to_string()
    }

    #[test]
    fn what_is_known_from_other_programs_is_told_in_the_words_of_this_one() {
        for (arguments, tip) in [
            (&["run", "--port", "80"][..], "tip: `host run --listen HOST:PORT`"),
            (&["run", "--port=80"], "tip: `host run --listen HOST:PORT`"),
            (&["run", "-p", "80"], "tip: `host run --listen HOST:PORT`"),
            (&["dev", "--host", "0.0.0.0"], "tip: `host run --listen HOST:PORT`"),
            (&["run", "--verbose"], "tip: the environment variable RUST_LOG"),
            (&["check", "--routes", "a"], "tip: directories and files are named without a flag"),
            (&["run", "--cert", "a"], "--tls-cert FILE --tls-key FILE"),
            (&["serve"], "tip: `host run DIR`"),
            (&["version"], "tip: `host --version`"),
        ] {
            let told = told(arguments);
            assert!(told.contains(tip) && !told.contains("similar"), "{arguments:?}: {told}");
        }
    }

    #[test]
    fn what_is_nearly_a_flag_or_a_command_is_told_as_before() {
        for (arguments, tip) in [
            (&["run", "--timeot", "3"][..], "'--timeout'"),
            (&["run", "--route", "a"], "'--routes'"),
            (&["run", "--worker", "2"], "'--workers'"),
            (&["chek"], "'check'"),
        ] {
            let told = told(arguments);
            assert!(told.contains("similar") && told.contains(tip), "{arguments:?}: {told}");
        }
    }

    #[test]
    fn what_is_no_number_is_told_with_the_flag_the_value_and_what_is_one() {
        let mut number = 0;
        for (flag, value, reason) in [
            ("--workers", "x", "expected a whole number in digits"),
            ("--workers", "", "expected a whole number in digits"),
            ("--workers", "0", "expected a whole number above 0"),
            ("--max-connections", "10k", "expected a whole number in digits"),
            ("--max-connections", "99999999999999999999999", "the number is too large"),
            ("--max-memory", "1GiB", "expected a whole number in digits"),
            ("--max-invocations", "1.5", "expected a whole number in digits"),
        ] {
            let told = told(&["run", flag, value]);
            let expected = format!("error: invalid value '{value}' for '{flag} <");
            assert!(told.starts_with(&expected) && told.contains(reason), "{told}");
        }
        // No number of any command is told in the words of a parser.
        for command in host().get_subcommands() {
            let flags: Vec<&str> = command.get_arguments().filter_map(|argument| argument.get_long()).collect();
            for flag in flags {
                let flag = format!("--{flag}=x1x");
                if let Err(error) = host().try_get_matches_from(["host", command.get_name(), &flag]) {
                    let told = improve(error).to_string();
                    assert!(!told.contains("invalid digit"), "{told}");
                    number += usize::from(told.contains("expected a whole number"));
                }
            }
        }
        assert!(number > 10, "{number}");
    }

    #[test]
    fn each_tip_names_commands_and_flags_that_there_are() {
        let (host, words) = (host(), FLAGS.iter().chain(&COMMANDS));
        for (_, tip) in words {
            for named in tip.split('`').skip(1).step_by(2) {
                let mut words = named.split(' ').skip(1).peekable();
                let command = words.next_if(|word| !word.starts_with('-'));
                let command = command.map_or(&host, |name| host.find_subcommand(name).expect(tip));
                for flag in words.filter_map(|word| word.strip_prefix("--")) {
                    let is_there = command.get_arguments().any(|argument| argument.get_long() == Some(flag));
                    assert!(is_there || flag == "version", "{tip}: --{flag}");
                }
            }
        }
    }
}
