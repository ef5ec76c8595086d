//! Embeds what `host new` copies into a project: the generated C and Go bindings, the packages for Go, Python and JavaScript, and
//! guest-sdk.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let examples = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../examples");
    let c = table("C", "What a handler in C is built with.", &examples.join("c"), &["bindings"])?;
    let go = table("GO", "What a handler in Go is built with.", &examples.join("go"), &["bindings", "pkg"])?;
    let python = examples.join("../guest-sdk/python");
    let python = table("PYTHON", "What a handler in Python is written with.", &python, &["vibrato"])?;
    let javascript = examples.join("../guest-sdk/javascript");
    let docs = "What a handler in JavaScript or TypeScript is written with.";
    let javascript = table("JAVASCRIPT", docs, &javascript, &["vibrato", "wit"])?;
    let docs = "What a handler in Go is written with.";
    let go_package = table("GO_PACKAGE", docs, &examples.join("../guest-sdk/go"), &["vibrato"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let sdk = sdk(&examples.join(".."), &out)?;
    fs::write(out.join("bindings.rs"), c + &go + &go_package + &python + &javascript + &sdk)?;
    Ok(())
}

/// The crates of guest-sdk and their files, without tests. Each manifest is made independent of this workspace.
const CRATES: [&str; 3] = ["", "macros", "options"];

/// Sections of a manifest that a vendored crate does not need.
const LEFT_OUT: [&str; 3] = ["[lints]", "[dev-dependencies]", "[package.metadata.docs.rs]"];

/// A constant with the files of guest-sdk that a project needs to build it.
fn sdk(root: &Path, out: &Path) -> Result<String, Box<dyn Error>> {
    let workspace = root.join("Cargo.toml");
    println!("cargo::rerun-if-changed={}", workspace.display());
    let workspace = fs::read_to_string(workspace)?;
    let guest_sdk = root.join("guest-sdk");
    let mut rows = row("wit/world.wit", &root.join("wit/world.wit"))?;
    for name in CRATES {
        let folder = guest_sdk.join(name);
        let mut paths = Vec::new();
        collect(&guest_sdk, &Path::new(name).join("src"), &mut paths)?;
        paths.retain(|path| !path.ends_with("tests.rs") && !path.components().any(|part| part.as_os_str() == "tests"));
        for file in ["LICENSE", "README.md", "options.md"] {
            if folder.join(file).exists() {
                paths.push(Path::new(name).join(file));
            }
        }
        paths.sort();
        for path in paths {
            rows += &row(path.to_str().ok_or("not UTF-8")?, &guest_sdk.join(&path))?;
        }
        println!("cargo::rerun-if-changed={}", folder.display());
        let manifest = out.join(format!("{name}-manifest.toml"));
        fs::write(&manifest, independent(&fs::read_to_string(folder.join("Cargo.toml"))?, &workspace)?)?;
        rows += &row(Path::new(name).join("Cargo.toml").to_str().ok_or("not UTF-8")?, &manifest)?;
    }
    Ok(format!("/// guest-sdk, for projects in Rust.\npub(super) const SDK: &[(&str, &[u8])] = &[\n{rows}];\n"))
}

fn row(path: &str, file: &Path) -> Result<String, Box<dyn Error>> {
    Ok(format!("    ({path:?}, include_bytes!({:?})),\n", file.canonicalize()?))
}

/// A manifest with what it takes of the workspace written out.
fn independent(manifest: &str, workspace: &str) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    let mut is_left_out = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_left_out = LEFT_OUT.contains(&line);
        }
        if is_left_out {
            continue;
        }
        match line.strip_suffix(".workspace = true") {
            Some(key) => {
                let value = workspace.lines().find(|line| line.starts_with(&format!("{key} = ")));
                text += value.ok_or_else(|| format!("the workspace has no {key}"))?;
            }
            None => text += line,
        }
        text.push('\n');
    }
    Ok(text)
}

/// A constant with the path and the content of each file in `folders`.
fn table(name: &str, docs: &str, language: &Path, folders: &[&str]) -> Result<String, Box<dyn Error>> {
    let mut paths = Vec::new();
    for folder in folders {
        println!("cargo::rerun-if-changed={}", language.join(folder).display());
        collect(language, Path::new(folder), &mut paths)?;
    }
    paths.sort();
    let mut rows = String::new();
    for path in paths {
        let file = language.join(&path).canonicalize()?;
        rows += &format!("    ({:?}, include_bytes!({:?})),\n", path.to_str().ok_or("not UTF-8")?, file);
    }
    Ok(format!("/// {docs}\npub(super) const {name}: &[(&str, &[u8])] = &[\n{rows}];\n"))
}

fn collect(language: &Path, folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(language.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_name() == "__pycache__" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(language, &path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}
