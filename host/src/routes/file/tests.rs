//! Route files, good and bad.

use super::*;
use crate::grants::{DirectoryAccess, DirectoryEntry, SettingEntry, SettingSource};
use crate::guest::FieldSource;
use crate::outbound::HttpLimits;

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
        ("rate = 1\nrate = 2", vec!["line 2: duplicate key"]),
    ] {
        let errors = RouteFile::parse(text).expect_err("the file has mistakes");
        let found: Vec<String> = errors.iter().map(RouteFileError::to_string).collect();
        assert_eq!(found, messages, "{text}");
    }
}

#[test]
fn an_empty_table_of_grants_grants_nothing_and_is_no_option() {
    for text in ["[grant]", "grant = {}", "rate = 1\n[grant]\n# files = {}", "[grant.config]\n[grant.files]"] {
        let file = RouteFile::parse(text).expect("the file is good");
        assert!(file.grant.is_empty(), "{text}");
        assert!(file.options.iter().all(|(name, _)| name != "grant"), "{text}");
    }
}

#[test]
fn grants_are_read_with_their_lines() {
    let text = "[grant]\nenv = { B = 'b', A = { from = 'HOME' } }\n\n[grant.config]\nkey = { secret = 'stripe' }\n\
                retries = 3\nratio = 0.5\non = true\n[grant.files]\n'/data' = '/srv/data'\n\
                '/tmp' = { path = '/var/tmp', write = true, max_bytes = 10 }\n'/t' = { path = '/t', write = true }";
    let grant = RouteFile::parse(text).expect("the file is good").grant;
    let setting = |line, name: &str, source| SettingEntry { line, name: name.to_owned(), source };
    let text = |text: &str| SettingSource::Text(text.to_owned());
    let environment =
        [setting(2, "A", SettingSource::Variable("HOME".to_owned())), setting(2, "B", text("b"))].to_vec();
    assert_eq!(grant.environment, environment);
    let config = [
        setting(5, "key", SettingSource::Secret("stripe".to_owned())),
        setting(8, "on", text("true")),
        setting(7, "ratio", text("0.5")),
        setting(6, "retries", text("3")),
    ];
    assert_eq!(grant.config, config);
    let directory = |line, guest_path: &str, path: &str, access| DirectoryEntry {
        line,
        guest_path: guest_path.to_owned(),
        path: path.into(),
        access,
    };
    let files = [
        directory(10, "/data", "/srv/data", DirectoryAccess::Read),
        directory(12, "/t", "/t", DirectoryAccess::Write { max_bytes: 64 << 20 }),
        directory(11, "/tmp", "/var/tmp", DirectoryAccess::Write { max_bytes: 10 }),
    ];
    assert_eq!(grant.files, files);
}

