//! Which route answers what.

use proptest::prelude::*;

use super::*;
use crate::options::{Options, Value};
use crate::routes::component::tests::key;
use crate::routes::holders::Authority;
use crate::routes::{Mount, RouteTarget};

/// A route named by its file.
pub(crate) fn route(file: &str, patterns: &[&str], methods: &[&str]) -> Arc<Route> {
    by(Authority::RouteFile, file, patterns, methods)
}

/// A route whose component declares its patterns.
pub(crate) fn declared(file: &str, patterns: &[&str], methods: &[&str]) -> Arc<Route> {
    by(Authority::Declared, file, patterns, methods)
}

/// A route that has its patterns by this.
pub(crate) fn by(authority: Authority, file: &str, patterns: &[&str], methods: &[&str]) -> Arc<Route> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    mounted(mount(file, owned(patterns), owned(methods), authority), &[])
}

/// A route with options, at `/`.
pub(crate) fn route_with(options: &[(String, Value)]) -> Arc<Route> {
    mounted(mount("it", vec!["/".to_owned()], vec![], Authority::RouteFile), options)
}

fn mount(file: &str, patterns: Vec<String>, methods: Vec<String>, authority: Authority) -> Mount {
    Mount {
        name: file.into(),
        patterns,
        methods,
        key: key(file),
        fetched: None,
        middleware: vec![],
        topics: None,
        authority,
    }
}

fn mounted(mount: Mount, options: &[(String, Value)]) -> Arc<Route> {
    let options = Options::resolve(options, &[], &[]).expect("the options of these tests are valid");
    Arc::new(Route::new(mount, options, Arc::new(RouteTarget::Nothing)))
}

fn table(routes: Vec<Arc<Route>>) -> RouteTable {
    let (table, diagnostics) = RouteTable::build(routes, Vec::new(), &Holders::default(), BTreeSet::new());
    assert_eq!(diagnostics, []);
    table
}

/// A lookup in one line: the route's name and what was captured, or the other answers.
fn found(table: &RouteTable, method: &str, path: &str) -> String {
    match table.lookup_by_default(method, path) {
        Lookup::Found { route, params } => {
            let params: Vec<String> = params.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            format!("{}{}", route.mount.name, params.concat())
        }
        Lookup::MethodNotAllowed { allow, .. } => format!("405 {allow}"),
        Lookup::Options { allow, .. } => format!("OPTIONS {allow}"),
        Lookup::NotImplemented => "501".to_owned(),
        Lookup::NotFound => "404".to_owned(),
        Lookup::BadPath => "400".to_owned(),
        Lookup::Misdirected => "421".to_owned(),
        Lookup::Pending => "awaited".to_owned(),
        Lookup::Unserved(UnservedRoute { key, is_loading }) => {
            format!("{} {}", if *is_loading { "loading" } else { "failed" }, key.path().display())
        }
    }
}

#[test]
fn a_path_that_no_route_has_may_belong_to_a_component_that_does_not_serve() {
    let unserved = |path: &str, is_loading| UnservedRoute { key: key(path), is_loading };
    let patterns = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>();
    let all = [
        (unserved("slow.wasm", true), patterns(&["/slow", "/both"])),
        (unserved("bad.wasm", false), patterns(&["/bad", "/both", "/hello", "/a b/{id}"])),
        (unserved("nowhere.wasm", true), patterns(&[])),
    ];
    let unserved = UnservedPatterns::new(all.iter().map(|(route, patterns)| (route.clone(), patterns.as_slice())));
    let table = table(vec![route("hello", &["/hello"], &["GET"])]).reporting(LoadReport::default(), unserved);
    for (method, path, expected) in [
        ("GET", "/slow", "loading slow.wasm"),
        ("POST", "/bad", "failed bad.wasm"),
        ("GET", "/a%20b/7", "failed bad.wasm"),
        ("GET", "/both", "loading slow.wasm"),
        ("GET", "/slow/", "404"),
        ("GET", "/hello", "hello"),
        ("POST", "/hello", "405 GET, HEAD, OPTIONS"),
        ("BREW", "/slow", "501"),
        ("GET", "/%", "400"),
    ] {
        assert_eq!(found(&table, method, path), expected, "{method} {path}");
    }
}

