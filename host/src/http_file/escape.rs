//! Bytes as one line of text: `\n`, `\r`, `\t`, `\\` and `\xNN`.

/// Writes bytes on one line. What is no printable character of UTF-8 is escaped.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut escaped = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => escaped.push_str("\\\\"),
                '\n' => escaped.push_str("\\n"),
                '\r' => escaped.push_str("\\r"),
                '\t' => escaped.push_str("\\t"),
                character if character.is_control() => {
                    let mut buffer = [0; 4];
                    character.encode_utf8(&mut buffer).bytes().for_each(|byte| push_byte(&mut escaped, byte));
                }
                character => escaped.push(character),
            }
        }
        chunk.invalid().iter().for_each(|byte| push_byte(&mut escaped, *byte));
    }
    escaped
}

fn push_byte(escaped: &mut String, byte: u8) {
    escaped.push_str(&format!("\\x{byte:02x}"));
}

/// Reads what [`escape`] has written. `None` if a backslash begins no escape.
#[must_use]
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (byte, length) = match behind.as_bytes() {
            [b'\\', ..] => (b'\\', 1),
            [b'n', ..] => (b'\n', 1),
            [b'r', ..] => (b'\r', 1),
            [b't', ..] => (b'\t', 1),
            [b'x', high, low, ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                (u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?, 3)
            }
            _ => return None,
        };
        bytes.push(byte);
        rest = &behind[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}
