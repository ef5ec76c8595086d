//! The files of projects that are built by a script: all languages but Rust, in this host's own world.

use super::Style;

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

/// The files of one language, in addition to those that all languages have.
pub(super) struct Script {
    /// The path of the handler's source.
    pub(super) path: &'static str,
    pub(super) text: &'static str,
    pub(super) build: &'static str,
    pub(super) readme: &'static str,
    pub(super) route: &'static str,
    pub(super) world: &'static str,
    /// The version of WASI to write beside the world, if the world needs any.
    pub(super) wasi: Option<&'static str>,
    pub(super) ignore: &'static str,
    /// More files and their paths.
    pub(super) others: &'static [(&'static str, &'static str)],
    /// More files and their paths, in which `NAME` is the name of the project.
    pub(super) templates: &'static [(&'static str, &'static str)],
    /// The package that the handler is written with, if the language has one: its files and their paths.
    pub(super) package: &'static [(&'static str, &'static [u8])],
    /// Pregenerated bindings and their paths, if the language needs any.
    pub(super) bindings: &'static [(&'static str, &'static [u8])],
    /// What must be installed first, as text.
    pub(super) needs: &'static str,
}

/// A script that turns a core module into a component.
pub(super) const COMPONENTIZE: &str = include_str!("../../../../examples/componentize");

/// Ignores what the tools of interpreted languages leave behind.
pub(super) const IGNORE: &str = include_str!("../../../templates/script/ignore");

const README: &str = include_str!("../../../templates/script/README.md");
const ROUTE: &str = include_str!("../../../templates/script/route.toml");
const GUEST_BOOK_README: &str = include_str!("../../../templates/script/guest-book.md");
const GUEST_BOOK_ROUTE: &str = include_str!("../../../templates/script/guest-book.toml");
const WORLD: &str = include_str!("../../../../wit/world.wit");

/// What a project in Python needs.
pub(super) const NEEDS_PYTHON: &str = "with Python 3.10 or newer and its venv";

/// `componentize` is installed with Python and built with Rust.
const NEEDS_PYTHON_AND_RUST: &str = "with Python 3.10 or newer, its venv, and Rust";

pub(super) fn python(style: Style) -> Script {
    Script {
        path: "app.py",
        text: match style {
            Style::Yield => include_str!("../../../templates/python/yield.py"),
            Style::Write => include_str!("../../../templates/python/write.py"),
            Style::Return => include_str!("../../../templates/python/return.py"),
        },
        build: include_str!("../../../templates/python/build"),
        readme: README,
        route: ROUTE,
        world: WORLD,
        wasi: None,
        ignore: IGNORE,
        others: &[
            ("main.py", include_str!("../../../templates/python/main.py")),
            ("late.py", include_str!("../../../../examples/python/late.py")),
            ("pyproject.toml", include_str!("../../../templates/python/pyproject.toml")),
        ],
        templates: &[("test_app.py", include_str!("../../../templates/python/test.py"))],
        package: PYTHON,
        bindings: &[],
        needs: NEEDS_PYTHON,
    }
}

pub(super) fn javascript(style: Style) -> Script {
    Script {
        path: "app.js",
        text: match style {
            Style::Yield => include_str!("../../../templates/javascript/yield.js"),
            Style::Write => include_str!("../../../templates/javascript/write.js"),
            Style::Return => include_str!("../../../templates/javascript/return.js"),
        },
        build: include_str!("../../../templates/javascript/build"),
        readme: README,
        route: ROUTE,
        world: WORLD,
        wasi: None,
        ignore: IGNORE,
        others: &[
            ("main.js", include_str!("../../../templates/javascript/main.js")),
            ("tsconfig.json", include_str!("../../../templates/javascript/tsconfig.json")),
        ],
        templates: &[
            ("app.test.js", include_str!("../../../templates/javascript/test.js")),
            ("package.json", include_str!("../../../templates/javascript/package.json")),
        ],
        package: JAVASCRIPT,
        bindings: &[],
        needs: "with npm",
    }
}

/// As JavaScript: only the handler differs.
pub(super) fn typescript(style: Style) -> Script {
    Script {
        path: "app.ts",
        text: match style {
            Style::Yield => include_str!("../../../templates/typescript/yield.ts"),
            Style::Write => include_str!("../../../templates/typescript/write.ts"),
            Style::Return => include_str!("../../../templates/typescript/return.ts"),
        },
        ..javascript(style)
    }
}

pub(super) fn c(style: Style) -> Script {
    Script {
        path: "app.c",
        text: match style {
            Style::Yield => include_str!("../../../templates/c/yield.c"),
            Style::Write => include_str!("../../../templates/c/write.c"),
            Style::Return => include_str!("../../../templates/c/return.c"),
        },
        build: include_str!("../../../templates/c/build"),
        readme: README,
        route: ROUTE,
        world: WORLD,
        wasi: None,
        ignore: include_str!("../../../templates/c/ignore"),
        others: &[],
        templates: &[],
        package: &[],
        bindings: C,
        needs: NEEDS_PYTHON_AND_RUST,
    }
}

/// The guest book in C.
pub(super) fn c_guest_book() -> Script {
    Script {
        text: include_str!("../../../../examples/c/guest-book.c"),
        readme: GUEST_BOOK_README,
        route: GUEST_BOOK_ROUTE,
        ..c(Style::default())
    }
}

/// The guest book in Go, which is written with the bindings alone: they import it by its module's name.
pub(super) fn go_guest_book() -> Script {
    Script {
        // The package of the examples has the name that their bindings want.
        text: include_str!("../../../../examples/go/guest-book.go"),
        readme: GUEST_BOOK_README,
        route: GUEST_BOOK_ROUTE,
        others: &[
            ("go.mod", include_str!("../../../templates/go/go.mod")),
            ("go.work", include_str!("../../../templates/go/go.work")),
        ],
        templates: &[],
        package: &[],
        ..go(Style::default())
    }
}

/// The project has modules beside that of the handler, which `go.work` joins: the package, what the component is made of, and
/// the bindings.
pub(super) fn go(style: Style) -> Script {
    Script {
        path: "app.go",
        text: match style {
            Style::Yield => include_str!("../../../templates/go/yield.go"),
            Style::Write => include_str!("../../../templates/go/write.go"),
            Style::Return => include_str!("../../../templates/go/return.go"),
        },
        build: include_str!("../../../templates/go/build"),
        readme: README,
        route: ROUTE,
        world: WORLD,
        wasi: None,
        ignore: include_str!("../../../templates/go/ignore"),
        others: &[
            ("go.mod", include_str!("../../../templates/go/app.mod")),
            ("go.work", include_str!("../../../templates/go/app.work")),
        ],
        templates: &[("app_test.go", include_str!("../../../templates/go/app_test.go"))],
        package: GO_PACKAGE,
        bindings: GO,
        needs: NEEDS_PYTHON_AND_RUST,
    }
}
