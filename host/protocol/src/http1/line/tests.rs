use proptest::sample::Index;

use super::{LineError, LineScan};
use crate::http::span::Span;

/// Positions at which an input of this length is cut, in order. The property tests of other modules use them to feed
/// input in pieces.
pub(crate) fn places(cuts: &[Index], length: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
    cuts.sort_unstable();
    cuts
}

/// The lines that were found, and how the search ended.
type Found<'a> = (&'a [&'a [u8]], Option<LineError>);

/// All lines of `input` when it arrives in pieces of `step` bytes, and how the search ended.
fn lines(input: &[u8], step: usize, limit: usize) -> (Vec<&[u8]>, Option<LineError>) {
    let mut scan = LineScan::default();
    let mut found = Vec::new();
    for arrived in (0..input.len()).step_by(step).skip(1).chain([input.len()]) {
        loop {
            match scan.next(&input[..arrived], limit) {
                Ok(Some(line)) => found.push(&input[line]),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

#[test]
fn lines_end_with_crlf_alone() {
    let table: &[(&[u8], Found)] = &[
        (b"", (&[], None)),
        (b"a", (&[], None)),
        (b"a\r", (&[], None)),
        (b"a\r\n", (&[b"a"], None)),
        (b"\r\n", (&[b""], None)),
        (b"a\r\n\r\nbc\r\nd", (&[b"a", b"", b"bc"], None)),
        // Another module refuses this.
        (b"a\rb\r\n", (&[b"a\rb"], None)),
        (b"\n", (&[], Some(LineError::BareLf))),
        (b"a\n", (&[], Some(LineError::BareLf))),
        // The CR of the previous line does not count.
        (b"a\r\n\n", (&[b"a"], Some(LineError::BareLf))),
        (b"a\r\nb\n", (&[b"a"], Some(LineError::BareLf))),
    ];
    for (input, (expected, error)) in table {
        for step in 1..=input.len().max(1) {
            assert_eq!(lines(input, step, 100), (expected.to_vec(), *error), "{input:?} in pieces of {step}");
        }
    }
}

#[test]
fn no_byte_past_the_limit_is_looked_at() {
    let table: &[(&[u8], usize, Found)] = &[
        (b"abc\r\n", 5, (&[b"abc"], Some(LineError::TooLong))),
        (b"abc\r\n", 6, (&[b"abc"], None)),
        (b"abcd\r\n", 5, (&[], Some(LineError::TooLong))),
        (b"abcd\n", 4, (&[], Some(LineError::TooLong))),
        (b"abc\n", 4, (&[], Some(LineError::BareLf))),
    ];
    for (input, limit, (expected, error)) in table {
        for step in 1..=input.len() {
            assert_eq!(lines(input, step, *limit), (expected.to_vec(), *error), "{input:?} in pieces of {step}");
        }
    }
}

#[test]
fn a_span_finds_its_part_again() {
    let whole = b"GET /path";
    assert_eq!(Span::locate(&whole[4..], whole), Span::new(4..9));
    assert_eq!(Span::new(4..9).of(whole), b"/path");
    assert_eq!(Span::new(1..3).within(Span::new(4..9)), Span::new(5..7));
    assert_eq!(Span::new(4..9).end(), 9);
    assert_eq!(Span::locate(b"", whole).of(whole), b"");
}