#[test]
fn a_wrong_grant_is_told_with_its_line() {
    let setting =
        "is something else; expected text, a number or a boolean, { secret = \"NAME\" } or { from = \"VARIABLE\" }";
    let directory = "is something else; expected an absolute path, as in \"/srv/data\", or { path = \"/srv/data\", \
                     write = true, max_bytes = 1000000 }";
    let guest_path = "has no path for the component; expected an absolute path without `.` and `..`, as in \"/data\"";
    let secret = "as its secret; expected letters, digits, `_`, `-` and `.`, as in \"stripe\"";
    let name = "has no name for a setting; expected 1 to 256 bytes without control characters and `=`";
    for (text, expected) in [
        ("grant = 'all'", "line 1: `grant` is something else; expected a table, as in `[grant]`".to_owned()),
        ("[[grant]]\nconfig = 1", "line 1: `grant` is something else; expected a table, as in `[grant]`".to_owned()),
        ("\ngrant.'a\\b' = 1", "line 2: the grant `a\\b` is unknown; expected one of config, env, files, http, http-limits, kv".to_owned()),
        ("[grant]\nconfig = 1", "line 2: the grant `config` is something else; expected a table, as in { theme = \"dark\" }".to_owned()),
        ("[grant]\n\nfiles = ['/a']", "line 3: the grant `files` is something else; expected a table, as in { \"/data\" = \"/srv/data\" }".to_owned()),
        ("[grant.config]\n\na = []", format!("line 3: the grant `config.a` {setting}")),
        ("[grant.config]\na = { secret = 1 }", format!("line 2: the grant `config.a` {setting}")),
        ("[grant.config]\na = { secret = 'a', from = 'b' }", format!("line 2: the grant `config.a` {setting}")),
        ("[grant.config]\na = {}", format!("line 2: the grant `config.a` {setting}")),
        ("[grant.env]\na = { from = 'A=B' }", format!("line 2: the grant `env.a` {setting}")),
        ("[grant.config]\na = { secret = '../key' }", format!("line 2: the grant `config.a` names `../key` {secret}")),
        ("[grant.env]\n'a=b' = 'c'", format!("line 2: the grant `env.a=b` {name}")),
        ("[grant.env]\n'' = 'c'", format!("line 2: the grant `env.` {name}")),
        ("[grant.env]\na = \"b\\u0000c\"", "line 2: the grant `env.a` has no text for a setting; expected at most 65536 bytes without the character NUL".to_owned()),
        ("[grant.files]\ndata = '/a'", format!("line 2: the grant `files.data` {guest_path}")),
        ("[grant.files]\n'/a/../b' = '/a'", format!("line 2: the grant `files./a/../b` {guest_path}")),
        ("[grant.files]\n'/a/' = '/a'", format!("line 2: the grant `files./a/` {guest_path}")),
        ("[grant.files]\n'/a' = 'b'", "line 2: the grant `files./a` has the path `b`; expected an absolute path, as in \"/srv/data\"".to_owned()),
        ("[grant.files]\n'/a' = 1", format!("line 2: the grant `files./a` {directory}")),
        ("[grant.files]\n'/a' = { write = true }", format!("line 2: the grant `files./a` {directory}")),
        ("[grant.files]\n'/a' = { path = '/b', max_bytes = 1 }", format!("line 2: the grant `files./a` {directory}")),
        ("[grant.files]\n'/a' = { path = '/b', write = true, max_bytes = -1 }", format!("line 2: the grant `files./a` {directory}")),
        ("[grant.files]\n'/a' = { path = '/b', more = 1 }", format!("line 2: the grant `files./a` {directory}")),
    ] {
        let errors = RouteFile::parse(text).expect_err("the file has a mistake");
        let found: Vec<String> = errors.iter().map(RouteFileError::to_string).collect();
        assert_eq!(found, [expected], "{text}");
    }
    let many: String = (0..129).map(|number| format!("n{number} = 1\n")).collect();
    let errors = RouteFile::parse(&format!("[grant.config]\n{many}")).expect_err("there are too many");
    assert_eq!(errors[0].to_string(), "line 1: the grant `config` has too many entries; expected 128 at most");
}

#[test]
fn grants_of_http_are_read_with_their_limits() {
    let text = "[grant]\nhttp = ['https://a.example', 'http://*.b.example:*']\n[grant.http-limits]\n\
                private = ['10.0.0.0/8']\nconcurrency = 1\nconnections = 2\nconnect_timeout = 0.5\n\
                first_byte_timeout = 3\nbetween_bytes_timeout = 4\nmax_response = 5\n";
    let http = RouteFile::parse(text).expect("the file is good").grant.http.expect("it grants http");
    assert_eq!(http.line, 2);
    let patterns: Vec<String> = http.patterns.iter().map(ToString::to_string).collect();
    assert_eq!(patterns, ["https://a.example", "http://*.b.example:*"]);
    let seconds = Duration::from_secs;
    let limits = HttpLimits {
        private: vec!["10.0.0.0/8".parse().expect("a network")],
        concurrency: 1,
        connections: 2,
        connect_timeout: seconds(1) / 2,
        first_byte_timeout: seconds(3),
        between_bytes_timeout: seconds(4),
        max_response: 5,
    };
    assert_eq!(http.limits, limits);
    assert!(RouteFile::parse("[grant]\nhttp = []").expect("the file is good").grant.is_empty());
}

