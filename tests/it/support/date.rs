//! The value of `Date`, which no test can know: what stands in its place.

/// What stands for the value of every `Date` in what a test compares.
const DATE: &str = "<date>";
/// Bytes of an IMF-fixdate.
const DATE_BYTES: usize = 29;

/// How many bytes go over the wire where a test expects `text`.
pub fn dated_len(text: &str) -> usize {
    text.len() + text.matches(DATE).count() * (DATE_BYTES - DATE.len())
}

/// The bytes as text, the value of each `Date` field replaced.
pub fn undated(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split("\r\nDate: ");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (date, rest) = part.split_at_checked(DATE_BYTES).unwrap_or((part, ""));
        let shown = if httpdate::parse_http_date(date).is_ok() { DATE } else { date };
        result += &format!("\r\nDate: {shown}{rest}");
    }
    result
}
