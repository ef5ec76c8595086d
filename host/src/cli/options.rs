//! Flags that several commands share: the routes directory, the compile cache, and one flag for each built-in option.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use host::config::{CodeQuality, Compiling, Config};
use host::options::{BUILTINS, Builtin, Value, parse};
use host::outbound::{CertificateDer, read_ca};
use host::routes::Declare;

use super::oci::OciFlags;

/// What to serve, and how to load it.
#[derive(Debug, Args)]
pub(super) struct RoutesFlags {
    /// The routes directory, in place of --routes.
    #[arg(value_name = "DIR", conflicts_with = "routes")]
    directory: Option<PathBuf>,

    /// The routes directory.
    #[arg(long, value_name = "DIR", default_value = "routes")]
    routes: PathBuf,

    #[command(flatten)]
    pub(super) loading: Loading,
}

/// How components are loaded.
#[derive(Debug, Args)]
pub(super) struct Loading {
    /// Directory of the compile cache, and of what was fetched from registries [default: the user's cache directory].
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache_dir: Option<PathBuf>,

    /// Compile every component at every start, and store nothing on disk.
    #[arg(long)]
    no_cache: bool,

    /// Which paths components may declare: nothing, below their directory, or any. NAME.toml overrides it.
    #[arg(long, value_name = "WHICH", default_value = "below")]
    declare: Declare,

    /// Bytes of memory for compiling one component; a component that needs more is refused.
    #[arg(long, value_name = "BYTES", default_value_t = Compiling::default().memory,
          value_parser = clap::value_parser!(u64).range(16 << 20..))]
    compile_memory: u64,

    /// Seconds of processor time, over all cores, for compiling one component.
    #[arg(long, value_name = "SECONDS", default_value_t = Compiling::default().cpu.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    compile_cpu: u64,

    /// Seconds for compiling one component.
    #[arg(long, value_name = "SECONDS", default_value_t = Compiling::default().timeout.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    compile_timeout: u64,

    /// Whether to serve components of wasi:http 0.3: on or off. The library that runs them is young: what is found in it may be mended
    /// only in a later version of this host.
    #[arg(long, value_name = "WHICH", default_value = "on", value_parser = on_or_off, action = clap::ArgAction::Set)]
    wasi_http_03: bool,

    /// Directory of the interpreters of scripts, `python.wasm` and `javascript.wasm` [default: `interpreters` beside this
    /// program, or `../lib/vibrato/interpreters`].
    #[arg(long, value_name = "DIR")]
    interpreters: Option<PathBuf>,

    /// Compile in this process, without limits: for a debugger or a profiler that cannot follow child processes.
    #[arg(long, hide = true)]
    compile_in_process: bool,

    #[command(flatten)]
    grants: GrantFlags,

    #[command(flatten)]
    oci: OciFlags,

    #[command(flatten)]
    options: OptionFlags,
}

/// What components may reach beyond their requests.
#[derive(Debug, Args)]
#[command(next_help_heading = "Grants")]
struct GrantFlags {
    /// Directory of secrets, with a text file for each, that `[grant]` in NAME.toml names [default:
    /// $CREDENTIALS_DIRECTORY, which systemd sets].
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,

    /// File of certificates (PEM) of authorities that are trusted, beside the system's, if a component calls a server with
    /// TLS, and for registries; can be given several times.
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,

    /// Maximum connections to other servers, of all routes together; more wait, within the time for a connection.
    #[arg(long, value_name = "N", default_value_t = Config::default().max_outbound,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_outbound: u32,

    /// Directory of the key-value stores that `[grant]` in NAME.toml names, and of certificates that --acme-domain orders; made if it
    /// does not exist. Two hosts cannot have the same.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    /// Refuse every component whose NAME.toml grants something.
    #[arg(long)]
    no_grants: bool,
}

impl GrantFlags {
    /// The certificates of authorities that are trusted.
    fn authorities(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let read = self
            .ca
            .iter()
            .map(|path| read_ca(path).context("--ca wants a file of certificates of authorities, in the PEM form"));
        Ok(read.collect::<anyhow::Result<Vec<_>>>()?.concat())
    }
}

impl RoutesFlags {
    /// Of a directory.
    pub(super) fn of(routes: PathBuf, loading: Loading) -> Self {
        Self { directory: None, routes, loading }
    }

