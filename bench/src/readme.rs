//! The part of a Markdown file that the bench writes, between two markers.

use anyhow::Context as _;

const BEGIN: &str = "<!-- bench -->";
const END: &str = "<!-- /bench -->";

/// Replaces the text between the markers by `results`.
pub fn with_results(text: &str, results: &str) -> anyhow::Result<String> {
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("there is no line {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("there is no line {END} after {BEGIN}"))?;
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", results.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let text = "before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n";
        let new = with_results(text, "new\n").expect("both markers are there");
        assert_eq!(new, "before\n<!-- bench -->\nnew\n<!-- /bench -->\nafter\n");
        assert_eq!(with_results(&new, "new").ok(), Some(new));
    }

    #[test]
    fn a_text_without_both_markers_in_order_is_refused() {
        for text in ["", "<!-- bench -->\n", "<!-- /bench -->\n<!-- bench -->\n"] {
            assert!(with_results(text, "new").is_err(), "{text}");
        }
    }
}
