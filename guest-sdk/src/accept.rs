//! Content negotiation (RFC 9110 section 12.5.1).

/// Which of some media types the field `accept` prefers: the first one of those that it likes best. `None` if it accepts none.
pub(crate) fn preferred<'t>(accept: Option<&str>, types: &[&'t str]) -> Option<&'t str> {
    let ranges: Vec<(String, u16)> = accept.unwrap_or("*/*").split(',').filter_map(range).collect();
    let mut best: Option<(&str, u16)> = None;
    for media in types {
        let quality = quality(media, &ranges);
        if quality > best.map_or(0, |(_, quality)| quality) {
            best = Some((media, quality));
        }
    }
    best.map(|(media, _)| media)
}

/// A range in lower case, and its weight in thousandths.
fn range(text: &str) -> Option<(String, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((name.to_ascii_lowercase(), weight.map_or(1000, thousandths)))
}

/// A weight: `0.5` is 500. What is none is 0.
fn thousandths(weight: &str) -> u16 {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    let is_fraction = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match (whole, is_fraction, format!("{fraction:0<3}").parse()) {
        ("0", true, Ok(fraction)) => fraction,
        ("1", true, Ok(0)) => 1000,
        _ => 0,
    }
}

/// The weight of a media type: that of the most specific range that it is in.
fn quality(media: &str, ranges: &[(String, u16)]) -> u16 {
    let media = media.to_ascii_lowercase();
    let group = format!("{}/*", media.split('/').next().unwrap_or_default());
    let of = |name: &str| ranges.iter().find(|(range, _)| range == name).map(|(_, quality)| *quality);
    of(&media).or_else(|| of(&group)).or_else(|| of("*/*")).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::preferred;

    #[test]
    fn the_type_that_the_client_likes_best_is_chosen() {
        for (accept, expected) in [
            (None, Some("text/html")),
            (Some("*/*"), Some("text/html")),
            (Some("application/json"), Some("application/json")),
            (Some("text/*;q=0.5, application/json"), Some("application/json")),
            (Some("text/*, application/json;q=0.999"), Some("text/html")),
            (Some("*/*;q=0.1, Text/HTML;q=0"), Some("application/json")),
            (Some("text/html; level=1 ;q=0.2,application/json;q=0.3"), Some("application/json")),
            (Some("text/html;q=2, application/json;q=0.001"), Some("application/json")),
            (Some("text/html;q=x"), None),
            (Some("image/png"), None),
            (Some(""), None),
        ] {
            assert_eq!(preferred(accept, &["text/html", "application/json"]), expected, "{accept:?}");
        }
        assert_eq!(preferred(None, &[]), None);
    }
}
