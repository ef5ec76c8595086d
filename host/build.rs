//! Embeds the generated C and Go bindings and the package for Python, which `host new` copies into a project.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let examples = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../examples");
    let c = table("C", "What a handler in C is built with.", &examples.join("c"), &["bindings"])?;
    let go = table("GO", "What a handler in Go is built with.", &examples.join("go"), &["bindings", "pkg"])?;
    let sdk = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../guest-sdk");
    let python = table("PYTHON", "What a handler in Python is written with.", &sdk.join("python"), &["vibrato"])?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("bindings.rs"), c + &go + &python)?;
    Ok(())
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
