//! Recognises what may be a secret, so that no command and no page shows it.

use std::borrow::Cow;

use crate::options::{ResolvedOption, Value, find};

/// What is shown in place of a secret.
pub const HIDDEN: &str = "…";

/// Parts of a name that say that it names a secret.
const SECRET_WORDS: [&str; 16] = [
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "credential",
    "credentials",
    "key",
    "passphrase",
    "passwd",
    "password",
    "pin",
    "pwd",
    "salt",
    "secret",
    "signature",
    "token",
];

/// How texts begin that are secrets wherever they stand.
const SECRET_STARTS: [&str; 16] = [
    "-----BEGIN ",
    "AKIA",
    "ASIA",
    "AIza",
    "Basic ",
    "Bearer ",
    "eyJ",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "sk-",
    "sk_live_",
    "sk_test_",
    "xox",
];

/// The least characters of a text that looks random.
const MIN_RANDOM: usize = 20;

/// The value of an option for people: [`HIDDEN`] if it may be a secret. Options of the host are none.
#[must_use]
pub fn shown(option: &ResolvedOption) -> Cow<'_, Value> {
    let is_hidden = find(&option.name).is_none()
        && match &option.value {
            Value::Boolean(_) | Value::Booleans(_) => false,
            Value::Integer(_) | Value::Float(_) | Value::Integers(_) | Value::Floats(_) => names_secret(&option.name),
            Value::Text(text) => may_be_secret(&option.name, text),
            Value::Texts(texts) => texts.iter().any(|text| may_be_secret(&option.name, text)),
        };
    if is_hidden { Cow::Owned(Value::Text(HIDDEN.to_owned())) } else { Cow::Borrowed(&option.value) }
}

/// Whether a text may be a secret, by the name that it has or by itself.
#[must_use]
pub fn may_be_secret(name: &str, text: &str) -> bool {
    !text.is_empty() && (names_secret(name) || looks_secret(text))
}

/// Whether a name contains the word of a secret: `api_key`, `apiKey` and `API-KEY`, but not `keyboard`.
fn names_secret(name: &str) -> bool {
    let mut words: Vec<String> = vec![String::new()];
    let mut was_lower = false;
    for char in name.chars() {
        if !char.is_alphanumeric() || (was_lower && char.is_uppercase()) {
            words.push(String::new());
        }
        was_lower = char.is_lowercase();
        if let Some(word) = words.last_mut()
            && char.is_alphanumeric()
        {
            word.extend(char.to_lowercase());
        }
    }
    words.iter().any(|word| {
        let singular = word.strip_suffix('s').unwrap_or(word);
        let numbered = word.trim_end_matches(|char: char| char.is_ascii_digit());
        [word.as_str(), singular, numbered].iter().any(|word| SECRET_WORDS.contains(word))
    })
}

/// Whether a text is a secret by its form: a known prefix, a URL with a password, or long and random.
fn looks_secret(text: &str) -> bool {
    SECRET_STARTS.iter().any(|start| text.len() > start.len() + 4 && text.starts_with(start))
        || text.contains("PRIVATE KEY-----")
        || has_password(text)
        || is_random(text)
}

/// Whether a URL has a password before its host: `postgres://ada:secret@host`.
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.split_once(':').is_some_and(|(_, password)| !password.is_empty()))
}

/// Whether a text is hexadecimal or base64 that nobody would write: a word of any language has no digits and capitals
/// in it, and a name of a file has dots or slashes.
fn is_random(text: &str) -> bool {
    let (mut upper, mut lower, mut digits, mut marks) = (0_usize, 0_usize, 0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' => upper += 1,
            b'a'..=b'z' => lower += 1,
            b'0'..=b'9' => digits += 1,
            b'+' | b'/' | b'=' | b'_' | b'-' => marks += 1,
            _ => return false,
        }
    }
    let is_hex = marks == 0 && text.len() >= 32 && digits > 0 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_base64 = text.len() >= MIN_RANDOM && upper > 1 && lower > 1 && digits > 1 && marks * 8 <= text.len();
    is_hex || is_base64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::OptionSource;

    #[test]
    fn names_of_secrets_are_recognised_in_every_way_of_writing() {
        for name in ["key", "api_key", "apiKey", "API-KEY", "db.password", "tokens", "session_secret", "key2", "Passwd"]
        {
            assert!(names_secret(name), "{name}");
        }
        for name in ["keyboard", "monkey", "tokenizer", "greeting", "author", "secretary", "pinned", "", "basalt"] {
            assert!(!names_secret(name), "{name}");
        }
    }

    #[test]
    fn texts_that_look_like_secrets_are_recognised_under_any_name() {
        for text in [
            "sk-proj-0123456789",
            "ghp_abcdefghij",
            "AKIAIOSFODNN7EXAMPLE",
            "eyJhbGciOiJIUzI1NiJ9.e30.x",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "postgres://ada:lovelace@db/x",
            "9f86d081884c7d659a2feaa0c55ad015",
            "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12",
            "Bearer abcdefgh",
        ] {
            assert!(looks_secret(text), "{text}");
        }
        for text in [
            "Hello, World",
            "/var/lib/Shop2024/Files99",
            "a-post-about-the-year-2024-in-review",
            "https://example.com/a@b:c",
            "postgres://ada@db/x",
            "text/html; charset=utf-8",
            "2026-11-29T05:12:07Z",
            "sk-",
            "Basic",
            "antidisestablishmentarianism",
        ] {
            assert!(!looks_secret(text), "{text}");
        }
    }

    #[test]
    fn an_option_of_a_handler_is_hidden_and_one_of_the_host_is_not() {
        let option =
            |name: &str, value: Value| ResolvedOption { name: name.to_owned(), value, source: OptionSource::File };
        let hidden = Value::Text(HIDDEN.to_owned());
        let text = |text: &str| Value::Text(text.to_owned());
        for (name, value) in [
            ("api_key", text("x")),
            ("pin", Value::Integer(1234)),
            ("note", text("ghp_abcdefghij")),
            ("tokens", Value::Texts(vec!["a".to_owned()])),
            ("notes", Value::Texts(vec!["a".to_owned(), "sk_live_abcdefgh".to_owned()])),
        ] {
            assert_eq!(*shown(&option(name, value)), hidden, "{name}");
        }
        for (name, value) in [
            ("greeting", text("Hi")),
            ("has_key", Value::Boolean(true)),
            ("content_type", text("Bearer abcdefgh")),
            ("token", text("")),
            ("limit", Value::Integer(7)),
        ] {
            assert_eq!(*shown(&option(name, value.clone())), value, "{name}");
        }
    }
}
