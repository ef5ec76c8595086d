//! The files of projects for `wasi:http` 0.2.

use super::script::{IGNORE, NEEDS_PYTHON, Script};

pub(super) const ROUTE: &str = include_str!("../../../templates/wasi-http/route.toml");
const README: &str = include_str!("../../../templates/wasi-http/README.md");
const WORLD: &str = include_str!("../../../templates/wasi-http/world.wit");

/// The version of [`WIT`].
pub(super) const WIT_VERSION: &str = "0.2.12";
/// The interfaces of WASI that a handler needs. Each version of 0.2 since 0.2.1 has the same.
pub(super) const WIT: [(&str, &str); 3] = [
    ("wit/deps/clocks.wit", include_str!("../../../wit/wasi-http/deps/clocks.wit")),
    ("wit/deps/http.wit", include_str!("../../../wit/wasi-http/deps/http.wit")),
    ("wit/deps/io.wit", include_str!("../../../wit/wasi-http/deps/io.wit")),
];

pub(super) const PYTHON: Script = Script {
    path: "app.py",
    text: include_str!("../../../templates/wasi-http/python/app.py"),
    build: include_str!("../../../templates/wasi-http/python/build"),
    readme: README,
    route: ROUTE,
    world: WORLD,
    wasi: Some(WIT_VERSION),
    ignore: IGNORE,
    others: &[
        ("main.py", include_str!("../../../templates/wasi-http/python/main.py")),
        ("late.py", include_str!("../../../../examples/python/late.py")),
    ],
    templates: &[],
    package: &[],
    bindings: &[],
    needs: NEEDS_PYTHON,
};

pub(super) const JAVASCRIPT: Script = Script {
    path: "app.js",
    text: include_str!("../../../templates/wasi-http/javascript/app.js"),
    build: include_str!("../../../templates/wasi-http/javascript/build"),
    readme: README,
    route: ROUTE,
    world: WORLD,
    // That of StarlingMonkey in componentize-js 0.23: another is refused.
    wasi: Some("0.2.10"),
    ignore: IGNORE,
    others: &[],
    templates: &[],
    package: &[],
    bindings: &[],
    needs: "with npm",
};
