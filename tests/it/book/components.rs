//! The handlers in Rust that the book shows, all built at once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::page::{Act, Page, ROOT};
use super::shell::forget_cargo;
use crate::support::{run, text};

/// Where they are built. What `host new` makes is built in the same place, with the same dependencies.
const BUILD: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/projects");

/// What the tests of the book keep between runs.
pub const BOOK: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/book");

/// The handlers by their text, and the component of each.
static BUILT: LazyLock<BTreeMap<String, PathBuf>> = LazyLock::new(build);

/// The component of a handler that a page shows.
pub fn component(handler: &str) -> &'static Path {
    BUILT.get(handler).expect("every handler of every page is built")
}

/// Builds a package of each. A mistake in any of them fails every test that needs one.
fn build() -> BTreeMap<String, PathBuf> {
    let workspace = Path::new(BOOK).join("handlers");
    let mut packages = BTreeMap::new();
    for page in Page::chapters().iter().chain([&Page::read("README.md")]) {
        for step in page.steps() {
            let Act::Handler { place: _, text } = step.act else { continue };
            let name = format!("{}-line-{}", page.name().to_lowercase(), step.line);
            write(&workspace.join(&name).join("Cargo.toml"), &manifest(&name));
            write(&workspace.join(&name).join("src/lib.rs"), &text);
            packages.insert(name, text);
        }
    }
    let names: Vec<&String> = packages.keys().collect();
    let template = fs::read_to_string(Path::new(ROOT).join("host/templates/rust/manifest.toml"));
    let template = template.expect("the template of `host new` is there");
    let (_, profile) = template.split_once("[profile.release]").expect("it has a profile");
    let (profile, _) = profile.split_once("# A project").expect("the workspace is behind it");
    let workspace_manifest =
        format!("[workspace]\nresolver = \"3\"\nmembers = {names:?}\n\n[profile.release]{profile}");
    write(&workspace.join("Cargo.toml"), &workspace_manifest);
    let config = fs::read_to_string(Path::new(ROOT).join("host/templates/rust/config.toml"));
    write(&workspace.join(".cargo/config.toml"), &config.expect("the template of `host new` is there"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--quiet"]).current_dir(&workspace);
    let output = run(forget_cargo(&mut cargo).env("CARGO_TARGET_DIR", BUILD));
    assert!(output.status.success(), "the handlers of the book:\n{}", text(&output.stderr));
    let built = Path::new(BUILD).join("wasm32-wasip2/release");
    packages.into_iter().map(|(name, text)| (text, built.join(name.replace('-', "_") + ".wasm"))).collect()
}

fn manifest(name: &str) -> String {
    let sdk = Path::new(ROOT).join("guest-sdk");
    format!(
        "[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n\
         [lints.rust]\nwarnings = \"deny\"\n\n[dependencies]\nguest-sdk = {{ path = {:?} }}\n",
        sdk.display().to_string()
    )
}

/// Writes a file where it has another text, so that what is the same is not built again.
fn write(file: &Path, text: &str) {
    if fs::read_to_string(file).is_ok_and(|there| there == text) {
        return;
    }
    fs::create_dir_all(file.parent().expect("a file has a folder")).expect("folders can be made");
    fs::write(file, text).expect("a file can be written");
}
