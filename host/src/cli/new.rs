//! `host new`: a small project of a handler, to build and to go on from.
//!
//! Owns which languages and styles there are. The files themselves are in `host/templates`.

mod script;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};

use self::script::{COMPONENTIZE, Script};

/// The longest name.
const MAX_NAME_BYTES: usize = 64;

/// Names that a crate cannot have, or that its own dependencies have.
const TAKEN: [&str; 7] = ["alloc", "core", "guest-sdk", "guest_sdk", "proc_macro", "std", "test"];

/// Where guest-sdk lay when this host was built.
const BUILT_BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk");

/// What the README says of the files that were generated.
const BINDINGS: &str =
    " What the handler is built with was generated from `wit/world.wit`, and is in `bindings/`: leave it as it is.";

/// The arguments of `host new`.
#[derive(Debug, Args)]
pub(super) struct New {
    /// The name of the handler, and of the folder that is made for it.
    #[arg(value_parser = name)]
    name: String,

    /// The language that it is written in.
    #[arg(long, value_name = "LANG", default_value = "rust")]
    lang: Language,

    /// How it makes its body.
    #[arg(long, value_name = "STYLE", default_value = "yield")]
    style: Style,

    /// The folder of guest-sdk, for Rust: it is on no registry yet [default: the one beside which this host was built].
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

/// The languages that there is a project for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Built by cargo, with guest-sdk.
    Rust,
    /// Built by componentize-py.
    Python,
    /// Built by componentize-qjs.
    #[value(name = "js")]
    JavaScript,
    /// Built by Zig's C compiler.
    C,
    /// Built by Go itself.
    Go,
}

/// How a handler makes its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Style {
    /// An iterator yields the chunks.
    Yield,
    /// The chunks are written.
    Write,
    /// The body is returned whole.
    Return,
}

/// A project, filled in.
struct Project {
    files: Vec<File>,
    /// What has to be there before.
    needs: &'static str,
    /// The one command.
    build: &'static str,
    /// The component that it makes.
    component: String,
}

struct File {
    place: String,
    bytes: Vec<u8>,
    mode: u32,
}

impl New {
    /// Writes the project, and prints what to do next.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Project { files, needs, build, component } = match self.lang {
            Language::Rust => self.rust()?,
            Language::Python => self.script(&script::python(self.style)),
            Language::JavaScript => self.script(&script::javascript(self.style)),
            Language::C => self.script(&script::c(self.style)),
            Language::Go => self.script(&script::go(self.style)),
        };
        let name = &self.name;
        let root = Path::new(name);
        fs::create_dir(root).with_context(|| {
            format!("cannot make the folder `{name}`; choose another name, or another place to run this in")
        })?;
        files.iter().try_for_each(|file| file.write(root))?;
        println!("{name}/ is ready. To build it, {needs}:\n");
        println!("  cd {name}\n  {build}\n  host call {component} --path /{name}/Ada\n");
        println!("{name}/README.md says how to serve it.");
        Ok(ExitCode::SUCCESS)
    }

    fn rust(&self) -> anyhow::Result<Project> {
        let sdk = self.sdk()?;
        let source = match self.style {
            Style::Yield => include_str!("../../templates/rust/src/yield.rs"),
            Style::Write => include_str!("../../templates/rust/src/write.rs"),
            Style::Return => include_str!("../../templates/rust/src/return.rs"),
        };
        // The folder last: it may have any name.
        let manifest = self.fill(include_str!("../../templates/rust/manifest.toml"));
        let manifest = manifest.replace("SDK", &toml::Value::String(sdk).to_string());
        Ok(Project {
            files: vec![
                File::new("Cargo.toml", manifest),
                File::new(".cargo/config.toml", include_str!("../../templates/rust/config.toml")),
                File::new(".gitignore", include_str!("../../templates/rust/ignore")),
                File::new("README.md", self.fill(include_str!("../../templates/rust/README.md"))),
                File::new("src/lib.rs", self.fill(source)),
            ],
            needs: "with `rustup target add wasm32-wasip2` once before",
            build: "cargo build --release",
            component: format!("target/wasm32-wasip2/release/{}.wasm", file(&self.name)),
        })
    }

    fn script(&self, script: &Script) -> Project {
        let readme = include_str!("../../templates/script/README.md").replace("SOURCE", script.place);
        let readme = readme.replace("BINDINGS", if script.bindings.is_empty() { "" } else { BINDINGS });
        let route = self.fill(include_str!("../../templates/script/route.toml"));
        let mut files = vec![
            File::new(script.place, self.fill(script.text)),
            File::program("build", self.fill(script.build)),
            File::new(&format!("{}.toml", self.name), route),
            File::new("wit/world.wit", include_str!("../../../wit/world.wit")),
            File::new(".gitignore", script.ignore),
            File::new("README.md", self.fill(&readme)),
        ];
        files.extend(script.others.iter().map(|(place, text)| File::new(place, *text)));
        if !script.bindings.is_empty() {
            files.push(File::program("componentize", COMPONENTIZE));
            files.extend(script.bindings.iter().map(|(place, bytes)| File::new(place, *bytes)));
        }
        Project { files, needs: script.needs, build: "./build", component: format!("{}.wasm", self.name) }
    }

    fn fill(&self, template: &str) -> String {
        template.replace("NAME", &self.name).replace("FILE", &file(&self.name))
    }

    /// The folder of guest-sdk, absolute, as text that a manifest can hold.
    fn sdk(&self) -> anyhow::Result<String> {
        let folder = self.sdk.as_deref().unwrap_or(Path::new(BUILT_BESIDE));
        let is_there = folder.join("Cargo.toml").is_file();
        let hint = "name the folder `guest-sdk` of Vibrato's source with --sdk: it is on no registry yet";
        anyhow::ensure!(is_there, "there is no guest-sdk in {}; {hint}", folder.display());
        let folder = fs::canonicalize(folder).with_context(|| format!("cannot use {}", folder.display()))?;
        let text = folder.to_str().with_context(|| format!("{} is not UTF-8; move it", folder.display()))?;
        Ok(text.to_owned())
    }
}

/// The name of the component that cargo makes.
fn file(name: &str) -> String {
    name.replace('-', "_")
}

impl File {
    fn new(place: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { place: place.to_owned(), bytes: bytes.into(), mode: 0o644 }
    }

    fn program(place: &str, text: impl Into<Vec<u8>>) -> Self {
        Self { mode: 0o755, ..Self::new(place, text) }
    }

    /// Writes it below `root`.
    fn write(&self, root: &Path) -> anyhow::Result<()> {
        let file = root.join(&self.place);
        let write = || {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(self.mode).open(&file)?;
            file.write_all(&self.bytes)
        };
        write().with_context(|| format!("cannot write {}", file.display()))
    }
}

fn name(text: &str) -> Result<String, String> {
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    if !starts || !rest || text.len() > MAX_NAME_BYTES {
        return Err(format!(
            "expected a lower-case letter, then such letters, digits, `-` and `_`, {MAX_NAME_BYTES} at most"
        ));
    }
    if TAKEN.contains(&text) { Err("that name is taken; choose another".to_owned()) } else { Ok(text.to_owned()) }
}
