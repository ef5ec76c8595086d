//! The page at `/`: one file with its style and its script, which loads nothing from elsewhere.
//!
//! Its policy allows that one style and that one script by their hashes, and requests to this listener. So nothing that a guest has
//! named can become a part of the page, even if the script had a mistake; the script makes text nodes alone.

use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("dashboard/page.html");
const STYLE: &str = include_str!("dashboard/style.css");

/// What the figures mean, and then what shows them.
const SCRIPT: &str = concat!(include_str!("dashboard/figures.js"), "\n", include_str!("dashboard/view.js"));

/// The page and what it may do.
#[derive(Debug)]
pub(super) struct Dashboard {
    /// The page as HTML.
    pub(super) page: Bytes,
    /// The value of `Content-Security-Policy`.
    pub(super) policy: HeaderValue,
}

/// The page. It is the same for everybody.
pub(super) static DASHBOARD: LazyLock<Dashboard> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE),
    );
    Dashboard {
        page: PAGE.replacen("/* style */", STYLE, 1).replacen("/* script */", SCRIPT, 1).into(),
        policy: HeaderValue::try_from(policy).expect("it is ASCII without control characters"),
    }
});

/// The source of a policy that allows an element with this content.
fn hash(content: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most bytes of the page.
    const MAX_BYTES: usize = 60 * 1024;

    #[test]
    fn the_page_is_small_and_has_one_style_and_one_script_of_its_own() {
        let page = std::str::from_utf8(&DASHBOARD.page).expect("it is text");
        assert!(page.len() <= MAX_BYTES, "{}", page.len());
        for (element, content) in [("style", STYLE), ("script", SCRIPT)] {
            assert_eq!(page.matches(&format!("<{element}")).count(), 1, "{element}");
            assert!(page.contains(&format!("<{element}>{content}</{element}>")), "{element}");
            assert!(!content.contains("</"), "{element}");
        }
    }

    #[test]
    fn nothing_of_the_page_is_elsewhere_or_made_of_text_that_is_parsed() {
        let page = std::str::from_utf8(&DASHBOARD.page).expect("it is text");
        // The names of elements of SVG are no addresses.
        let page = page.replace("http://www.w3.org/2000/svg", "");
        let never = [
            "http:",
            "https:",
            "//cdn",
            "url(",
            "@import",
            " src=",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            " style=",
            " onclick=",
            " onload=",
            "setAttribute('style'",
        ];
        for text in never {
            assert!(!page.contains(text), "{text}");
        }
    }

    #[test]
    fn the_policy_names_what_the_page_has() {
        let policy = DASHBOARD.policy.to_str().expect("it is text");
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    }
}
