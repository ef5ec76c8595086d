//! What a client makes of events: a parser that follows the HTML standard, section 9.2.6, reads them.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::Event;
use crate::Error;

/// The state of a client at the end of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Client {
    dispatched: Vec<Dispatched>,
    last_event_id: String,
    retry: Option<u64>,
}

/// An event as a listener receives it.
#[derive(Debug, PartialEq, Eq)]
struct Dispatched {
    name: String,
    data: String,
    last_event_id: String,
}

/// Parses a stream as the standard says.
fn read(stream: &str) -> Client {
    let mut client = Client::default();
    let (mut name, mut data, mut id) = (String::new(), String::new(), String::new());
    for line in lines(stream.strip_prefix('\u{feff}').unwrap_or(stream)) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                client.last_event_id.clone_from(&id);
                if let Some(data) = data.strip_suffix('\n') {
                    let name = if name.is_empty() { "message".to_owned() } else { name.clone() };
                    client.dispatched.push(Dispatched { name, data: data.to_owned(), last_event_id: id.clone() });
                }
                (name, data) = (String::new(), String::new());
            }
            "event" => value.clone_into(&mut name),
            "data" => data.extend([value, "\n"]),
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => client.retry = value.parse().ok(),
            _ => {}
        }
    }
    client
}

/// The lines that are ended by CR LF, LF or CR. What follows the last end is no line.
fn lines(stream: &str) -> impl Iterator<Item = &str> {
    let mut rest = stream;
    std::iter::from_fn(move || {
        let end = rest.find(['\r', '\n'])?;
        let line = &rest[..end];
        rest = rest[end..].strip_prefix("\r\n").unwrap_or(&rest[end + 1..]);
        Some(line)
    })
}

fn text(event: &Event) -> &str {
    str::from_utf8(event.as_ref()).expect("events are text")
}

/// Text with more of what matters here than chance would give it.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![any::<String>(), "[ :\r\n\0\u{feff}]{0,4}", "(data|id|event|retry): ?[0-9]{0,3}"];
    vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn one_line() -> impl Strategy<Value = String> {
    any_text().prop_map(|text| text.replace(|char: char| char.is_ascii_control(), ""))
}

proptest! {
    #[test]
    fn a_client_reads_what_was_said(
        said in vec((option::of(one_line()), option::of(one_line()), option::of(any::<u32>()), option::of(any_text())), 0..5)
    ) {
        let (mut stream, mut expected) = (String::new(), Client::default());
        for (name, id, retry, data) in said {
            let mut event = Event::new();
            if let Some(data) = &data {
                event = event.data(data);
            }
            if let Some(name) = &name {
                event = event.event(name).expect("it has no control character");
            }
            if let Some(id) = id {
                event = event.id(&id).expect("it has no control character");
                expected.last_event_id = id;
            }
            if let Some(retry) = retry {
                event = event.retry(Duration::from_millis(retry.into()));
                expected.retry = Some(retry.into());
            }
            stream.push_str(text(&event));
            if let Some(data) = data {
                expected.dispatched.push(Dispatched {
                    name: name.filter(|name| !name.is_empty()).unwrap_or_else(|| "message".to_owned()),
                    data: data.replace("\r\n", "\n").replace('\r', "\n"),
                    last_event_id: expected.last_event_id.clone(),
                });
            }
        }
        prop_assert_eq!(read(&stream), expected);
    }

    #[test]
    fn names_and_ids_are_refused_where_they_have_a_control_character(value in any_text()) {
        let expected = if value.chars().any(|char| char.is_ascii_control()) { Err(Error::Invalid) } else { Ok(()) };
        prop_assert_eq!(Event::new().event(&value).map(drop), expected);
        prop_assert_eq!(Event::new().id(&value).map(drop), expected);
    }
}

#[test]
fn an_event_is_its_lines_and_a_blank_one() -> Result<(), Error> {
    let event = Event::new().event("said")?.id("7")?.retry(Duration::from_secs(3)).data("one\r\n two\r\n\n").data("");
    assert_eq!(text(&event), "event: said\nid: 7\nretry: 3000\ndata: one\ndata:  two\ndata: \ndata: \ndata: \n\n");
    assert_eq!(text(&Event::new()), "\n");
    Ok(())
}

#[test]
fn a_line_break_in_a_name_or_an_id_is_refused() {
    for value in ["a\nb", "a\rb", "a\0b", "\n", "\u{7f}"] {
        assert_eq!(Event::new().event(value), Err(Error::Invalid), "{value:?}");
        assert_eq!(Event::new().id(value), Err(Error::Invalid), "{value:?}");
    }
}
