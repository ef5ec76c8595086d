//! `host new`: a small project of a handler, to build and to go on from.
//!
//! Owns which languages and styles there are. The files themselves are in `host/templates`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};

/// The longest name.
const MAX_NAME_BYTES: usize = 64;

/// Names that a crate cannot have, or that its own dependencies have.
const TAKEN: [&str; 7] = ["alloc", "core", "guest-sdk", "guest_sdk", "proc_macro", "std", "test"];

/// Where guest-sdk lay when this host was built.
const BUILT_BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk");

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

    /// The folder of guest-sdk, which is on no registry yet [default: the one beside which this host was built].
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

/// The languages that there is a project for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Built by cargo, with guest-sdk.
    Rust,
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

/// The files of a project: each its place and its text.
type Files = Vec<(&'static str, String)>;

impl New {
    /// Writes the project, and prints what to do next.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let files = match self.lang {
            Language::Rust => self.rust()?,
        };
        let root = Path::new(&self.name);
        fs::create_dir(root).with_context(|| {
            format!("cannot make the folder `{}`; choose another name, or another place to run this in", self.name)
        })?;
        for (place, text) in files {
            write(&root.join(place), &text)?;
        }
        let Self { name, .. } = &self;
        println!("{name}/ is ready. To build it, with `rustup target add wasm32-wasip2` once before:\n");
        println!("  cd {name}\n  cargo build --release");
        println!("  host call target/wasm32-wasip2/release/{}.wasm --path /{name}/Ada\n", file(name));
        println!("{name}/README.md says how to serve it.");
        Ok(ExitCode::SUCCESS)
    }

    fn rust(&self) -> anyhow::Result<Files> {
        let sdk = self.sdk()?;
        let source = match self.style {
            Style::Yield => include_str!("../../templates/rust/src/yield.rs"),
            Style::Write => include_str!("../../templates/rust/src/write.rs"),
            Style::Return => include_str!("../../templates/rust/src/return.rs"),
        };
        // The folder last: it may have any name.
        let manifest = self.fill(include_str!("../../templates/rust/manifest.toml"));
        let manifest = manifest.replace("SDK", &toml::Value::String(sdk).to_string());
        Ok(vec![
            ("Cargo.toml", manifest),
            (".cargo/config.toml", include_str!("../../templates/rust/config.toml").to_owned()),
            (".gitignore", include_str!("../../templates/rust/ignore").to_owned()),
            ("README.md", self.fill(include_str!("../../templates/rust/README.md"))),
            ("src/lib.rs", self.fill(source)),
        ])
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

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, text)
    };
    write().with_context(|| format!("cannot write {}", file.display()))
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
