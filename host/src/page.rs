//! What all HTML pages of the host have in common. The markup itself is in `maud`'s `html!`, which escapes each text.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The style of a page.
const STYLE: PreEscaped<&str> = PreEscaped(include_str!("page.css"));

/// A whole page with this title and this content of its `body`. It loads nothing from elsewhere.
pub(crate) fn page(title: &str, content: Markup) -> String {
    page_with_head(title, html! {}, content)
}

/// The same with an empty icon, so that browsers do not ask for one.
pub(crate) fn page_with_icon(title: &str, content: Markup) -> String {
    page_with_head(title, html! { link rel="icon" href="data:,"; }, content)
}

fn page_with_head(title: &str, head: Markup, content: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (title) }
                style { (STYLE) }
                (head)
            }
            body { (content) }
        }
    };
    page.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_loads_nothing_and_its_title_is_text() {
        let page = page("a<b>&", html! { p { "x" } });
        assert!(page.contains("<title>a&lt;b&gt;&amp;</title>"), "{page}");
        for loads in ["src=", "href=", "url(", "@import", "http:", "https:"] {
            assert!(!page.contains(loads), "{page}");
        }
    }
}
