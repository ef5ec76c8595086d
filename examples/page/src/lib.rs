//! Shows a path parameter: `/page/7` answers `page 7`. Text of the client is escaped before it becomes HTML.

use guest_sdk::{Request, handler};

#[handler(path = "/page/{id}", method = "GET")]
fn page(request: Request) -> Option<String> {
    Some(format!("page {}", escape(&request.param("id")?)))
}

/// Escapes a text for HTML, including quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