#[test]
fn a_path_finds_the_most_specific_pattern_and_what_it_captures() {
    let table = table(vec![
        route("index", &["/"], &[]),
        route("hello", &["/hello"], &[]),
        route("user", &["/users/{id}"], &[]),
        route("me", &["/users/me"], &[]),
        route("post", &["/users/{id}/posts/{post}"], &[]),
        route("files", &["/files/{*rest}"], &[]),
        route("own", &["/own", "/alias"], &[]),
        route("slash", &["/own/"], &[]),
        route("percent", &["/100%", "/a b"], &[]),
    ]);
    for (path, expected) in [
        ("/", "index"),
        ("/hello", "hello"),
        ("/hello/", "404"),
        ("/hello//", "404"),
        ("/Hello", "404"),
        ("hello", "404"),
        ("", "404"),
        ("//", "404"),
        ("/users", "404"),
        ("/users/", "404"),
        ("/users/7", "user id=7"),
        ("/users/7/", "404"),
        ("/users/me", "me"),
        ("/users/men", "user id=men"),
        ("/users/7/posts/8", "post id=7 post=8"),
        ("/files/a/b.txt", "files rest=a/b.txt"),
        ("/files/a/", "files rest=a/"),
        ("/files/", "404"),
        ("/own", "own"),
        ("/own/", "slash"),
        ("/alias/", "404"),
        ("/100%25", "percent"),
        ("/a%20b", "percent"),
        ("/*", "404"),
    ] {
        assert_eq!(found(&table, "GET", path), expected, "{path}");
    }
}

#[test]
fn percent_encoded_characters_are_their_plain_form_and_an_encoded_slash_separates_nothing() {
    let table = table(vec![
        route("hello", &["/hello"], &[]),
        route("user", &["/users/{id}"], &[]),
        route("files", &["/files/{*rest}"], &[]),
    ]);
    for (path, expected) in [
        ("/%68ello", "hello"),
        ("/hello%2F", "404"),
        ("%2Fhello", "404"),
        ("/users/a%2Fb", "user id=a/b"),
        ("/users/a%252Fb", "user id=a%2Fb"),
        ("/users/caf%C3%A9", "user id=caf\u{e9}"),
        ("/users%2F7", "404"),
        ("/files/a%2Fb/c", "files rest=a/b/c"),
        ("/users/%FF", "400"),
        ("/users/%00", "400"),
        ("/users/%", "400"),
    ] {
        assert_eq!(found(&table, "GET", path), expected, "{path}");
    }
}

#[test]
fn a_method_finds_its_route_or_what_is_allowed() {
    let table = table(vec![
        route("read", &["/page"], &["GET"]),
        route("write", &["/page"], &["POST", "PURGE"]),
        route("all", &["/all"], &[]),
        route("ask", &["/ask"], &["OPTIONS"]),
    ]);
    for (method, path, expected) in [
        ("GET", "/page", "read"),
        ("HEAD", "/page", "read"),
        ("POST", "/page", "write"),
        ("PURGE", "/page", "write"),
        ("PUT", "/page", "405 GET, HEAD, POST, OPTIONS, PURGE"),
        ("OPTIONS", "/page", "OPTIONS GET, HEAD, POST, OPTIONS, PURGE"),
        ("OPTIONS", "/all", "all"),
        ("DELETE", "/all", "all"),
        ("PURGE", "/all", "405 GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"),
        ("OPTIONS", "/ask", "ask"),
        ("GET", "/ask", "405 OPTIONS"),
        ("PURGE", "/absent", "404"),
        ("OPTIONS", "/absent", "404"),
        ("TRACE", "/all", "501"),
        ("CONNECT", "/all", "501"),
        ("get", "/all", "501"),
        ("BREW", "/absent", "501"),
    ] {
        assert_eq!(found(&table, method, path), expected, "{method} {path}");
    }
    assert_eq!(table.sites.default_site().allow, "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS, PURGE");
}

#[test]
fn routes_of_one_shape_capture_under_their_own_names() {
    let table = table(vec![
        route("read", &["/u/{id}/{page}"], &["GET"]),
        route("write", &["/u/{name}/{text}"], &["POST"]),
        route("rest", &["/{*rest}"], &[]),
    ]);
    for (method, path, expected) in [
        ("GET", "/u/7/8", "read id=7 page=8"),
        ("POST", "/u/7/8", "write name=7 text=8"),
        ("PUT", "/u/7/8", "405 GET, HEAD, POST, OPTIONS"),
        ("PUT", "/u/7", "rest rest=u/7"),
    ] {
        assert_eq!(found(&table, method, path), expected, "{method} {path}");
    }
}

#[test]
fn a_table_lists_its_routes_by_file() {
    let table = table(vec![route("b.wasm", &["/a"], &[]), route("a.wasm", &["/b"], &[])]);
    let files: Vec<&str> = table.routes().iter().map(|it| &*it.route.mount.name).collect();
    assert_eq!(files, ["a.wasm", "b.wasm"]);
}

