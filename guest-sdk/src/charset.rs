//! Text in the charsets that clients still send.

use crate::RequestError;

/// What windows-1252 has from 0x80 to 0x9f.
const WINDOWS: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}', '\u{2030}',
    '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}', '\u{2019}', '\u{201c}',
    '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}',
    '\u{17e}', '\u{178}',
];

/// The text of bytes. 415 if the charset is not known, 400 if the bytes are not in it.
pub(crate) fn decode(bytes: Vec<u8>, charset: &str) -> Result<String, RequestError> {
    let text = match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" => String::from_utf8(bytes).ok(),
        "us-ascii" | "ascii" => String::from_utf8(bytes).ok().filter(|text| text.is_ascii()),
        "iso-8859-1" | "latin1" => Some(bytes.into_iter().map(char::from).collect()),
        "windows-1252" | "cp1252" => Some(bytes.into_iter().map(windows).collect()),
        "utf-16le" => utf16(&bytes, u16::from_le_bytes),
        "utf-16be" => utf16(&bytes, u16::from_be_bytes),
        _ => {
            let shown: String = charset.chars().take(40).collect();
            return Err(RequestError::new(415, format!("the charset {shown:?} is not known")));
        }
    };
    text.ok_or_else(|| RequestError::new(400, format!("the body is not {charset}")))
}

fn windows(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS[usize::from(byte - 0x80)],
        other => char::from(other),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (units, rest) = bytes.as_chunks();
    let units: Vec<u16> = units.iter().map(|bytes| unit(*bytes)).collect();
    String::from_utf16(&units).ok().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn bytes_are_text_in_their_charset_or_an_error() {
        for (bytes, charset, expected) in [
            (&b"\xc3\xbc"[..], "UTF-8", Ok("\u{fc}")),
            (b"\xfc", "utf-8", Err(400)),
            (b"a", "US-ASCII", Ok("a")),
            (b"\xc3\xbc", "us-ascii", Err(400)),
            (b"\xfc\x80", "iso-8859-1", Ok("\u{fc}\u{80}")),
            (b"\xfc\x80", "windows-1252", Ok("\u{fc}\u{20ac}")),
            (b"a\0\xac\x20", "utf-16le", Ok("a\u{20ac}")),
            (b"\0a\x20\xac", "utf-16be", Ok("a\u{20ac}")),
            (b"a", "utf-16le", Err(400)),
            (b"\0\xd8", "utf-16le", Err(400)),
            (b"a", "klingon", Err(415)),
        ] {
            let decoded = decode(bytes.to_vec(), charset);
            let decoded = decoded.as_deref().map_err(|error| error.status());
            assert_eq!(decoded, expected, "{charset}");
        }
    }
}
