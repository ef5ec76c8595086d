//! Whether what was printed is what a page shows, where `…` stands for what differs from run to run.

/// What stands for any text in a line, and alone in a line for any lines.
const ANY: &str = "…";

/// Whether `printed` is as `shown`, all of it.
pub fn matches(shown: &str, printed: &str) -> bool {
    let shown: Vec<&str> = shown.lines().collect();
    let printed: Vec<&str> = printed.lines().map(|line| line.trim_end_matches('\r')).collect();
    lines_match(&shown, &printed)
}

fn lines_match(shown: &[&str], printed: &[&str]) -> bool {
    match (shown, printed) {
        ([], []) => true,
        ([], _) => false,
        ([ANY, rest @ ..], _) => (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..])),
        (_, []) => false,
        ([line, shown @ ..], [first, printed @ ..]) => line_matches(line, first) && lines_match(shown, printed),
    }
}

/// Whether one line is as it is shown. The spaces around a figure that differs differ too.
pub fn line_matches(shown: &str, printed: &str) -> bool {
    let Some((start, rest)) = shown.split_once(ANY) else { return shown.trim_end() == printed.trim_end() };
    let Some(mut left) = printed.strip_prefix(start) else { return false };
    let pieces: Vec<&str> = rest.split(ANY).collect();
    let Some((end, middle)) = pieces.split_last() else { return false };
    for piece in middle {
        let Some((_, behind)) = left.split_once(piece) else { return false };
        left = behind;
    }
    left.ends_with(end)
}

#[test]
fn what_differs_is_left_out_and_nothing_else() {
    for (shown, printed, same) in [
        ("a\nb\n", "a\r\nb\r\n", true),
        ("a\n", "a\nb\n", false),
        ("a\n…\n", "a\nb\nc\n", true),
        ("…\nc\n", "a\nb\nc\n", true),
        ("…\nc\n", "a\nb\n", false),
        ("took … us\n", "took 14.2 us\n", true),
        ("took … us\n", "took 14.2 ms\n", false),
        ("… x … y\n", "1 x 2 y\n", true),
        ("", "a\n", false),
    ] {
        assert_eq!(matches(shown, printed), same, "{shown:?} {printed:?}");
    }
}