#[test]
fn every_mistake_in_a_grant_of_http_names_its_line_and_what_is_expected() {
    let list = "is something else; expected a list of origins, as in [\"https://api.example.com\", \"https://*.example.org:8443\"]";
    let seconds = "is something else; expected seconds from 0.001 to 3600";
    let number = "is something else; expected a number from 1 to 10000";
    for (text, expected) in [
        ("[grant]\nhttp = 'https://a.example'", format!("line 2: the grant `http` {list}")),
        ("[grant]\nhttp = [1]", format!("line 2: the grant `http` {list}")),
        (
            "[grant]\nhttp = ['a.example']",
            "line 2: the grant `http` has the origin `a.example`, which has no scheme; write http:// or https:// before it".to_owned(),
        ),
        (
            "[grant]\nhttp = ['https://a.example/b']",
            "line 2: the grant `http` has the origin `https://a.example/b`, which has a path; a grant is for all paths of a host".to_owned(),
        ),
        (
            "[grant.http-limits]\nconcurrency = 1",
            "line 1: the grant `http-limits` limits nothing, because there is no `http`".to_owned(),
        ),
        ("[grant]\nhttp = []\n[grant.http-limits]\nconcurrency = 0", format!("line 4: the grant `http-limits.concurrency` {number}")),
        ("[grant]\nhttp = []\n[grant.http-limits]\nconnections = 'a'", format!("line 4: the grant `http-limits.connections` {number}")),
        ("[grant]\nhttp = []\n[grant.http-limits]\nconnect_timeout = 0", format!("line 4: the grant `http-limits.connect_timeout` {seconds}")),
        ("[grant]\nhttp = []\n[grant.http-limits]\nfirst_byte_timeout = nan", format!("line 4: the grant `http-limits.first_byte_timeout` {seconds}")),
        (
            "[grant]\nhttp = []\n[grant.http-limits]\nprivate = ['10.1.0.0']",
            "line 4: the grant `http-limits.private` has the network `10.1.0.0`, which is no network; write it as in 10.1.0.0/16 or fd00::/8".to_owned(),
        ),
        (
            "[grant]\nhttp = []\n[grant.http-limits]\nmax_response = -1",
            "line 4: the grant `http-limits.max_response` is something else; expected a number of bytes".to_owned(),
        ),
        (
            "[grant]\nhttp = []\n[grant.http-limits]\nretries = 1",
            "line 4: the grant `http-limits.retries` is something else; expected private, concurrency, connections, \
             connect_timeout, first_byte_timeout, between_bytes_timeout or max_response".to_owned(),
        ),
    ] {
        let errors = RouteFile::parse(text).expect_err("the file has a mistake");
        let found: Vec<String> = errors.iter().map(RouteFileError::to_string).collect();
        assert_eq!(found, [expected], "{text}");
    }
}

#[test]
fn request_fields_are_read_with_their_lines() {
    let file = RouteFile::parse(
        "[request-fields]\nX-Addr = 'peer'\nx-id = 'id'\n\n\"x-user\" = 'context:user name'\nx-page = 'param:page'",
    )
    .expect("the file is good");
    let fields = file.request_fields.iter().map(|entry| (entry.line, &*entry.field.name, entry.field.source.clone()));
    let expected = [
        (2, "x-addr", FieldSource::Peer),
        (3, "x-id", FieldSource::Id),
        (6, "x-page", FieldSource::Param("page".to_owned())),
        (5, "x-user", FieldSource::Context("user name".to_owned())),
    ];
    assert_eq!(fields.collect::<Vec<_>>(), expected);
    assert_eq!(file.options, []);
    for text in ["", "[request-fields]", "request-fields = {}"] {
        assert_eq!(RouteFile::parse(text).expect("the file is good").request_fields, [], "{text}");
    }
    let most: String = (1..=16).map(|number| format!("x-{number} = 'peer'\n")).collect();
    assert_eq!(RouteFile::parse(&format!("[request-fields]\n{most}")).expect("16 are good").request_fields.len(), 16);
}

