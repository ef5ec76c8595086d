//! Builds every example and every guest for tests as a component, so that a bare `cargo test` has them, and writes a
//! constant for each, so that a test cannot name one that is not there. Some guests are examples of published crates.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the components are made from.
const SOURCES: [&str; 7] =
    ["examples", "tests/guests", "tests/third-party", "guest-sdk", "wit", "Cargo.toml", "Cargo.lock"];

/// An example of a published crate.
struct ThirdParty {
    /// What the component and its constant are called.
    name: String,
    /// The name of the crate's folder among the sources of cargo: `wstd-0.6.8`.
    package: String,
    /// The name of the example's file.
    file: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    let examples = packages(&root.join("examples"))?;
    build(&root, &out, examples.iter().flat_map(|name| ["--package", name.as_str()]))?;
    build(&root, &out, ["--package", "guests", "--examples"].into_iter())?;
    let (third_party, packages) = build_third_party(&root.join("tests/third-party"), &out)?;

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
    let is_wasip3 =
        |path: &&PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("wasip3-"));
    let wit = packages.iter().find(is_wasip3).ok_or("wasip3 is not in tests/third-party/Cargo.lock")?.join("wit");
    for ThirdParty { name, package, file } in &third_party {
        let component = out.join(format!("wasm32-wasip2/release/examples/{name}.wasm"));
        guests += &guest(name, &format!("The example `{file}` of {package}, as it is published."), &component)?;
    }
    for name in sources(&root.join("tests/guests"), "wat")? {
        let file = root.join(format!("tests/guests/{name}.wat"));
        guests += &text(&name, &file);
    }
    let constants = out.join("guests.rs");
    fs::write(&constants, guests)?;
    fs::write(out.join("artifacts.rs"), lists(&examples, &constants, &wit))?;
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

/// What is not a constant for each guest: the list of the examples, where the constants are, and where the WIT of WASI 0.3 is.
fn lists(examples: &[String], constants: &Path, wit: &Path) -> String {
    let examples: String = examples.iter().map(|name| format!("    guest::{},\n", constant(name))).collect();
    let (constants, wit) = (constants.display().to_string(), wit.display().to_string());
    format!(
        "/// A directory of WIT whose dependencies are the packages of WASI 0.3.\npub const WASIP3_WIT: &str = {wit:?};\n\
         /// The examples, by name.\npub const EXAMPLES: &[Guest] = &[\n{examples}];\n\
         /// The file of the constants in [`guest`]. A crate that includes it where it is private is told by the\n\
         /// compiler which of them it does not use.\n\
         #[macro_export]\nmacro_rules! guests_file {{\n    () => {{\n        {constants:?}\n    }};\n}}\n"
    )
}

fn constant(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

/// Builds packages of this workspace.
fn build<'a>(root: &Path, out: &Path, what: impl Iterator<Item = &'a str>) -> Result<(), Box<dyn Error>> {
    let mut cargo = cargo("build")?;
    cargo.args(["--profile", "handler", "--target", "wasm32-wasip2", "--target-dir"]).arg(out).args(what);
    // What cargo sets for this build script is not meant for the components.
    run(cargo.current_dir(root).env_remove("CARGO_ENCODED_RUSTFLAGS"))
}

/// Builds the examples that the package in `package` names. Cargo cannot build an example of a dependency, so they are
/// copied beside a copy of its manifest. Also gives the folders of all packages that these need.
fn build_third_party(package: &Path, out: &Path) -> Result<(Vec<ThirdParty>, Vec<PathBuf>), Box<dyn Error>> {
    let copy = out.join("third-party");
    for file in ["Cargo.toml", "Cargo.lock"] {
        copy_changed(&package.join(file), &copy.join(file))?;
    }
    let examples = third_party(&fs::read_to_string(copy.join("Cargo.toml"))?)?;
    let packages = unpacked(&copy)?;
    for ThirdParty { package, file, .. } in &examples {
        let source = packages.iter().find(|path| path.file_name().is_some_and(|name| name == package.as_str()));
        let source = source.ok_or_else(|| format!("{package} is not in tests/third-party/Cargo.lock"))?;
        copy_changed(&source.join("examples").join(file), &copy.join(package).join(file))?;
    }
    let mut cargo = cargo("build")?;
    cargo.args(["--release", "--examples", "--target", "wasm32-wasip2", "--target-dir"]).arg(out);
    // Whoever takes such an example has none of the flags in `.cargo/config.toml`.
    run(cargo.current_dir(&copy).env("CARGO_ENCODED_RUSTFLAGS", ""))?;
    Ok((examples, packages))
}

/// The examples in a manifest.
fn third_party(manifest: &str) -> Result<Vec<ThirdParty>, Box<dyn Error>> {
    let example = |table: &str| {
        let value = |key: &str| table.lines().find_map(|line| line.strip_prefix(key)?.strip_suffix('"'));
        let (package, file) = value("path = \"")?.split_once('/')?;
        let name = value("name = \"")?;
        Some(ThirdParty { name: name.to_owned(), package: package.to_owned(), file: file.to_owned() })
    };
    let examples = manifest.split("[[example]]\n").skip(1).map(example);
    examples.collect::<Option<_>>().ok_or_else(|| "an example has no `name` or no `path`".into())
}

/// The folders of all packages that a manifest's lock file has, which cargo downloads if they are not there.
fn unpacked(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let output = cargo("metadata")?
        .args(["--format-version", "1", "--filter-platform", "wasm32-wasip2"])
        .current_dir(directory)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("cannot find the sources of published crates".into());
    }
    let metadata = String::from_utf8(output.stdout)?;
    let manifests = metadata.split("\"manifest_path\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    Ok(manifests.filter_map(|manifest| Path::new(manifest).parent()).map(Path::to_owned).collect())
}

/// Copies a file unless its copy is the same already: cargo builds again what looks new.
fn copy_changed(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let bytes = fs::read(from).map_err(|error| format!("cannot read {}: {error}", from.display()))?;
    if fs::read(to).is_ok_and(|copy| copy == bytes) {
        return Ok(());
    }
    fs::create_dir_all(to.parent().ok_or("a file is in a directory")?)?;
    Ok(fs::write(to, bytes)?)
}

/// A command of cargo. What clippy sets for this build script is not meant for the components.
fn cargo(command: &str) -> Result<Command, Box<dyn Error>> {
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo.args([command, "--locked", "--quiet"]).env_remove("RUSTC_WORKSPACE_WRAPPER").env_remove("RUSTFLAGS");
    Ok(cargo)
}

/// Runs cargo. It needs a target directory of its own: the one that runs this has locked its own.
fn run(cargo: &mut Command) -> Result<(), Box<dyn Error>> {
    if cargo.status()?.success() {
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
