//! Files in a routes directory that nothing will serve, and what their owner may have meant.

use std::path::{Path, PathBuf};

use super::script;
use crate::diagnostic::Diagnostic;

/// The most files that are named one by one: a web site may have been copied there.
const MAX_NAMED: usize = 20;

/// Extensions of sources, with the language that makes a component of them: as in `host new --lang`.
const SOURCES: [(&str, &str); 5] = [("c", "c"), ("go", "go"), ("jsx", "js"), ("rs", "rust"), ("tsx", "js")];

/// Ends of names of files that an editor or a copy leaves for a moment.
const TEMPORARY: [&str; 5] = ["~", ".part", ".swp", ".swx", ".tmp"];

/// Warns of each of the files, which the directory has no use for.
pub(super) fn report(files: &[PathBuf]) -> Vec<Diagnostic> {
    let files: Vec<&PathBuf> = files.iter().filter(|file| !is_temporary(file) && !has_requests(file)).collect();
    let mut diagnostics: Vec<Diagnostic> = files.iter().take(MAX_NAMED).map(|file| warning(file)).collect();
    if let [_, .., last] = &files[files.len().min(MAX_NAMED)..] {
        let reason = format!("{} other files beside it are not served either", files.len() - MAX_NAMED - 1);
        diagnostics.push(Diagnostic::warning(
            last.display(),
            reason,
            "move them elsewhere: only components are served",
        ));
    } else if let Some(last) = files.get(MAX_NAMED) {
        diagnostics.push(warning(last));
    }
    diagnostics
}

fn is_temporary(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().as_encoded_bytes();
    TEMPORARY.iter().any(|end| name.ends_with(end.as_bytes()))
}

/// Whether `host test` reads it.
fn has_requests(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "http")
}

fn warning(file: &Path) -> Diagnostic {
    let extension = file.extension().map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default();
    let lower = extension.to_ascii_lowercase();
    let is_read = script::extensions().any(|read| read == lower) || lower == "toml";
    let (reason, remedy) = match lower.as_str() {
        _ if is_read => (
            format!("nothing reads it: extensions are in lower case, and this is `.{extension}`"),
            format!("rename it to end in `.{lower}`"),
        ),
        "wat" => (
            "nothing serves it: it is the text of a component".to_owned(),
            "make a component of it with `wasm-tools parse`".to_owned(),
        ),
        _ => match SOURCES.iter().find(|(source, _)| *source == lower) {
            Some((_, language)) => (
                "nothing serves it: it is a source and no component".to_owned(),
                format!("build a component of it, as in a project of `host new NAME --lang {language}`"),
            ),
            None => (
                "nothing serves it: it is no component".to_owned(),
                "let a handler send it, or move it elsewhere; names that begin with `_` or `.` are left out".to_owned(),
            ),
        },
    };
    Diagnostic::warning(file.display(), reason, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str) -> Vec<String> {
        report(&[PathBuf::from(name)]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_kind_of_file_has_its_remedy() {
        for (name, part) in [
            ("UPPER.WASM", "rename it to end in `.wasm`"),
            ("hello.Toml", "rename it to end in `.toml`"),
            ("app.JS", "rename it to end in `.js`"),
            ("app.PY", "rename it to end in `.py`"),
            ("main.go", "--lang go"),
            ("main.rs", "--lang rust"),
            ("hello.wat", "wasm-tools parse"),
            ("index.html", "let a handler send it"),
            ("README", "let a handler send it"),
        ] {
            let told = told(name).concat();
            assert!(told.starts_with(&format!("warning: {name}: nothing ")) && told.contains(part), "{told}");
        }
    }

    #[test]
    fn what_an_editor_leaves_for_a_moment_is_not_reported() {
        for name in ["hello.wasm~", "hello.wasm.tmp", "x.part", "x.swp"] {
            assert_eq!(told(name), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn requests_for_tests_are_not_reported() {
        assert_eq!(told("hello.http"), Vec::<String>::new());
        assert_eq!(told("hello.https").len(), 1);
    }

    #[test]
    fn a_crowd_of_files_is_counted() {
        let files: Vec<PathBuf> = (0..1_000).map(|number| PathBuf::from(format!("{number}.png"))).collect();
        for (count, reports) in [(20, 20), (21, 21), (22, 21), (1_000, 21)] {
            assert_eq!(report(&files[..count]).len(), reports, "{count}");
        }
        assert!(report(&files)[20].reason.starts_with("979 other files"), "{:?}", report(&files)[20]);
    }
}