#[test]
fn a_table_whose_routes_have_other_patterns_than_before_differs() {
    let (one, other) = (route("a.wasm", &["/x", "/a"], &[]), route("b.wasm", &["/x"], &[]));
    let alone = table(vec![one.clone()]);
    let (beside, _) = RouteTable::build(vec![one, other], Vec::new(), &Holders::default(), BTreeSet::new());
    assert!(alone.has_routes_of(&alone));
    assert_eq!(beside.routes().len(), 1);
    assert!(!alone.has_routes_of(&beside) && !beside.has_routes_of(&alone));
}

#[test]
fn an_empty_table_finds_nothing() {
    let table = table(vec![]);
    assert_eq!(found(&table, "GET", "/"), "404");
    assert_eq!(table.sites.default_site().allow, "OPTIONS");
}

#[test]
fn a_conflicting_pattern_is_not_found_and_the_routes_other_patterns_are() {
    let routes = vec![
        route("a.wasm", &["/hello", "/a"], &["GET"]),
        route("b.wasm", &["/hello"], &["GET", "POST"]),
        route("c.wasm", &["/hello"], &["PUT"]),
    ];
    let (table, diagnostics) = RouteTable::build(routes, Vec::new(), &Holders::default(), BTreeSet::new());
    assert_eq!(diagnostics.len(), 1);
    for (method, path, expected) in [
        ("GET", "/hello", "405 PUT, OPTIONS"),
        ("POST", "/hello", "405 PUT, OPTIONS"),
        ("PUT", "/hello", "c.wasm"),
        ("GET", "/a", "a.wasm"),
    ] {
        assert_eq!(found(&table, method, path), expected, "{method} {path}");
    }
    let mounted: Vec<(&str, &[String])> =
        table.routes().iter().map(|it| (&*it.route.mount.name, &it.patterns[..])).collect();
    assert_eq!(mounted, [("a.wasm", &["/a".to_owned()][..]), ("c.wasm", &["/hello".to_owned()][..])]);
}

/// Paths that a pattern matches: with `value` in each capture, and with several ends in that of the rest. A control
/// character is in no pattern: no other names that value.
fn with_captures(pattern: &str, value: &str) -> Vec<String> {
    let literal = |text: &str| text.replace('%', "%25");
    let mut pieces = pattern.split('{');
    let first = vec![literal(pieces.next().unwrap_or_default())];
    pieces.fold(first, |paths, piece| {
        let (name, after) = piece.split_once('}').unwrap_or_default();
        let deep = ["/x", &"/".repeat(9)].concat();
        let ends = if name.starts_with('*') { &["", "/x", "/", deep.as_str()][..] } else { &[""][..] };
        let of_rest = if name.starts_with('*') { &[value, "/", "//x"][..] } else { &[value][..] };
        let captured = of_rest.iter().flat_map(|value| ends.iter().map(move |end| format!("{value}{end}")));
        let captured: Vec<String> = captured.collect();
        let longer = |path: String| captured.iter().map(move |captured| format!("{path}{captured}{}", literal(after)));
        paths.into_iter().flat_map(longer).collect()
    })
}

proptest! {
    #[test]
    fn any_good_patterns_and_any_path_have_an_answer(
        patterns in proptest::collection::vec(
            r"(/(a|b|é|%|\{x\}|p-\{y\}|\{z\}è|q\{v\}è|\{\*rest\})?){1,4}",
            1..8,
        ),
        paths in proptest::collection::vec("(/|a|b|p-|q|%C3%A9|%C3%A8|%c3|%2F|%25|%00|%)*", 1..20),
    ) {
        let good = patterns.iter().filter(|pattern| crate::routes::pattern::check(pattern).is_ok());
        let routes = good.enumerate().map(|(n, pattern)| route(&n.to_string(), &[pattern], &["GET"]));
        let (table, _) = RouteTable::build(routes.collect(), Vec::new(), &Holders::default(), BTreeSet::new());
        for path in &paths {
            prop_assert_ne!(found(&table, "GET", path), "501");
        }
    }

    #[test]
    fn every_mounted_pattern_is_reached_by_some_path(
        patterns in proptest::collection::vec(
            r"(/(a|b|é|%|\{x\}|p-\{y\}|\{z\}è|q\{v\}è|\{\*rest\})?){1,4}",
            1..8,
        ),
    ) {
        let good = patterns.iter().filter(|pattern| crate::routes::pattern::check(pattern).is_ok());
        let routes = good.enumerate().map(|(n, pattern)| route(&n.to_string(), &[pattern], &["GET"]));
        let (table, _) = RouteTable::build(routes.collect(), Vec::new(), &Holders::default(), BTreeSet::new());
        for MountedRoute { route, patterns } in table.routes() {
            let paths = with_captures(&patterns[0], "%01");
            let finds = |path: &String| found(&table, "GET", path).split(' ').next() == Some(&*route.mount.name);
            prop_assert!(paths.iter().any(finds), "{:?}", paths);
        }
    }
}
