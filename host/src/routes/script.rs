//! Scripts: which files of the routes directory are scripts, and which are modules that scripts import.
//!
//! Owns the languages and the rules for names.

use std::ffi::OsStr;
use std::path::Path;

/// The directory beside a script that has what the script can import. Scripts in it are no routes.
pub(super) const LIBRARY: &str = "lib";

/// What files of components end with.
const COMPONENT: &str = "wasm";

/// A language of scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// `.py`
    Python,
    /// `.js` and `.ts`
    JavaScript,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::Python, Self::JavaScript];

    /// The language of a file, by what its name ends with. `None` if it is no script.
    #[must_use]
    pub fn of(file: &Path) -> Option<Self> {
        let extension = file.extension()?.to_str()?;
        Self::ALL.into_iter().find(|language| language.extensions().contains(&extension))
    }

    /// What the names of its files end with.
    #[must_use]
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Python => &["py"],
            Self::JavaScript => &["js", "ts"],
        }
    }

    /// Its name, for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
        }
    }

    /// The name of the file of its interpreter.
    #[must_use]
    pub fn interpreter(self) -> &'static str {
        match self {
            Self::Python => "python.wasm",
            Self::JavaScript => "javascript.wasm",
        }
    }
}

/// What the names of all files end with that can be components or scripts.
pub(super) fn extensions() -> impl Iterator<Item = &'static str> {
    std::iter::once(COMPONENT).chain(Language::ALL.into_iter().flat_map(Language::extensions).copied())
}

/// Whether a file of the tree of routes is a component, or a script that is not for import only.
pub(super) fn is_served(path: &Path) -> bool {
    let is_component = path.extension() == Some(OsStr::new(COMPONENT));
    is_component || (Language::of(path).is_some() && !is_for_import(path))
}

/// Whether a file that is not served is there for scripts: one of them, or what is beside them in a directory `lib`.
pub(super) fn is_imported(path: &Path) -> bool {
    let directories = path.parent().into_iter().flat_map(Path::components);
    Language::of(path).is_some() || directories.into_iter().any(|part| part.as_os_str() == LIBRARY)
}

/// Whether a script is for import only: it is in a directory `lib`, or its name begins with `__`, as in `__init__.py`, or
/// it declares types only (`.d.ts`).
fn is_for_import(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let directories = path.parent().unwrap_or(Path::new("")).components();
    name.starts_with(b"__") || name.ends_with(b".d.ts") || directories.into_iter().any(|it| it.as_os_str() == LIBRARY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_told_by_the_end_of_its_name() {
        for (path, language) in [
            ("hello.py", Some(Language::Python)),
            ("in/hello.js", Some(Language::JavaScript)),
            ("hello.ts", Some(Language::JavaScript)),
            ("hello.PY", None),
            ("hello", None),
            (".py", None),
            ("hello.wasm", None),
        ] {
            assert_eq!(Language::of(Path::new(path)), language, "{path}");
        }
    }

    #[test]
    fn what_is_in_lib_is_there_for_scripts() {
        for (path, is) in [
            ("lib/data.json", true),
            ("shop/lib/a/b.txt", true),
            ("__init__.py", true),
            ("lib", false),
            ("a.json", false),
        ] {
            assert_eq!(is_imported(Path::new(path)), is, "{path}");
        }
    }

    #[test]
    fn what_is_in_lib_is_imported_and_not_served() {
        for (path, served) in [
            ("hello.py", true),
            ("lib.py", true),
            ("lib/hello.wasm", true),
            ("lib/hello.py", false),
            ("shop/lib/cart/hello.js", false),
            ("shop/library/hello.js", true),
            ("__init__.py", false),
            ("types.d.ts", false),
            ("hello.toml", false),
        ] {
            assert_eq!(is_served(Path::new(path)), served, "{path}");
        }
    }
}
