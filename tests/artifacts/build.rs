//! Builds every example and every guest for tests as a component, so that a bare `cargo test` has them, and writes a
//! constant for each, so that a test cannot name one that is not there.

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
    let mut guests = String::new();
    for name in &examples {
        let file = built.join(format!("{}.wasm", name.replace('-', "_")));
        guests += &guest(name, &format!("The example `{name}`."), &file)?;
    }
    for name in sources(&root.join("tests/guests/examples"), "rs")? {
        let file = built.join(format!("examples/{name}.wasm"));
        guests += &guest(&name, &format!("`tests/guests/examples/{name}.rs`."), &file)?;
    }
    for name in sources(&root.join("tests/guests"), "wat")? {
        let file = root.join(format!("tests/guests/{name}.wat"));
        guests += &text(&name, &file);
    }
    let constants = out.join("guests.rs");
    fs::write(&constants, guests)?;
    fs::write(out.join("artifacts.rs"), lists(&examples, &constants))?;
    Ok(())
}

/// The constant of a guest.
fn guest(name: &str, docs: &str, file: &Path) -> Result<String, Box<dyn Error>> {
    if !file.is_file() {
        return Err(
            format!("{name} was not built; a guest for tests needs its entry in tests/guests/Cargo.toml").into()
        );
    }
    let (constant, file) = (constant(name), file.display().to_string());
    Ok(format!("/// {docs}\npub const {constant}: ::artifacts::Guest = ::artifacts::Guest::new({name:?}, {file:?});\n"))
}

/// The constant of a guest that is written in the text format: `PLAIN_WAT`.
fn text(name: &str, file: &Path) -> String {
    let (constant, file) = (constant(name), file.display().to_string());
    format!("/// The text of `tests/guests/{name}.wat`.\npub const {constant}_WAT: &str = include_str!({file:?});\n")
}

/// What is not a constant for each guest: the list of the examples, and where the constants are.
fn lists(examples: &[String], constants: &Path) -> String {
    let examples: String = examples.iter().map(|name| format!("    guest::{},\n", constant(name))).collect();
    let constants = constants.display().to_string();
    format!(
        "/// The examples, by name.\npub const EXAMPLES: &[Guest] = &[\n{examples}];\n\
         /// The file of the constants in [`guest`]. A crate that includes it where it is private is told by the\n\
         /// compiler which of them it does not use.\n\
         #[macro_export]\nmacro_rules! guests_file {{\n    () => {{\n        {constants:?}\n    }};\n}}\n"
    )
}

fn constant(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
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

/// The files that end in `.extension`, without that.
fn sources(directory: &Path, extension: &str) -> Result<Vec<String>, Box<dyn Error>> {
    names(directory, |path| path.extension().is_some_and(|found| found == extension))
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