#[test]
fn every_mistake_in_request_fields_names_its_line_and_what_is_expected() {
    let no_name = "is no name of a field; expected letters, digits and `-`, 256 at most, as in `x-user`";
    let fixed = "is of the connection or of the body, and cannot be set";
    let source = "expected \"peer\", \"id\", \"context:NAME\" or \"param:NAME\", as in \"context:user\"";
    let twice =
        |other: &str| format!("has the same name as `{other}`: case does not matter, nor whether it is `-` or `_`");
    let from = |found: &str| format!("is from {found}; {source}");
    let long = format!("x{}", "-".repeat(256));
    let cases = [
        ("'x user' = 'peer'", "x user", no_name.to_owned()),
        ("'' = 'peer'", "", no_name.to_owned()),
        ("\"x\\r\\ny\" = 'peer'", "x\\r\\ny", no_name.to_owned()),
        ("'ä' = 'peer'", "ä", no_name.to_owned()),
        (&*format!("{long} = 'peer'"), &*long, no_name.to_owned()),
        ("X-User = 'peer'\nx-user = 'peer'", "x-user", twice("x-user")),
        ("X-User = 'peer'\nx_user = 'peer'", "x_user", twice("x-user")),
        ("x = 'Peer'", "x", from("\"Peer\"")),
        ("x = 'context:'", "x", from("\"context:\"")),
        ("x = 'param:'", "x", from("\"param:\"")),
        ("x = 'param:*rest'", "x", from("\"param:*rest\"")),
        ("x = 'peer:1'", "x", from("\"peer:1\"")),
        ("x = \"a\\nb\"", "x", from("\"a\\nb\"")),
        ("x = ''", "x", from("\"\"")),
        ("x = 1", "x", from("1")),
        ("x = true", "x", from("true")),
        ("x = ['peer']", "x", from("a list")),
        ("x = { from = 'peer' }", "x", from("a table")),
        ("x.y = 'peer'", "x", from("a table")),
    ];
    let names = ["Connection", "keep-alive", "proxy-connection", "TE", "trailer", "Transfer-Encoding", "upgrade"];
    let names = names.into_iter().chain(["Host", "http2-settings", "content-length"]);
    let hidden = names.map(|name| (format!("{name} = 'peer'"), name.to_owned(), fixed.to_owned()));
    let cases = cases.map(|(text, name, reason)| (text.to_owned(), name.to_owned(), reason)).into_iter().chain(hidden);
    for (text, name, reason) in cases {
        let errors = RouteFile::parse(&format!("rate = 1\n[request-fields]\n{text}")).expect_err("it has a mistake");
        let found: Vec<String> = errors.iter().map(RouteFileError::to_string).collect();
        let line = 2 + text.lines().count();
        assert_eq!(found, [format!("line {line}: the request field `{name}` {reason}")], "{text}");
        assert_ne!(errors[0].remedy(), "");
    }
    let many: String = (1..=17).map(|number| format!("x-{number:02} = 'peer'\n")).collect();
    let errors = RouteFile::parse(&format!("[request-fields]\n{many}")).expect_err("17 are too many");
    assert_eq!(errors[0].to_string(), "line 18: the request field `x-17` is one too many; expected 16 fields at most");
    for text in ["request-fields = 'peer'", "[[request-fields]]\nx = 'peer'"] {
        let errors = RouteFile::parse(text).expect_err("it is no table");
        assert_eq!(
            errors[0].to_string(),
            "line 1: `request-fields` is something else; expected a table, as in `[request-fields]`"
        );
    }
}

#[test]
fn what_is_not_toml_is_one_mistake_at_its_line() {
    for (text, expected) in [("rate = 1\nburst 2\n", 2), ("rate =", 1), ("\u{feff}\n\n=", 3)] {
        let errors = RouteFile::parse(text).expect_err("this is not TOML");
        assert!(matches!(errors[..], [RouteFileError::Syntax { line, .. }] if line == expected), "{errors:?}");
    }
}
