//! Which directories are sites, and which requests are for which.

use super::*;

fn site(name: &str) -> Site {
    Site::named(name).expect("it is the name of a site")
}

fn map(names: &[&str]) -> SiteMap<String> {
    let sites = names.iter().map(|name| site(name)).collect();
    SiteMap::new(&sites, ToString::to_string)
}

fn found(map: &SiteMap<String>, authority: &str) -> String {
    map.find(|| Some(authority)).cloned().unwrap_or_else(|| "421".to_owned())
}

#[test]
fn a_directory_is_a_site_by_the_mark_before_its_name() {
    for (name, expected) in [
        ("@example.org", Some(Ok(site("example.org")))),
        ("@*.example.org", Some(Ok(site("*.example.org")))),
        ("@default", Some(Ok(Site::default()))),
        ("@localhost", Some(Ok(site("localhost")))),
        ("@192.0.2.1", Some(Ok(site("192.0.2.1")))),
        ("@[2001:db8::1]", Some(Ok(site("[2001:db8::1]")))),
        ("@xn--bcher-kva.example", Some(Ok(site("xn--bcher-kva.example")))),
        ("@a_b.example", Some(Ok(site("a_b.example")))),
        ("example.org", None),
        ("_@example.org", None),
        ("@", Some(Err(SiteError::Empty))),
        ("@@example.org", Some(Err(SiteError::Character))),
        ("@.", Some(Err(SiteError::Empty))),
        ("@a..b", Some(Err(SiteError::Empty))),
        ("@.a", Some(Err(SiteError::Empty))),
        ("@exa mple", Some(Err(SiteError::Character))),
        ("@-a.org", Some(Err(SiteError::Character))),
        ("@a-.org", Some(Err(SiteError::Character))),
        ("@[id]", Some(Err(SiteError::Address))),
        ("@Example.org", Some(Err(SiteError::UpperCase))),
        ("@DEFAULT", Some(Err(SiteError::UpperCase))),
        ("@example.org.", Some(Err(SiteError::Dot))),
        ("@example.org:8080", Some(Err(SiteError::Port))),
        ("@[::1]:80", Some(Err(SiteError::Port))),
        ("@::1", Some(Err(SiteError::Address))),
        ("@[2001:DB8::1]", Some(Err(SiteError::Address))),
        ("@[2001:db8:0::1]", Some(Err(SiteError::Address))),
        ("@b\u{fc}cher.example", Some(Err(SiteError::NotAscii))),
        ("@*", Some(Err(SiteError::Wildcard))),
        ("@*.", Some(Err(SiteError::Dot))),
        ("@a.*.org", Some(Err(SiteError::Wildcard))),
        ("@*a.org", Some(Err(SiteError::Wildcard))),
        ("@*.*.org", Some(Err(SiteError::Wildcard))),
        ("@*.0.2.1", Some(Err(SiteError::Wildcard))),
    ] {
        assert_eq!(Site::of_directory_name(OsStr::new(name)), expected, "{name}");
    }
    let long = |bytes: usize| format!("@{}", ["a".repeat(59).as_str(); 5].join(".").split_off(299 - bytes));
    assert!(Site::of_directory_name(OsStr::new(&long(253))).is_some_and(|it| it.is_ok()));
    assert_eq!(Site::of_directory_name(OsStr::new(&long(254))), Some(Err(SiteError::TooLong)));
    assert_eq!(Site::named(&"a".repeat(64)), Err(SiteError::TooLong));
}

#[test]
fn a_request_is_for_the_site_of_its_name_and_then_for_that_of_the_longest_name_above_it() {
    let map =
        map(&["example.org", "*.example.org", "*.eu.example.org", "a.eu.example.org", "[2001:db8::1]", "192.0.2.1"]);
    for (authority, expected) in [
        ("example.org", "example.org"),
        ("EXAMPLE.Org:8080", "example.org"),
        ("example.org.", "example.org"),
        ("example.org.:80", "example.org"),
        ("example.org:", "example.org"),
        ("www.example.org", "*.example.org"),
        ("a.b.example.org", "*.example.org"),
        ("eu.example.org", "*.example.org"),
        ("b.eu.example.org", "*.eu.example.org"),
        ("c.b.EU.example.org.:1", "*.eu.example.org"),
        ("a.eu.example.org", "a.eu.example.org"),
        ("[2001:db8::1]:80", "[2001:db8::1]"),
        ("[2001:DB8:0:0::0001]", "[2001:db8::1]"),
        ("192.0.2.1:80", "192.0.2.1"),
        // These are other names, whatever they look like.
        ("example.org..", "421"),
        (".example.org", "421"),
        ("%65xample.org", "421"),
        ("notexample.org", "421"),
        ("example.org.evil.test", "421"),
        ("*.example.com", "421"),
        ("org", "421"),
        ("default", "421"),
        ("@example.org", "421"),
        ("[v1.example.org]", "421"),
        ("[2001:db8::2]", "421"),
        ("192.0.2.01", "421"),
        ("1.192.0.2.1", "421"),
        ("", "421"),
    ] {
        assert_eq!(found(&map, authority), expected, "{authority}");
    }
    // A name that is too long for the DNS is nobody's, and costs nothing.
    let long = format!("{}example.org", "a.".repeat(30_000));
    assert_eq!(found(&map, &long), "421");
    assert_eq!(map.find(|| None), None);
}

#[test]
fn the_default_site_has_what_no_other_has_if_it_is_there_and_everything_if_it_is_alone() {
    let with_default = map(&["example.org", "default"]);
    assert_eq!(found(&with_default, "other.org"), "default");
    assert_eq!(found(&with_default, "example.org"), "example.org");
    assert_eq!(with_default.find(|| None).map(String::as_str), Some("default"));
    let without_sites = map(&[]);
    let never = || -> Option<&'static str> { panic!("no name is looked at") };
    assert_eq!(without_sites.find(never).map(String::as_str), Some("default"));
}

#[test]
fn shapes_of_two_sites_are_never_the_same() {
    assert_eq!(site("example.org").shape("/a/{id}"), "@example.org/a/{}");
    assert_eq!(Site::default().shape("/a/{id}"), "/a/{}");
    for shape in ["@example.org/a/{}", "/a/{}"] {
        assert_eq!(shape_in_site(shape), "/a/{}");
    }
    assert_eq!(shape_in_site("@example.org"), "");
}

#[test]
fn a_directory_of_the_tree_says_its_site() {
    for (path, name, directory) in [
        ("@example.org/in", Some("example.org"), "@example.org"),
        ("@example.org", Some("example.org"), "@example.org"),
        ("@default/in", None, "@default"),
        ("in/@example.org", None, ""),
        ("@exa mple", None, ""),
        ("in", None, ""),
        ("", None, ""),
    ] {
        let (site, found) = Site::of_directory(Path::new(path));
        assert_eq!((site.name(), found), (name, Path::new(directory)), "{path}");
    }
}