    /// The routes directory.
    pub(super) fn directory(&self) -> &Path {
        self.directory.as_deref().unwrap_or(&self.routes)
    }

    /// Checks that the routes directory exists.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let directory = self.directory().display();
        let metadata = std::fs::metadata(self.directory()).with_context(|| {
            format!("cannot read the routes directory {directory}; make it, or name another with --routes")
        })?;
        anyhow::ensure!(metadata.is_dir(), "{directory} is not a directory; name one with --routes");
        Ok(())
    }
}

impl Loading {
    /// A configuration with these flags, for a directory or component.
    pub(super) fn config(&self, routes: PathBuf) -> anyhow::Result<Config> {
        let compiling = Compiling {
            program: (!self.compile_in_process).then(program),
            memory: self.compile_memory,
            cpu: Duration::from_secs(self.compile_cpu),
            timeout: Duration::from_secs(self.compile_timeout),
            code: CodeQuality::default(),
        };
        Ok(Config {
            routes,
            options: self.options.0.clone(),
            declare: self.declare,
            cache_directory: self.cache_directory()?,
            compiling,
            wasi_http_03: self.wasi_http_03,
            interpreters: self.interpreters.clone().map_or_else(interpreters, |directory| vec![directory]),
            allow_grants: !self.grants.no_grants,
            authorities: self.grants.authorities()?,
            max_outbound: self.grants.max_outbound,
            state: self.grants.state.clone(),
            oci: self.oci.settings()?,
            secrets: self.grants.secrets.clone().or_else(|| env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)),
            ..Config::default()
        })
    }

    /// The directory of the compile cache. `None` with `--no-cache`.
    fn cache_directory(&self) -> anyhow::Result<Option<PathBuf>> {
        if self.no_cache {
            return Ok(None);
        }
        let directory = self
            .cache_dir
            .clone()
            .or_else(user_cache)
            .context("no directory for the compile cache: HOME is not set; set --cache-dir, or use --no-cache")?;
        let absolute = std::path::absolute(&directory);
        Ok(Some(absolute.with_context(|| format!("cannot use {} as the compile cache", directory.display()))?))
    }
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("expected on or off".to_owned()),
    }
}

/// This program, even if its file was replaced meanwhile.
fn program() -> PathBuf {
    let this = PathBuf::from("/proc/self/exe");
    // Without /proc, find it by its name.
    if this.exists() { this } else { env::current_exe().unwrap_or_else(|_| PathBuf::from("host")) }
}

/// Where interpreters are looked for without `--interpreters`: beside this program, and where `make install` puts them.
fn interpreters() -> Vec<PathBuf> {
    let this = env::current_exe().unwrap_or_default();
    let directory = this.parent().unwrap_or(Path::new(""));
    let installed = directory.parent().map(|prefix| prefix.join("lib/vibrato/interpreters"));
    std::iter::once(directory.join("interpreters")).chain(installed).collect()
}

/// `$XDG_CACHE_HOME/vibrato`, or `~/.cache/vibrato`.
fn user_cache() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(caches.join("vibrato"))
}

/// The values of the built-in options that were given as flags.
#[derive(Debug, Default)]
pub(super) struct OptionFlags(pub(super) Vec<(String, Value)>);

impl Args for OptionFlags {
    fn augment_args(command: Command) -> Command {
        let command = command.next_help_heading("Options of every route (a component can lower a limit, not raise it)");
        BUILTINS.iter().map(flag).fold(command, Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for OptionFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = |builtin: &'static Builtin| {
            let value = matches.get_one::<Value>(builtin.name)?;
            Some((builtin.name.to_owned(), value.clone()))
        };
        Ok(Self(BUILTINS.iter().filter_map(typed).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn flag(builtin: &'static Builtin) -> Arg {
    let default = builtin.default.map(|preset| format!(" [default: {}]", Value::from(preset)));
    let parse = move |text: &str| {
        let value = parse(builtin, text);
        if builtin.accepts(&value) { Ok(value) } else { Err(format!("expected {}", builtin.expected())) }
    };
    Arg::new(builtin.name)
        .long(builtin.name.replace('_', "-"))
        .value_name("VALUE")
        .allow_hyphen_values(true)
        .value_parser(parse)
        .help(format!("{}; {}{}", builtin.help, builtin.expected(), default.unwrap_or_default()))
}
