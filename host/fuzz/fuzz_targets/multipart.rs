//! Multipart forms, as guest-sdk reads them: a boundary in the first line, and the form behind it. No bytes panic, any split
//! gives the same parts, no content has the delimiter in it, and what is held is bounded.

#![no_main]

use host_fuzz::multipart::{Event, Head, MAX_HEAD, MAX_PARTS, Mistake, Parser};
use host_fuzz::pieces;
use libfuzzer_sys::fuzz_target;

/// The parts with their content, and whether the form has ended.
type Read = Result<(Vec<(Head, Vec<u8>)>, bool), Mistake>;

fn read(boundary: &[u8], pieces: &[&[u8]], max: usize) -> Read {
    let mut parser = Parser::new(boundary)?;
    let (mut parts, mut pieces) = (Vec::<(Head, Vec<u8>)>::new(), pieces.iter());
    loop {
        match parser.next(max)? {
            Event::Part(head) => {
                assert!(!head.name.is_empty() && parts.len() < MAX_PARTS);
                parts.push((head, Vec::new()));
            }
            Event::Data(data) => {
                assert!((1..=max).contains(&data.len()));
                parts.last_mut().expect("data belongs to a part").1.extend(data);
            }
            Event::PartEnd => {}
            Event::End => return Ok((parts, true)),
            Event::NeedMore => {
                let Some(piece) = pieces.next() else { return Ok((parts, false)) };
                assert!(parser.held() <= MAX_HEAD + boundary.len() + 16);
                parser.feed(piece);
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let pieces = pieces(data);
    let whole = pieces.concat();
    let at = whole.iter().position(|byte| *byte == b'\n').unwrap_or(whole.len());
    let (boundary, form) = (&whole[..at], whole.get(at + 1..).unwrap_or_default());
    let max = data.first().map_or(1, |byte| usize::from(*byte) + 1);
    let expected = read(boundary, &[form], usize::MAX);
    let cut: Vec<&[u8]> = form.chunks(max).collect();
    assert_eq!(read(boundary, &cut, max), expected);
    let Ok((parts, has_ended)) = expected else { return };
    let delimiter = [b"\r\n--", boundary].concat();
    for (index, (_, content)) in parts.iter().enumerate() {
        assert!(!content.windows(delimiter.len()).any(|window| window == delimiter));
        // What is not whole may lack its end.
        assert!(content.len() < form.len() || (!has_ended && index + 1 == parts.len()));
    }
});
