//! The parts of the book that are made from the tree: tables of options and flags, the contract, copies of files.
//!
//! `UPDATE_BOOK=1` writes them; else a test fails where they are stale.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use host::metrics::FAMILIES;
use host::options::{BUILTINS, Limit, Value};

use super::contract;
use super::page::{Act, Page, ROOT};
use crate::support::{host, run, text};

/// Whether the parts are to be written.
fn updates() -> bool {
    std::env::var_os("UPDATE_BOOK").is_some()
}

/// A page with every made part as it should be.
pub fn renewed(page: &Page) -> String {
    let mut renewed = String::new();
    let mut rest = page.text.as_str();
    while let Some((before, behind)) = rest.split_once("<!-- generated: ") {
        let (name, behind) = behind.split_once(" -->").expect("the comment is closed");
        let (_, behind) = behind.split_once("<!-- /generated -->").expect("a made part has an end");
        let _ = write!(renewed, "{before}<!-- generated: {name} -->\n\n{}\n<!-- /generated -->", part(name));
        rest = behind;
    }
    renewed.push_str(rest);
    for step in page.steps() {
        if let Act::Copy { place, text } = step.act {
            let file = Path::new(ROOT).join(&place);
            let there = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{place}: {error}"));
            renewed = renewed.replacen(&fenced(&place, &text), &fenced(&place, &there), 1);
        }
    }
    renewed
}

/// Compares a page with what it should be, or writes it.
#[track_caller]
pub fn renew(page: &Page) {
    let renewed = renewed(page);
    if updates() {
        fs::write(page.file(), renewed).expect("the page can be written");
    } else {
        assert!(renewed == page.text, "{} is stale: UPDATE_BOOK=1 makes it anew", page.place);
    }
}

/// Compares the table of options in the documentation of `#[handler]` with what it should be, or writes it.
#[track_caller]
pub fn renew_options_of_the_macro() {
    let file = Path::new(ROOT).join("guest-sdk/macros/options.md");
    if updates() {
        fs::write(file, options()).expect("the table can be written");
    } else {
        let there = fs::read_to_string(file).expect("the table is there");
        assert!(there == options(), "guest-sdk/macros/options.md is stale: UPDATE_BOOK=1 makes it anew");
    }
}

/// A block that copies a file, from its comment on; the language is that of the file's ending.
fn fenced(place: &str, text: &str) -> String {
    let language = match Path::new(place).extension().and_then(|ending| ending.to_str()) {
        Some("rs") => "rust",
        Some("py") => "python",
        Some("js") => "javascript",
        Some(other) => other,
        None => "sh",
    };
    format!("<!-- copy: {place} -->\n```{language}\n{text}```\n")
}

fn part(name: &str) -> String {
    match name {
        "options" => options(),
        "flags" => flags(),
        "metrics" => metrics(),
        "contract" => contract::reference(&Page::read("wit/world.wit").text),
        other => panic!("nothing makes a part `{other}`"),
    }
}

/// The host's own options, from the one table of them.
fn options() -> String {
    let mut table = "| option | default | takes | what it is |\n|---|---|---|---|\n".to_owned();
    for builtin in &BUILTINS {
        let star = match builtin.limit {
            Limit::No => "",
            Limit::Yes | Limit::ZeroIsUnlimited => " *",
        };
        let default = builtin.default.map_or_else(String::new, |preset| format!("`{}`", Value::from(preset)));
        let _ = writeln!(table, "| `{}`{star} | {default} | {} | {} |", builtin.name, builtin.expected(), builtin.help);
    }
    table
}

/// Every metric, as queries name it.
fn metrics() -> String {
    let mut table = "| metric | kind | labels | what it is |\n|---|---|---|---|\n".to_owned();
    for family in FAMILIES {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, labels) = (family.sample_name(), family.kind.name(), labels.join(", "));
        let help = family.help.trim_end_matches('.').replace('<', "&lt;");
        let _ = writeln!(table, "| `{name}` | {kind} | {labels} | {help} |");
    }
    table
}

/// The flags of `host run` that set no option, from its help.
fn flags() -> String {
    let help = run(&mut host(&["run", "--help"]));
    let mut table = "| flag | default | what it is |\n|---|---|---|\n".to_owned();
    for part in text(&help.stdout).split("\n      --").skip(1) {
        // The lines are wrapped, and the next heading is behind the last flag of a section.
        let of_flag = |line: &&str| line.is_empty() || line.starts_with(' ');
        let (first, rest) = part.split_once('\n').unwrap_or((part, ""));
        let lines = [first].into_iter().chain(rest.lines().take_while(of_flag));
        let words = lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
        let (flag, meaning) = words.split_once(' ').unwrap_or((&words, ""));
        if BUILTINS.iter().any(|builtin| builtin.name.replace('_', "-") == flag) {
            continue;
        }
        let (value, meaning) = match meaning.strip_prefix('<').and_then(|rest| rest.split_once("> ")) {
            Some((value, meaning)) => (format!(" {value}"), meaning),
            None => (String::new(), meaning),
        };
        let meaning = meaning.split(" -h, --help").next().unwrap_or(meaning);
        let (before, default) = meaning.split_once(" [default: ").unwrap_or((meaning, ""));
        let (default, behind) = default.split_once(']').unwrap_or((default, ""));
        let meaning = format!("{before}{behind}").replace(" Possible values: - ", ". ").replace(" - ", "; ");
        let _ = writeln!(table, "| `--{flag}{value}` | {default} | {meaning} |");
    }
    table
}
