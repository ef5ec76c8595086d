//! Every message and every status of the host, as its source has them and as the book explains them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use host::close_reason::CloseReason;

use super::page::{Page, ROOT};

/// What stands for a part of a message that differs.
const ANY: &str = "…";

/// Errors that no person sees: the host answers with a status or an error value in their place.
const UNSEEN: [&str; 38] = [
    "a call has and returns at most … bytes of keys and values",
    "a call has at most … keys",
    "a key has 1 to … bytes, and this one has …",
    "a value has at most … bytes, and this one has …",
    "the cursor is none of this list",
    "the store is full: it may hold … bytes (`max_bytes` of its grant)",
    "the store is read-only",
    "the stores are not open here",
    "the stores cannot be read or written at the moment",
    "the sum is beyond an integer of 64 bits",
    "the value is no integer of 64 bits in decimal digits",
    "a `%` in the path is not followed by two hexadecimal digits",
    "a chunk of more than … bytes",
    "a WebSocket has no event ids",
    "a line is too long",
    "a second topic with history",
    "an empty chunk",
    "components of wasi:http 0.3 are switched off",
    "more than … topics",
    "not one event of an event stream without an id, and with the blank line that ends it",
    "not a topic: 1 to … bytes of text without control characters",
    "not a field: the name must be a token, the value visible text",
    "not possible in this response",
    "the engine that the hosts share does not answer",
    "the field belongs to the host",
    "the head is sent",
    "the context entry is sealed",
    "the percent-decoded path holds a NUL",
    "the percent-decoded path is not UTF-8",
    "the response is complete",
    "the route has no `history`",
    "the route publishes faster than `publish_rate` allows",
    "the subscribers of the route are as many as `max_subscribers` allows",
    "the topics of the route are as many as `max_topics` allows",
    "the timeout has passed",
    "the processor time is used up",
    "too many or too large fields",
    "too many or too large context entries",
];

/// The sources of the host, without its tests.
fn sources() -> Vec<String> {
    let mut folders = vec![Path::new(ROOT).join("host/src"), Path::new(ROOT).join("host/protocol/src")];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the source can be read") {
            let path = entry.expect("its entries can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if !is_test(path.strip_prefix(ROOT).expect("it is below the root")) {
                files.push(path);
            }
        }
    }
    files.iter().map(|file| fs::read_to_string(file).expect("a source can be read")).collect()
}

fn is_test(file: &Path) -> bool {
    file.ends_with("tests.rs") || file.components().any(|part| part.as_os_str() == "tests")
}

/// The messages of errors and of the log, out of the source: `{…}` is what differs.
fn in_source() -> BTreeSet<String> {
    let sources = sources();
    let starts = [
        "#[error(",
        ".context(",
        ".with_context(",
        "tracing::error!(",
        "tracing::warn!(",
        "tracing::info!(",
        "tracing::debug!(",
    ];
    let behind = |source: &str| {
        let pieces = starts.iter().flat_map(|start| source.split(start).skip(1));
        pieces.filter_map(literal).collect::<Vec<_>>()
    };
    let mut messages: BTreeSet<String> = sources.iter().flat_map(|source| behind(source)).collect();
    messages.extend(CloseReason::ALL.map(|reason| reason.explain().to_owned()));
    messages.retain(|message| message.replace(ANY, "").chars().any(char::is_alphabetic));
    messages
}

/// The first literal of a macro's arguments, with what differs left out.
fn literal(arguments: &str) -> Option<String> {
    let (before, text) = arguments.split_once('"')?;
    // Of what has no literal, the next one is not.
    if before.contains([']', ';']) || before.contains("target:") {
        return None;
    }
    let mut chars = text.chars();
    let mut message = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(message),
            '{' => {
                let _ = chars.by_ref().take_while(|char| *char != '}').last();
                message.push_str(ANY);
            }
            '\\' => match chars.next()? {
                '\n' => chars = chars.as_str().trim_start().chars(),
                'n' => message.push(' '),
                other => message.push(other),
            },
            char => message.push(char),
        }
    }
}

/// The first cells of the tables of the page, where they are code: messages.
fn in_book(page: &Page) -> BTreeSet<String> {
    page.prose().filter_map(|(_, line)| cell(line)).map(str::to_owned).collect()
}

fn cell(line: &str) -> Option<&str> {
    let cell = line.strip_prefix("| ")?.split(" | ").next()?;
    let double = cell.strip_prefix("`` ").and_then(|code| code.strip_suffix(" ``"));
    let double = double.or_else(|| cell.strip_prefix("``")?.strip_suffix("``"));
    double.or_else(|| cell.strip_prefix('`')?.strip_suffix('`'))
}

#[test]
fn the_book_explains_every_message_of_the_host() {
    let book = in_book(&Page::read("docs/src/errors.md"));
    let explained = |message: &String| book.contains(message) || UNSEEN.contains(&message.as_str());
    let missing: Vec<String> = in_source().into_iter().filter(|message| !explained(message)).collect();
    assert!(missing.is_empty(), "docs/src/errors.md has no row for\n{}", missing.join("\n"));
}

#[test]
fn the_book_explains_no_message_that_the_host_does_not_have() {
    let unwrap = |source: String| source.split("\\\n").map(str::trim_start).collect::<String>();
    let sources: Vec<String> = sources().into_iter().map(|source| unwrap(source).replace("\\\\", "\\")).collect();
    let known = in_source();
    for message in in_book(&Page::read("docs/src/errors.md")) {
        let pieces: Vec<&str> = message.split(ANY).map(str::trim).filter(|piece| !piece.is_empty()).collect();
        let has_all = |source: &String| pieces.iter().all(|piece| source.contains(piece));
        assert!(known.contains(&message) || sources.iter().any(has_all), "the host never says `{message}`");
    }
}

#[test]
fn the_book_explains_every_status_that_the_host_answers_itself() {
    let answered = |source: &String| {
        let starts = ["=> ", "-> u16 {", "HostResponse::new(", ".fail(", ".respond_with_page("];
        let behind = starts.iter().flat_map(|start| source.split(start).skip(1));
        behind.map(str::trim_start).filter_map(status).collect::<Vec<_>>()
    };
    let answered: BTreeSet<u16> = sources().iter().flat_map(answered).collect();
    let page = Page::read("docs/src/errors.md");
    let rows: BTreeSet<u16> = page.prose().filter_map(|(_, line)| line.strip_prefix("| ")).filter_map(status).collect();
    assert_eq!(rows, answered);
}

#[test]
fn the_book_explains_every_end_of_a_request_that_the_access_log_names() {
    let source = Page::read("host/src/exchange/exchange_end.rs").text;
    let named: BTreeSet<&str> =
        source.split(" => \"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0)).collect();
    let page = Page::read("docs/src/diagnostics.md");
    let lines = page.prose().map(|(_, line)| line).skip_while(|line| !line.starts_with("| `end` |")).skip(1);
    let rows = lines.map_while(|line| line.strip_prefix('|'));
    let explained: BTreeSet<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    assert_eq!(explained, named);
}

/// The number of three digits that a text begins with.
fn status(text: &str) -> Option<u16> {
    let digits = text.split(|char: char| !char.is_ascii_digit()).next()?;
    if digits.len() == 3 { digits.parse().ok() } else { None }
}
