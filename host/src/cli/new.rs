//! `host new`: creates a small project for a handler.
//!
//! Owns the worlds, languages and styles. The files are in `host/templates`.

mod language;
mod script;
mod wasi_http;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};

use self::script::{COMPONENTIZE, Script};

/// Maximum bytes of a name.
const MAX_NAME_BYTES: usize = 64;

/// Names that a crate cannot have, or that a dependency has.
const RESERVED_NAMES: [&str; 8] = ["alloc", "core", "guest-sdk", "guest_sdk", "proc_macro", "std", "test", "wstd"];

/// Where a project in Rust has guest-sdk, which is on no registry yet.
const VENDORED_SDK: &str = "vendor/guest-sdk";

/// What the README says about generated files.
const BINDINGS: &str =
    " What the handler is built with was generated from `wit/world.wit`, and is in `bindings/`: leave it as it is.";

/// How cargo builds a project in Rust.
const CONFIG: &str = include_str!("../../templates/rust/config.toml");

/// What a project in Rust needs.
const NEEDS_TARGET: &str = "with `rustup target add wasm32-wasip2` once before";

/// How a first handler is called.
const CALL: &str = "--path /NAME/Ada";

/// How a handler with grants is called.
const CALL_WITH_GRANT: &str = "--path /NAME --grant NAME.toml --state state";

/// The path of the guest book in its sources.
const GUEST_BOOK_PATH: &str = "/guest-book";

/// The grants of the guest book.
const GUEST_BOOK_ROUTE: &str = include_str!("../../../examples/guest-book/route.toml");

/// The arguments of `host new`.
#[derive(Debug, Args)]
pub(super) struct New {
    /// Name of the handler, and of the directory to create.
    #[arg(value_parser = name)]
    name: String,

    /// Language of the project.
    #[arg(long, value_name = "LANG", default_value = "rust", value_parser = language::Parser)]
    lang: ProjectLanguage,

    /// World that the handler is built for.
    #[arg(long, value_name = "WORLD", default_value = "vibrato")]
    world: ProjectWorld,

    /// How the handler produces its body, in the world `vibrato` [default: yield].
    #[arg(long, value_name = "STYLE")]
    style: Option<Style>,

    /// A whole example in place of a first handler, in Rust, C or Go and the world `vibrato`.
    #[arg(long, value_name = "EXAMPLE", conflicts_with = "style")]
    example: Option<Example>,

    /// Directory of guest-sdk, for Rust [default: a copy in the project, so that the project can be moved].
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

/// The supported languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProjectLanguage {
    /// Built by cargo, with guest-sdk; for wasi-http with wstd.
    Rust,
    /// Built by componentize-py.
    Python,
    /// Built by componentize-qjs; for wasi-http by componentize-js.
    #[value(name = "js")]
    JavaScript,
    /// As JavaScript.
    #[value(name = "ts")]
    TypeScript,
    /// Built by Zig's C compiler.
    C,
    /// Built by the Go toolchain.
    Go,
}

/// The world that a project is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProjectWorld {
    /// This host's own: all that it can do.
    Vibrato,
    /// `wasi:http` 0.2, which other servers run too; in Rust, Python or JavaScript.
    WasiHttp,
}

/// How a handler produces its body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Style {
    /// An iterator yields chunks.
    #[default]
    Yield,
    /// Chunks are written.
    Write,
    /// The body is returned as a whole.
    Return,
}

/// The examples that a project can begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Example {
    /// A form, a cookie, a key-value store, settings, and a request to another server.
    GuestBook,
}

/// The files of a project and how to build it.
struct NewProject {
    files: Vec<File>,
    /// What must be installed first, as text.
    needs: &'static str,
    /// The build command.
    build: String,
    /// The path of the component that the command builds.
    component: String,
    /// The arguments of a call of it.
    call: String,
}

struct File {
    path: String,
    bytes: Vec<u8>,
    mode: u32,
}

