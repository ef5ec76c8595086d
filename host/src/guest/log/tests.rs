use std::io::{self, Write};

use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// Collects the log's output.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logged {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The log lines of a guest that prints as `print` does and then ends.
fn logged(request: Option<u64>, print: impl FnOnce(&GuestLog)) -> Vec<String> {
    let logged = Logged::default();
    let format = tracing_subscriber::fmt().without_time().with_level(false).with_ansi(false);
    tracing::subscriber::with_default(format.with_max_level(Level::INFO).with_writer(logged.clone()).finish(), || {
        let log = GuestLog::new("hello".into(), request, None);
        print(&log);
        log.finish();
    });
    let bytes = logged.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let text = String::from_utf8(bytes).expect("a log of text");
    text.lines().map(|line| line.trim_start().to_owned()).collect()
}

/// The logged lines of a guest that writes `writes` to stdout, without the fields of the log line.
fn lines(writes: &[&[u8]]) -> Vec<String> {
    let fields = r#" route="hello" request=7 stream="stdout""#;
    let line = |line: String| {
        let line = line.strip_prefix("guest: ").and_then(|line| line.strip_suffix(fields)).map(str::to_owned);
        line.expect("a line that says whose it is")
    };
    let print = |log: &GuestLog| writes.iter().for_each(|bytes| log.stdout.lines().write(bytes));
    logged(Some(7), print).into_iter().map(line).collect()
}

#[test]
fn each_line_says_whose_it_is() {
    let requestless = r#"guest: a route="hello" stream="stdout""#;
    assert_eq!(logged(None, |log| log.stdout.lines().write(b"a\n")), [requestless]);
    assert_eq!(lines(&[b"a\n"]), ["a"]);
}

#[test]
fn a_line_is_logged_once_it_is_whole_or_its_guest_has_ended() {
    let table: &[(&[&[u8]], &[&str])] = &[
        (&[], &[]),
        (&[b""], &[]),
        (&[b"a\nb\r\nc"], &["a", "b", "c"]),
        (&[b"a", b"b", b"\n", b"c\n"], &["ab", "c"]),
        (&[b"\xc3", b"\xa9\n"], &["\u{e9}"]),
        (&[b"a\xff\n"], &["a\u{fffd}"]),
        (&[b"\n\r\n", b"\n", b"a\n\n\nb\n\n"], &["a", "b"]),
    ];
    for (writes, expected) in table {
        assert_eq!(lines(writes), *expected, "{writes:?}");
    }
}

#[test]
fn a_control_character_cannot_forge_a_line_nor_drive_a_terminal() {
    assert_eq!(lines(&[b"a\rb\x1b[2Jc\0d\te\x7f\n"]), ["a\u{fffd}b\u{fffd}[2Jc\u{fffd}d\te\u{fffd}"]);
}

#[test]
fn a_line_is_split_at_its_bound_however_it_is_written() {
    let line = [b'x'; MAX_LINE_BYTES + 1000];
    let (whole, rest) = ("x".repeat(MAX_LINE_BYTES), "x".repeat(1000));
    for at in [1, 1000, MAX_LINE_BYTES - 1, MAX_LINE_BYTES, MAX_LINE_BYTES + 1] {
        assert_eq!(lines(&[&line[..at], &line[at..]]), [whole.as_str(), &rest], "{at}");
    }
}

#[test]
fn a_line_is_never_split_inside_a_character() {
    for character in ["\u{e9}", "\u{20ac}", "\u{1f980}"] {
        for before in 0..4 {
            let line = "x".repeat(before) + &character.repeat(MAX_LINE_BYTES);
            for at in [1, MAX_LINE_BYTES - 1, MAX_LINE_BYTES, MAX_LINE_BYTES + 1] {
                let pieces = lines(&[&line.as_bytes()[..at], &line.as_bytes()[at..], b"\n"]);
                assert_eq!(pieces.concat(), line, "{before} bytes before {character}, written in pieces from {at}");
                assert!(pieces.iter().all(|piece| piece.len() <= MAX_LINE_BYTES));
            }
        }
    }
    // Invalid UTF-8 may be split anywhere.
    let broken = [[0x80; MAX_LINE_BYTES].as_slice(), &[0x80]].concat();
    assert_eq!(lines(&[&broken]), ["\u{fffd}".repeat(MAX_LINE_BYTES), "\u{fffd}".to_owned()]);
}

#[test]
fn a_line_is_shown_in_the_order_in_which_it_was_printed() {
    let controls = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
    assert_eq!(lines(&[controls.as_bytes(), b"a\n"]), ["\u{fffd}".repeat(12) + "a"]);
    // These characters end a line in some programs.
    assert_eq!(lines(&["a\u{85}b\u{2028}c\u{2029}d\n".as_bytes()]), ["a\u{fffd}b\u{fffd}c\u{fffd}d"]);
    // Right-to-left text is allowed.
    assert_eq!(
        lines(&["\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{1f468}\u{200d}\u{1f469}\n".as_bytes()]),
        ["\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{1f468}\u{200d}\u{1f469}"]
    );
}

const TRUNCATED: &str = "printed more than 65536 bytes, 128 a line at least; the rest is dropped";

#[test]
fn output_past_the_bound_is_dropped_and_reported_once() {
    let truncated = [TRUNCATED.to_owned()];
    let long = [[b'x'; 1024].as_slice(), b"\n"].concat();
    let all: Vec<&[u8]> = vec![&long; MAX_BYTES / 1024];
    let whole = vec!["x".repeat(1024); MAX_BYTES / 1024];
    assert_eq!(lines(&all), whole);
    assert_eq!(lines(&[&all[..], &[b"y", b"z\n", b"z\n"]].concat()), [&whole[..], &truncated].concat());
    let endless = vec![b'x'; 2 * MAX_BYTES];
    assert_eq!(lines(&[&endless]), [&vec!["x".repeat(MAX_LINE_BYTES); 16][..], &truncated].concat());
    // The bound counts what is logged: each of these bytes is logged as three.
    let broken = vec!["\u{fffd}".repeat(MAX_LINE_BYTES); 5];
    assert_eq!(lines(&[&vec![0xff; MAX_BYTES]]), [&broken[..], &truncated].concat());
}

#[test]
fn a_short_line_counts_its_minimum_and_an_empty_one_nothing() {
    let short = vec!["x".to_owned(); MAX_BYTES / MIN_LINE_COST];
    assert_eq!(lines(&[&b"\nx\n\n".repeat(MAX_BYTES)]), [&short[..], &[TRUNCATED.to_owned()]].concat());
}

#[test]
fn both_streams_share_one_bound() {
    let stderr = logged(Some(7), |log| {
        log.stdout.lines().write(&[b'x'; MAX_BYTES]);
        log.stderr.lines().write(b"dropped\ndropped\n");
        log.stdout.lines().write(b"dropped\n");
    });
    let fields = r#"route="hello" request=7 stream="#;
    assert_eq!(stderr.len(), 17);
    assert_eq!(stderr[15], format!("guest: {} {fields}\"stdout\"", "x".repeat(MAX_LINE_BYTES)));
    assert_eq!(stderr[16], format!("guest: {TRUNCATED} {fields}\"stderr\""));
}
