//! Forms as bytes, in whatever pieces they come.

use proptest::prelude::*;

use super::{Event, Head, MAX_HEAD, MAX_PARTS, Mistake, Parser, parameter};

/// Each part with its content, and whether the form has ended.
type Parsed = (Vec<(Head, Vec<u8>)>, bool);

/// What a form is, by a parser that gets it in pieces of these lengths.
fn parse(form: &[u8], pieces: impl Fn(usize) -> usize, max: usize) -> Result<Parsed, Mistake> {
    let mut parser = Parser::new(b"x-1")?;
    let (mut parts, mut rest, mut count) = (Vec::new(), form, 0);
    loop {
        match parser.next(max)? {
            Event::Part(head) => parts.push((head, Vec::new())),
            Event::Data(data) => {
                assert!((1..=max).contains(&data.len()));
                parts.last_mut().expect("data belongs to a part").1.extend(data);
            }
            Event::PartEnd => {}
            Event::End => return Ok((parts, true)),
            Event::NeedMore if rest.is_empty() => return Ok((parts, false)),
            Event::NeedMore => {
                assert!(parser.held() <= MAX_HEAD + parser.delimiter.len() + 8);
                let piece;
                (piece, rest) = rest.split_at(pieces(count).clamp(1, rest.len()));
                count += 1;
                parser.feed(piece);
            }
        }
    }
}

fn whole(form: &str) -> Result<Parsed, Mistake> {
    let whole = parse(form.as_bytes(), |_| usize::MAX, usize::MAX);
    // A byte at a time it is the same.
    assert_eq!(parse(form.as_bytes(), |_| 1, 1), whole, "{form}");
    whole
}

fn part(name: &str, content: &str) -> String {
    format!("--x-1\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
}

#[test]
fn the_parts_of_a_form_have_names_files_and_types() {
    let file = "--x-1 \t\r\ncontent-type:  text/css \r\nX: y\r\nCONTENT-DISPOSITION: form-data; FileName=\"a \\\"b\\\" \\c.css\"; \
                name=f\r\n\r\n\r\n--x-\r\n-x-1--\r\n";
    let form = format!("a preamble\r\n{}{file}{}--x-1--\r\nan epilogue", part("a b", "1"), part("\u{fc}", ""));
    let (parts, has_ended) = whole(&form).expect("it is a form");
    assert!(has_ended);
    let parts: Vec<_> = parts
        .iter()
        .map(|(head, content)| {
            let texts = (head.name.as_str(), head.filename.as_deref(), head.content_type.as_deref());
            (texts, str::from_utf8(content).expect("it is text"))
        })
        .collect();
    let expected = [
        (("a b", None, None), "1"),
        (("f", Some("a \"b\" \\c.css"), Some("text/css")), "\r\n--x-\r\n-x-1--"),
        (("\u{fc}", None, None), ""),
    ];
    assert_eq!(parts, expected);
    assert_eq!(whole("--x-1--"), Ok((vec![], true)));
}

#[test]
fn what_is_no_form_is_a_mistake_or_has_no_end() {
    let nameless = "--x-1\r\nContent-Type: a/b\r\n\r\n1\r\n--x-1--";
    let head = format!("--x-1\r\nX: {}\r\n\r\n", "y".repeat(MAX_HEAD));
    for (form, mistake) in [
        ("--x-1-\r\n", Mistake::Delimiter),
        ("--x-1y\r\n", Mistake::Delimiter),
        ("--x-1\n", Mistake::Delimiter),
        ("--x-1\r\n\r\n", Mistake::Name),
        ("--x-1\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n", Mistake::Name),
        (nameless, Mistake::Name),
        (&head, Mistake::Head),
        (&part("a", "").repeat(MAX_PARTS + 1), Mistake::Parts),
    ] {
        assert_eq!(whole(form), Err(mistake), "{form:.100}");
    }
    for form in ["", "--x-1", "no boundary", "--x-1\r\nContent-Disposition: form-data; name=a\r\n", &part("a", "1")] {
        assert_eq!(whole(form).map(|(_, has_ended)| has_ended), Ok(false), "{form}");
    }
    assert_eq!(Parser::new(b"").map(drop), Err(Mistake::Boundary));
    assert_eq!(Parser::new(&[b'x'; 71]).map(drop), Err(Mistake::Boundary));
}

#[test]
fn parameters_are_tokens_or_quoted() {
    let found = |value| parameter(value, "a");
    for (value, expected) in [
        ("t/s; a=1", Some("1")),
        ("t/s;b=2;A = \"1;2\" ; c=3", Some("1;2")),
        ("t/s; b=\"; a=2\"; a=1", Some("1")),
        ("t/s; b; a=1", Some("1")),
        ("t/s; a=", Some("")),
        ("t/s; a=\"1", Some("1")),
        ("t/s; a=\"\\", Some("\\")),
        ("a=1", None),
        ("t/s; ab=1", None),
        ("t/s; ;;", None),
        ("", None),
    ] {
        assert_eq!(found(value).as_deref(), expected, "{value}");
    }
}

/// What forms, and what is nearly one, are made of.
const FRAGMENTS: &[&[u8]] = &[b"\r\n--x-1", b"--", b"\r\n", b"content-disposition:a;name=b", b"\"", b" ", b"\xff"];

proptest! {
    #[test]
    fn a_form_is_what_was_put_into_it_however_it_is_cut(
        contents in prop::collection::vec(prop::collection::vec(prop::sample::select(&b"\r\n-x1 a"[..]), 0..40), 0..6),
        pieces in prop::collection::vec(1_usize..20, 1..8),
        max in 1_usize..30,
    ) {
        // What is no content: it has the delimiter in it.
        let has_delimiter = |content: &Vec<u8>| {
            let content = [b"\r\n", content.as_slice(), b"\r\n"].concat();
            content.windows(7).any(|window| window == b"\r\n--x-1")
        };
        prop_assume!(!contents.iter().any(has_delimiter));
        let mut form = Vec::new();
        for content in &contents {
            form.extend(b"--x-1\r\nContent-Disposition: form-data; name=n\r\n\r\n");
            form.extend(content);
            form.extend(b"\r\n");
        }
        form.extend(b"--x-1--");
        let (parts, has_ended) = parse(&form, |count| pieces[count % pieces.len()], max).expect("it is a form");
        prop_assert!(has_ended);
        let found: Vec<_> = parts.into_iter().map(|(_, content)| content).collect();
        prop_assert_eq!(found, contents);
    }

    #[test]
    fn bytes_mean_the_same_however_they_are_cut(
        bytes in prop::collection::vec(
            prop::sample::select(FRAGMENTS),
            0..30,
        ),
        pieces in prop::collection::vec(1_usize..20, 1..8),
        max in 1_usize..30,
    ) {
        let form = bytes.concat();
        let cut = parse(&form, |count| pieces[count % pieces.len()], max);
        prop_assert_eq!(cut, parse(&form, |_| usize::MAX, usize::MAX));
    }
}
