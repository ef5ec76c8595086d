//! What a directory is: a project that is built, or routes that are served as they are.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use host::routes::Language;

/// How deep below a directory a component or a script makes it one of routes.
const MAX_DEPTH: usize = 3;

/// What is served.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Project {
    /// A directory of components and scripts.
    Routes(PathBuf),
    /// A project that makes components.
    Built(BuiltProject),
}

/// A project that makes components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BuiltProject {
    /// Its absolute path.
    root: PathBuf,
    tool: BuildTool,
}

/// What builds a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BuildTool {
    /// `cargo build --release`, for `wasm32-wasip2`.
    Cargo,
    /// The program `build`, which makes components beside itself.
    Program,
}

impl Project {
    /// What there is at `path`. A program `build` goes before a `Cargo.toml`, and both before routes.
    ///
    /// # Errors
    /// If that is nothing that can be served.
    pub(super) fn recognise(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let metadata = fs::metadata(path);
        let metadata =
            metadata.with_context(|| format!("cannot use {shown}; name the directory of a project or of routes"))?;
        anyhow::ensure!(metadata.is_dir(), "{shown} is not a directory; name the one that it is in");
        let root = fs::canonicalize(path).with_context(|| format!("cannot use {shown}"))?;
        if let Ok(program) = fs::metadata(root.join("build"))
            && program.is_file()
        {
            let can_run = program.permissions().mode() & 0o111 != 0;
            anyhow::ensure!(can_run, "{shown}/build cannot be run; `chmod +x {shown}/build` allows it");
            return Ok(Self::Built(BuiltProject { root, tool: BuildTool::Program }));
        }
        if root.join("Cargo.toml").is_file() {
            return Ok(Self::Built(BuiltProject { root, tool: BuildTool::Cargo }));
        }
        anyhow::ensure!(
            has_served_file(&root, MAX_DEPTH),
            "{shown} is neither a project nor a directory of routes: it has no program `build`, no Cargo.toml, no component and no \
             script; `host new NAME` makes a project"
        );
        Ok(Self::Routes(path.to_owned()))
    }
}

impl BuiltProject {
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn tool(&self) -> BuildTool {
        self.tool
    }

    /// Its name for people: that of its directory.
    pub(super) fn name(&self) -> String {
        self.root.file_name().map_or_else(|| "/".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// The command that builds it, for people.
    pub(super) fn command(&self) -> &'static str {
        match self.tool {
            BuildTool::Cargo => "cargo build --release",
            BuildTool::Program => "./build",
        }
    }
}

fn has_served_file(directory: &Path, depth: usize) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let is_served = |path: &Path| path.extension().is_some_and(|it| it == "wasm") || Language::of(path).is_some();
        !name.as_encoded_bytes().starts_with(b".")
            && (is_served(Path::new(&name))
                || (depth > 1
                    && entry.file_type().is_ok_and(|it| it.is_dir())
                    && has_served_file(&entry.path(), depth - 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory can be made");
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().expect("it has one")).expect("directories can be made");
            fs::write(&path, "").expect("a file can be written");
            let mode = if *file == "build" { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode can be set");
        }
        directory
    }

    #[test]
    fn a_project_is_recognised_by_what_builds_it() {
        let tool = |files: &[&str]| match Project::recognise(directory(files).path()).expect("it is recognised") {
            Project::Built(built) => Some(built.tool()),
            Project::Routes(_) => None,
        };
        assert_eq!(tool(&["Cargo.toml", "src/lib.rs"]), Some(BuildTool::Cargo));
        assert_eq!(tool(&["build", "app.py"]), Some(BuildTool::Program));
        assert_eq!(tool(&["build", "Cargo.toml", "a.wasm"]), Some(BuildTool::Program));
        assert_eq!(tool(&["Cargo.toml", "build/x", "a.wasm"]), Some(BuildTool::Cargo));
        assert_eq!(tool(&["a.wasm"]), None);
        assert_eq!(tool(&["users/[id].wasm"]), None);
        assert_eq!(tool(&["hello.py", "lib/greetings.py"]), None);
        assert_eq!(tool(&["in/page.ts"]), None);
    }

    #[test]
    fn what_cannot_be_recognised_is_an_error_with_a_remedy() {
        let error = |path: &Path| Project::recognise(path).expect_err("it is nothing").to_string();
        assert!(error(directory(&[]).path()).contains("`host new NAME` makes a project"));
        assert!(error(directory(&[".hidden/a.wasm", "notes.txt"]).path()).contains("no Cargo.toml"));
        assert!(error(Path::new("/nowhere/at/all")).contains("name the directory of a project"));
        let file = directory(&["a.wasm"]);
        assert!(error(&file.path().join("a.wasm")).contains("is not a directory"));
        fs::write(file.path().join("build"), "").expect("a file can be written");
        assert!(error(file.path()).contains("chmod +x"), "{}", error(file.path()));
    }
}
