//! Declared methods, and what they cover together.

use super::*;

fn methods(methods: &str) -> Vec<String> {
    methods.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn declared_methods_are_checked() {
    let long = "M".repeat(MAX_METHOD_BYTES + 1);
    let case = |method: &str, standard| MethodError::Case { method: method.to_owned(), standard };
    let refused = |method: &str| MethodError::Refused { method: method.to_owned() };
    for (declared, expected) in [
        ("", Ok(())),
        ("GET POST", Ok(())),
        ("PROPFIND purge", Ok(())),
        (&long[1..], Ok(())),
        (long.as_str(), Err(MethodError::Token)),
        ("GET,POST", Err(MethodError::Token)),
        ("G\u{c9}T", Err(MethodError::Token)),
        ("GET post", Err(case("post", "POST"))),
        ("CONNECT", Err(refused("CONNECT"))),
        ("trace", Err(refused("trace"))),
    ] {
        assert_eq!(check(&methods(declared)), expected, "{declared}");
    }
    assert_eq!(check(&[String::new()]), Err(MethodError::Token));
    assert_eq!(check(&vec!["GET".to_owned(); MAX_METHODS + 1]), Err(MethodError::TooMany));
}

#[test]
fn get_covers_head_and_no_declaration_covers_the_standard() {
    for (declared, method, expected) in [
        ("GET", "GET", true),
        ("GET", "HEAD", true),
        ("HEAD", "GET", false),
        ("POST", "HEAD", false),
        ("GET", "get", false),
        ("", "OPTIONS", true),
        ("", "PROPFIND", false),
        ("", "TRACE", false),
        ("PROPFIND", "PROPFIND", true),
    ] {
        assert_eq!(covers(&methods(declared), method), expected, "{declared} and {method}");
    }
}

#[test]
fn declarations_overlap_where_both_cover_a_method() {
    for (one, other, expected) in [
        ("GET", "POST", None),
        ("GET POST", "PUT POST", Some("POST")),
        ("GET", "HEAD", Some("HEAD")),
        ("", "DELETE", Some("DELETE")),
        ("", "", Some("GET")),
        ("", "PROPFIND", None),
        ("PROPFIND", "PROPFIND", Some("PROPFIND")),
    ] {
        assert_eq!(overlap(&methods(one), &methods(other)), expected, "{one} and {other}");
        assert_eq!(overlap(&methods(other), &methods(one)), expected, "{other} and {one}");
    }
}

#[test]
fn allow_lists_the_standard_methods_first_and_options_always() {
    for (declarations, expected) in [
        (vec!["GET POST"], "GET, HEAD, POST, OPTIONS"),
        (vec!["POST", "GET"], "GET, HEAD, POST, OPTIONS"),
        (vec![""], "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"),
        (vec!["PURGE OPTIONS", "COPY PUT"], "PUT, OPTIONS, COPY, PURGE"),
        (vec![], "OPTIONS"),
    ] {
        let declarations: Vec<Vec<String>> = declarations.into_iter().map(methods).collect();
        assert_eq!(allow(declarations.iter().map(Vec::as_slice)), expected);
    }
}
