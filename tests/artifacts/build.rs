//! Builds every example and every guest for tests as a component, so that a bare `cargo test` has them.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the components are made from.
const SOURCES: [&str; 6] = ["examples", "tests/guests", "guest-sdk", "wit", "Cargo.toml", "Cargo.lock"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    let examples = packages(&root.join("examples"))?;
    build(&root, &out, examples.iter().flat_map(|name| ["--package", name.as_str()]))?;
    build(&root, &out, ["--package", "guests", "--examples"].into_iter())?;

    let built = out.join("wasm32-wasip2/handler");
    let mut constants = String::new();
    let examples = examples.iter().map(|name| (name.clone(), built.join(format!("{}.wasm", name.replace('-', "_")))));
    constants += &table("EXAMPLES", "The examples, by name.", examples);
    let guests = sources(&root.join("tests/guests/examples"))?;
    let guests = guests.into_iter().map(|name| (name.clone(), built.join(format!("examples/{name}.wasm"))));
    constants += &table("GUESTS", "The guests for tests, by name.", guests);
    fs::write(out.join("artifacts.rs"), constants)?;
    Ok(())
}

/// Runs cargo in a target directory of its own: the one that runs this has locked its own.
fn build<'a>(root: &Path, out: &Path, what: impl Iterator<Item = &'a str>) -> Result<(), Box<dyn Error>> {
    let status = Command::new(env::var("CARGO")?)
        .args(["build", "--locked", "--quiet", "--profile", "handler", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(out)
        .args(what)
        .current_dir(root)
        // What cargo and clippy set for this build script is not meant for the components.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTFLAGS")
        .status()?;
    if status.success() {
        return Ok(());
    }
    Err("cannot build the components; `rustup target add wasm32-wasip2` installs their target".into())
}

/// The folders that hold a package.
fn packages(directory: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    names(directory, |path| path.join("Cargo.toml").is_file())
}

/// The Rust files, without their ending.
fn sources(directory: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    names(directory, |path| path.extension().is_some_and(|extension| extension == "rs"))
}

fn names(directory: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if wanted(&path) {
            names.push(path.file_stem().ok_or("a path without a name")?.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn table(name: &str, docs: &str, rows: impl Iterator<Item = (String, PathBuf)>) -> String {
    let rows: String =
        rows.map(|(name, path)| format!("    ({name:?}, {:?}),\n", path.display().to_string())).collect();
    format!("/// {docs}\npub const {name}: &[(&str, &str)] = &[\n{rows}];\n")
}
