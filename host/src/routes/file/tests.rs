//! Route files, good and bad.

use super::*;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn paths_methods_and_options_are_read() {
    let file = RouteFile::parse(
        "# The upload form.\npath = \"/upload\"\nmethods = [\"GET\", \"POST\"]\n\nrate = 2097152\ngreeting = \"hi\"\n",
    )
    .expect("the file is good");
    assert_eq!(file.paths, ["/upload"]);
    assert_eq!(file.methods, Some(texts(&["GET", "POST"])));
    let greeting = ("greeting".to_owned(), Value::Text("hi".to_owned()));
    assert_eq!(file.options, [greeting, ("rate".to_owned(), Value::Integer(2_097_152))]);
    assert_eq!([file.line("path"), file.line("rate"), file.line("burst")], [Some(2), Some(5), None]);
}

#[test]
fn each_key_may_be_absent_and_have_one_value_or_many() {
    for (text, paths, methods) in [
        ("", vec![], None),
        ("paths = ['/a', '/b/{id}']", vec!["/a", "/b/{id}"], None),
        ("method = 'GET'", vec![], Some(vec!["GET"])),
        ("methods = []", vec![], Some(vec![])),
    ] {
        let file = RouteFile::parse(text).expect("the file is good");
        let methods: Option<Vec<String>> = methods.map(|methods: Vec<&str>| texts(&methods));
        assert_eq!((file.paths, file.methods), (texts(&paths), methods), "{text}");
    }
}

#[test]
fn every_mistake_names_its_line_and_what_is_expected() {
    for (text, messages) in [
        (
            "\npath = 1\nmethods = 'GET'",
            vec![
                "line 2: `path` is something else; expected text, as in \"/hello\"",
                "line 3: `methods` is something else; expected a list of texts, as in [\"GET\", \"POST\"]",
            ],
        ),
        (
            "paths = []",
            vec![
                "line 1: `paths` is something else; expected a list of texts that is not empty, as in [\"/hello\", \
                 \"/page/{id}\"]",
            ],
        ),
        ("path = '/a'\npaths = ['/b']", vec!["line 2: both `path` and `paths` are there; expected one of them"]),
        ("path = 'hello'", vec!["line 1: a path pattern does not start with `/`"]),
        ("rate = 1\nmethod = 'get'", vec!["line 2: method `get` is in the wrong case; expected `GET`"]),
        (
            "rate = 1\n[limits]\nmemory = 1",
            vec![
                "line 2: option `limits` is a table; expected true or false, a number, text, or a list of one of these",
            ],
        ),
        (
            "rate = 1\n[grants]\nfiles = []\n\nhttp = ['https://example.com']\n[grants.kv]\nmax = 1",
            vec![
                "line 3: the grant `files` is unknown: this host has nothing to grant",
                "line 5: the grant `http` is unknown: this host has nothing to grant",
                "line 6: the grant `kv` is unknown: this host has nothing to grant",
            ],
        ),
        ("\ngrants.'a\\b' = 1", vec!["line 2: the grant `a\\b` is unknown: this host has nothing to grant"]),
        ("grants = { \"a\\n\" = 1 }", vec!["line 1: the grant `a\\n` is unknown: this host has nothing to grant"]),
        ("grants = 'all'", vec!["line 1: `grants` is something else; expected a table, as in `[grants]`"]),
        ("[[grants]]\nhttp = 1", vec!["line 1: `grants` is something else; expected a table, as in `[grants]`"]),
        ("rate = 1\nrate = 2", vec!["line 2: duplicate key"]),
    ] {
        let errors = RouteFile::parse(text).expect_err("the file has mistakes");
        let found: Vec<String> = errors.iter().map(RouteFileError::to_string).collect();
        assert_eq!(found, messages, "{text}");
    }
}

#[test]
fn an_empty_table_of_grants_grants_nothing_and_is_no_option() {
    for text in ["[grants]", "grants = {}", "rate = 1\n[grants]\n# http = []"] {
        let file = RouteFile::parse(text).expect("the file is good");
        assert_eq!(file.grants, Grants::default());
        assert!(file.options.iter().all(|(name, _)| name != "grants"), "{text}");
    }
}

#[test]
fn what_is_not_toml_is_one_mistake_at_its_line() {
    for (text, expected) in [("rate = 1\nburst 2\n", 2), ("rate =", 1), ("\u{feff}\n\n=", 3)] {
        let errors = RouteFile::parse(text).expect_err("this is not TOML");
        assert!(matches!(errors[..], [RouteFileError::Syntax { line, .. }] if line == expected), "{errors:?}");
    }
}
