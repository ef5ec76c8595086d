//! Places and declarations, good and bad.

use std::path::Path;

use super::*;

#[test]
fn a_files_place_is_its_pattern() {
    for (place, pattern) in [
        ("hello.wasm", Ok("/hello")),
        ("index.wasm", Ok("/")),
        ("users/index.wasm", Ok("/users")),
        ("users/[id].wasm", Ok("/users/{id}")),
        ("users/[id]/posts.wasm", Ok("/users/{id}/posts")),
        ("[user]/[post].wasm", Ok("/{user}/{post}")),
        ("files/[...rest].wasm", Ok("/files/{*rest}")),
        ("[...rest].wasm", Ok("/{*rest}")),
        ("a b/caf\u{e9}.wasm", Ok("/a b/caf\u{e9}")),
        ("style.css.wasm", Ok("/style.css")),
        ("100%.wasm", Ok("/100%")),
        ("./hello.wasm", Ok("/hello")),
        ("[].wasm", Err(PatternError::Name)),
        ("[...].wasm", Err(PatternError::Name)),
        ("[a b].wasm", Err(PatternError::Name)),
        ("[*rest].wasm", Err(PatternError::Name)),
        ("[id]/[id].wasm", Err(PatternError::SameName)),
        ("[...rest]/more.wasm", Err(PatternError::RestNotLast)),
        ("[...rest]/index.wasm", Ok("/{*rest}")),
        ("a[id].wasm", Err(PatternError::Brackets)),
        ("[id.wasm", Err(PatternError::Brackets)),
        ("[a][b].wasm", Err(PatternError::Brackets)),
        ("{id}.wasm", Err(PatternError::BracesInName)),
        ("a\nb.wasm", Err(PatternError::Control)),
        ("a?.wasm", Err(PatternError::Query)),
        ("a%20b.wasm", Err(PatternError::Encoded)),
        ("../hello.wasm", Err(PatternError::Outside)),
        ("/hello.wasm", Err(PatternError::Outside)),
        ("", Err(PatternError::Outside)),
    ] {
        assert_eq!(from_tree_path(Path::new(place)), pattern.map(str::to_owned), "{place}");
    }
}

#[cfg(unix)]
#[test]
fn a_name_that_is_not_utf_8_makes_no_pattern() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let place = Path::new(OsStr::from_bytes(b"caf\xe9.wasm"));
    assert_eq!(from_tree_path(place), Err(PatternError::NotUtf8));
}

#[test]
fn a_declared_pattern_is_checked() {
    let long = format!("/{}", "a".repeat(MAX_PATTERN_BYTES));
    for (pattern, expected) in [
        ("/", Ok(())),
        ("/hello", Ok(())),
        ("/hello/", Ok(())),
        ("/page/{id}", Ok(())),
        ("/img-{id}.png", Ok(())),
        ("/files/{*rest}", Ok(())),
        ("/files-{*rest}", Ok(())),
        (&long[1..], Err(PatternError::NoSlash)),
        (&long[..MAX_PATTERN_BYTES], Ok(())),
        (long.as_str(), Err(PatternError::TooLong)),
        ("", Err(PatternError::NoSlash)),
        ("*", Err(PatternError::NoSlash)),
        ("/a\0", Err(PatternError::Control)),
        ("/search?q={q}", Err(PatternError::Query)),
        ("/caf%C3%A9", Err(PatternError::Encoded)),
        ("/{}", Err(PatternError::Name)),
        ("/{*}", Err(PatternError::Name)),
        ("/{a/b}", Err(PatternError::Name)),
        ("/{{a}}", Err(PatternError::Name)),
        ("/{a}/{a}", Err(PatternError::SameName)),
        ("/{a}-{b}", Err(PatternError::TwoInSegment)),
        ("/{a", Err(PatternError::Braces)),
        ("/a}", Err(PatternError::Braces)),
        ("/{*rest}/a", Err(PatternError::RestNotLast)),
        ("/{*rest}a", Err(PatternError::RestNotLast)),
    ] {
        assert_eq!(check(pattern), expected, "{pattern}");
    }
}

#[test]
fn a_list_of_patterns_is_bounded() {
    let patterns = vec!["/".to_owned(); MAX_PATTERNS + 1];
    assert_eq!(check_all(&patterns), Err(PatternError::TooMany));
    assert_eq!(check_all(&patterns[1..]), Ok(()));
}

#[test]
fn patterns_that_match_the_same_paths_have_one_shape() {
    for (pattern, expected) in
        [("/", "/"), ("/a/{id}/b-{name}.txt", "/a/{}/b-{}.txt"), ("/a/{*rest}", "/a/{*}"), ("/*", "/*")]
    {
        assert_eq!(shape(pattern), expected, "{pattern}");
    }
}
