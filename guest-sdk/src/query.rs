//! Decodes the query of a target as `application/x-www-form-urlencoded`.

/// The first value of a name, decoded.
pub(crate) fn value(query: &str, name: &str) -> Option<String> {
    let (_, value) = pairs(query).find(|(key, _)| key == name)?;
    Some(value)
}

/// All names and values in order, decoded. Empty pieces (`a=1&&b=2`) are skipped.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|piece| !piece.is_empty()).map(|piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        (decode(name), decode(value))
    })
}

/// Decodes percent-encoding and `+`.
fn decode(text: &str) -> String {
    decode_percent(&text.replace('+', " "))
}

/// Decodes percent-encoding. A `%` without two hexadecimal digits is left as it is.
pub(crate) fn decode_percent(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        decoded.push(match (first, after) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                (None, _) | (_, None) => b'%',
            },
            (other, _) => *other,
        });
    }
    String::from_utf8(decoded).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The value of a hexadecimal digit, below 16.
fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16)?.try_into().ok()
}

#[cfg(test)]
mod tests;