impl New {
    /// Creates the project and prints the next steps.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let NewProject { files, needs, build, component, call } = match self.world {
            ProjectWorld::Vibrato => self.vibrato()?,
            ProjectWorld::WasiHttp => self.wasi_http()?,
        };
        let name = &self.name;
        let root = Path::new(name);
        fs::create_dir(root).with_context(|| {
            format!("cannot make the folder `{name}`; choose another name, or another place to run this in")
        })?;
        files.iter().try_for_each(|file| file.write(root))?;
        println!("{name}/ is ready. To build it, {needs}:\n");
        println!("  cd {name}\n  {build}\n  host call {component} {call}\n");
        println!("{name}/README.md says how to serve it.");
        Ok(ExitCode::SUCCESS)
    }

    fn vibrato(&self) -> anyhow::Result<NewProject> {
        if let Some(Example::GuestBook) = self.example {
            let script = match self.lang {
                ProjectLanguage::Rust => return self.guest_book(),
                ProjectLanguage::C => script::c_guest_book(),
                ProjectLanguage::Go => script::go_guest_book(),
                ProjectLanguage::Python | ProjectLanguage::JavaScript | ProjectLanguage::TypeScript => {
                    anyhow::bail!("that example is not there in this language; choose --lang rust, c or go")
                }
            };
            return Ok(self.guest_book_script(&script));
        }
        let style = self.style.unwrap_or_default();
        Ok(match self.lang {
            ProjectLanguage::Rust => self.rust(style)?,
            ProjectLanguage::Python => self.script(&script::python(style)),
            ProjectLanguage::JavaScript => self.script(&script::javascript(style)),
            ProjectLanguage::TypeScript => self.script(&script::typescript(style)),
            ProjectLanguage::C => self.script(&script::c(style)),
            ProjectLanguage::Go => self.script(&script::go(style)),
        })
    }

    fn wasi_http(&self) -> anyhow::Result<NewProject> {
        let hint = "leave it out, or choose --world vibrato";
        anyhow::ensure!(self.example.is_none(), "`--example` is not for wasi:http; {hint}");
        anyhow::ensure!(self.style.is_none(), "`--style` is not for wasi:http, whose projects have one style; {hint}");
        Ok(match self.lang {
            ProjectLanguage::Rust => self.wasi_http_rust(),
            ProjectLanguage::Python => self.script(&wasi_http::PYTHON),
            ProjectLanguage::JavaScript => self.script(&wasi_http::JAVASCRIPT),
            ProjectLanguage::TypeScript | ProjectLanguage::C | ProjectLanguage::Go => anyhow::bail!(
                "there is no project for wasi:http in this language; choose --lang rust, python or js, or --world vibrato"
            ),
        })
    }

    fn wasi_http_rust(&self) -> NewProject {
        let file = |path: &str, template: &str| File::new(path, self.fill(template));
        NewProject {
            files: vec![
                file("Cargo.toml", include_str!("../../templates/wasi-http/rust/manifest.toml")),
                file(".cargo/config.toml", CONFIG),
                file(".gitignore", include_str!("../../templates/wasi-http/rust/ignore")),
                file("README.md", include_str!("../../templates/wasi-http/rust/README.md")),
                file(&format!("{}.toml", self.name), wasi_http::ROUTE),
                file("src/lib.rs", include_str!("../../templates/wasi-http/rust/handler.rs")),
            ],
            needs: NEEDS_TARGET,
            build: self.fill("cargo build --release && cp target/wasm32-wasip2/release/FILE.wasm NAME.wasm"),
            component: format!("{}.wasm", self.name),
            call: self.fill(CALL),
        }
    }

    fn rust(&self, style: Style) -> anyhow::Result<NewProject> {
        let source = match style {
            Style::Yield => include_str!("../../templates/rust/src/yield.rs"),
            Style::Write => include_str!("../../templates/rust/src/write.rs"),
            Style::Return => include_str!("../../templates/rust/src/return.rs"),
        };
        self.rust_with(self.fill(source), include_str!("../../templates/rust/README.md"), CALL)
    }

    fn guest_book(&self) -> anyhow::Result<NewProject> {
        let source = include_str!("../../../examples/guest-book/src/lib.rs");
        let source = source.replace(GUEST_BOOK_PATH, &format!("/{}", self.name));
        let readme = include_str!("../../templates/rust/guest-book.md");
        let mut project = self.rust_with(source, readme, CALL_WITH_GRANT)?;
        project.files.push(File::new(&format!("{}.toml", self.name), GUEST_BOOK_ROUTE));
        Ok(project)
    }

    /// The guest book in a language that a script builds. Its route file has its path and methods, since it declares none.
    fn guest_book_script(&self, script: &Script) -> NewProject {
        let mut project = self.script(script);
        for file in &mut project.files {
            if file.path == script.path {
                file.bytes = self.fill(script.text).replace(GUEST_BOOK_PATH, &format!("/{}", self.name)).into();
            } else if file.path == format!("{}.toml", self.name) {
                file.bytes.extend_from_slice(GUEST_BOOK_ROUTE.as_bytes());
            }
        }
        NewProject { call: self.fill(CALL_WITH_GRANT), ..project }
    }

    /// A project in Rust with this source.
    fn rust_with(&self, source: String, readme: &str, call: &str) -> anyhow::Result<NewProject> {
        let sdk = self.sdk()?;
        let folder = sdk.as_deref().unwrap_or(VENDORED_SDK);
        // Fill in the directory last: it may contain any of the placeholders.
        let manifest = self.fill(include_str!("../../templates/rust/manifest.toml"));
        let manifest = manifest.replace("SDK", &toml::Value::String(folder.to_owned()).to_string());
        let mut files = vec![
            File::new("Cargo.toml", manifest),
            File::new(".cargo/config.toml", [CONFIG, include_str!("../../templates/rust/runner.toml")].concat()),
            File::new(".gitignore", include_str!("../../templates/rust/ignore")),
            File::new("README.md", self.fill(readme)),
            File::new("src/lib.rs", source),
        ];
        if sdk.is_none() {
            files.extend(script::SDK.iter().map(|(path, bytes)| File::new(&format!("{VENDORED_SDK}/{path}"), *bytes)));
        }
        Ok(NewProject {
            files,
            needs: NEEDS_TARGET,
            build: "cargo build --release".to_owned(),
            component: format!("target/wasm32-wasip2/release/{}.wasm", file(&self.name)),
            call: self.fill(call),
        })
    }

    fn script(&self, script: &Script) -> NewProject {
        let readme = script.readme.replace("SOURCE", script.path);
        let readme = readme.replace("BINDINGS", if script.bindings.is_empty() { "" } else { BINDINGS });
        let mut files = vec![
            File::new(script.path, self.fill(script.text)),
            File::program("build", self.fill(script.build)),
            File::new(&format!("{}.toml", self.name), self.fill(script.route)),
            File::new("wit/world.wit", script.world.replace("VERSION", script.wasi.unwrap_or_default())),
            File::new(".gitignore", script.ignore),
            File::new("README.md", self.fill(&readme)),
        ];
        if let Some(version) = script.wasi {
            let of_version = |text: &str| text.replace(wasi_http::WIT_VERSION, version);
            files.extend(wasi_http::WIT.map(|(path, text)| File::new(path, of_version(text))));
        }
        files.extend(script.others.iter().map(|(path, text)| File::new(path, *text)));
        files.extend(script.templates.iter().map(|(path, text)| File::new(path, self.fill(text))));
        files.extend(script.package.iter().map(|(path, bytes)| File::new(path, *bytes)));
        if !script.bindings.is_empty() {
            files.push(File::program("componentize", COMPONENTIZE));
            files.extend(script.bindings.iter().map(|(path, bytes)| File::new(path, *bytes)));
        }
        NewProject {
            files,
            needs: script.needs,
            build: "./build".to_owned(),
            component: format!("{}.wasm", self.name),
            call: self.fill(CALL),
        }
    }

    fn fill(&self, template: &str) -> String {
        template.replace("NAME", &self.name).replace("FILE", &file(&self.name))
    }

    /// The absolute path of the guest-sdk of `--sdk`, which must be UTF-8 for a manifest.
    fn sdk(&self) -> anyhow::Result<Option<String>> {
        let Some(folder) = &self.sdk else { return Ok(None) };
        let is_there = folder.join("Cargo.toml").is_file();
        let hint = "name the folder `guest-sdk` of Vibrato's source, or leave out --sdk";
        anyhow::ensure!(is_there, "there is no guest-sdk in {}; {hint}", folder.display());
        let folder = fs::canonicalize(folder).with_context(|| format!("cannot use {}", folder.display()))?;
        let text = folder.to_str().with_context(|| format!("{} is not UTF-8; move it", folder.display()))?;
        Ok(Some(text.to_owned()))
    }
}

/// The base name of the component that cargo builds.
fn file(name: &str) -> String {
    name.replace('-', "_")
}

impl File {
    fn new(path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.to_owned(), bytes: bytes.into(), mode: 0o644 }
    }

    fn program(path: &str, text: impl Into<Vec<u8>>) -> Self {
        Self { mode: 0o755, ..Self::new(path, text) }
    }

    /// Writes the file below `root`.
    fn write(&self, root: &Path) -> anyhow::Result<()> {
        let file = root.join(&self.path);
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
    let starts_with_letter = text.starts_with(|c: char| c.is_ascii_lowercase());
    let is_plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    if !starts_with_letter || !is_plain || text.len() > MAX_NAME_BYTES {
        return Err(format!(
            "expected a lower-case letter, then such letters, digits, `-` and `_`, {MAX_NAME_BYTES} at most"
        ));
    }
    if RESERVED_NAMES.contains(&text) {
        Err("that name is taken; choose another".to_owned())
    } else {
        Ok(text.to_owned())
    }
}
