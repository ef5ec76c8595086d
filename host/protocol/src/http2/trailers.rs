//! The trailers of a request on a stream of HTTP/2.

use ::http::HeaderMap;

use crate::http::fields::{FieldError, Fields};
use crate::http::trailers::is_allowed_in_trailers;

/// The trailers that [are allowed](is_allowed_in_trailers), if there are any. The others are dropped.
///
/// # Errors
/// They exceed a bound of [`Fields`], or a value is malformed (RFC 9113 section 8.2.1).
pub fn request_trailers(trailers: &HeaderMap) -> Result<Option<Box<Fields>>, FieldError> {
    let mut kept = Fields::default();
    for (name, value) in trailers.iter().filter(|(name, _)| is_allowed_in_trailers(name.as_str())) {
        kept.append(name.as_str(), value.as_bytes())?;
    }
    let has_any = kept.all().next().is_some();
    Ok(has_any.then(|| Box::new(kept)))
}

#[cfg(test)]
mod tests {
    use ::http::{HeaderName, HeaderValue};

    use super::*;

    fn trailers(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            (
                HeaderName::from_bytes(name.as_bytes()).expect("the test gives names"),
                HeaderValue::from_bytes(value.as_bytes()).expect("the test gives values"),
            )
        };
        let mut map = HeaderMap::new();
        lines.iter().map(line).for_each(|(name, value)| {
            let _ = map.append(name, value);
        });
        map
    }

    #[test]
    fn trailers_that_are_allowed_are_kept_and_others_are_dropped() {
        let given = trailers(&[("x-checksum", "1"), ("content-length", "3"), ("cookie", "a"), ("x-checksum", "2")]);
        let kept = request_trailers(&given).expect("they are well-formed").expect("two are allowed");
        let kept: Vec<_> = kept.all().collect();
        assert_eq!(kept, [("x-checksum", &b"1"[..]), ("x-checksum", b"2")]);
        assert!(request_trailers(&trailers(&[("host", "a")])).expect("they are well-formed").is_none());
    }

    #[test]
    fn trailers_past_a_bound_or_with_white_space_around_a_value_are_refused() {
        let many: Vec<_> = (0..200).map(|number| (format!("x-{number}"), "v")).collect();
        let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(request_trailers(&trailers(&many)).err(), Some(FieldError::TooLarge));
        assert_eq!(request_trailers(&trailers(&[("x-a", " b")])).err(), Some(FieldError::Invalid));
    }
}
