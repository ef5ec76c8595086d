//! Which middleware is a route's.

use super::*;
use crate::routes::component::tests::key;

/// The chain of a route that asks for `names`, where there are these files: `+` is loaded, `?` on its way, `!` broken.
fn chained(route: &str, names: &[&str], files: &[&str]) -> Result<String, String> {
    let find = |path: &Path| {
        let found = files.iter().find(|file| Path::new(&file[1..]) == path);
        match found.map(|file| &file[..1]) {
            Some("+") => MiddlewareLookup::Loaded(path.display().to_string()),
            Some("?") => MiddlewareLookup::Pending(path.display().to_string()),
            Some(_) => MiddlewareLookup::Broken(path.display().to_string()),
            None => MiddlewareLookup::Missing,
        }
    };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Ok(chain(&key(route), &names, find).map_err(|error| error.to_string())?.join(" "))
}

#[test]
fn a_route_is_behind_its_directories_from_the_root_on_and_then_behind_what_it_names() {
    let files =
        ["+_middleware.wasm", "+a/_middleware.wasm", "+a/b/_x.wasm", "+_x.wasm", "+_y.wasm", "+c/_middleware.wasm"];
    for (route, names, expected) in [
        ("r.wasm", &[][..], "_middleware.wasm"),
        ("a/r.wasm", &[], "_middleware.wasm a/_middleware.wasm"),
        ("a/b/r.wasm", &["y", "x"], "_middleware.wasm a/_middleware.wasm _y.wasm a/b/_x.wasm"),
        ("a/r.wasm", &["x"], "_middleware.wasm a/_middleware.wasm _x.wasm"),
        // Once is enough.
        ("c/r.wasm", &["middleware"], "_middleware.wasm c/_middleware.wasm"),
    ] {
        assert_eq!(chained(route, names, &files).as_deref(), Ok(expected), "{route} {names:?}");
    }
}

#[test]
fn a_route_without_middleware_has_an_empty_chain() {
    assert_eq!(chained("a/r.wasm", &[], &["+b/_middleware.wasm", "+_x.wasm"]).as_deref(), Ok(""));
}

#[test]
fn what_is_missing_of_a_chain_is_never_left_out() {
    for (names, file, expected) in [
        (&["x"][..], "!_x.wasm", "its middleware _x.wasm cannot be loaded"),
        (&["x"], "?_x.wasm", "its middleware _x.wasm is being loaded"),
        (&[], "!_middleware.wasm", "its middleware _middleware.wasm cannot be loaded"),
        (&["x"], "+a/b/_x.wasm", "its middleware `x` is not there: there is no `_x.wasm` in its directory or above"),
    ] {
        assert_eq!(chained("a/r.wasm", names, &[file]), Err(expected.to_owned()), "{file}");
    }
}

#[test]
fn a_broken_one_that_is_nearest_is_not_passed_over_for_one_above() {
    let expected = Err("its middleware a/_x.wasm cannot be loaded".to_owned());
    assert_eq!(chained("a/r.wasm", &["x"], &["+_x.wasm", "!a/_x.wasm"]), expected);
}
