//! Where the engine is, and how it is reached.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion,
    RedisConnectionInfo, RedisResult, TlsCertificates, TlsMode,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::regular_file;

/// The most bytes of a password, of a file of certificates or keys, and of a prefix.
const MAX_PASSWORD_BYTES: u64 = 4096;
const MAX_PEM_BYTES: u64 = 1024 * 1024;
const MAX_PREFIX_BYTES: usize = 64;

/// How long a handler waits for the engine.
const TIMEOUT: Duration = Duration::from_millis(250);

/// The port of a Sentinel whose address has none.
const SENTINEL_PORT: u16 = 26379;

/// What an operator says of the engine. It has no `Debug`, as the URL may have a password.
#[derive(Clone, Default)]
pub struct EngineSpec {
    /// `redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]`, `rediss://` for TLS, `redis+unix:///PATH`, or
    /// `redis+sentinel://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]]…/NAME[/DB]`, `rediss+sentinel://` for TLS, for the master
    /// called NAME of these Sentinels.
    pub url: String,
    /// What the names of all that is kept there begin with.
    pub prefix: String,
    /// A file whose text replaces the password of the URL.
    pub password_file: Option<PathBuf>,
    /// A file with the password of the Sentinels. Without it they get none.
    pub sentinel_password_file: Option<PathBuf>,
    /// A file of the authorities that are trusted instead of the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Files of the certificate and of the key that the host shows, in PEM.
    pub certificate_files: Option<(PathBuf, PathBuf)>,
    /// How long a handler that appends to a history waits for the engine. If it is `None`, 250 ms.
    pub timeout: Option<Duration>,
}

/// Where the engine is.
#[derive(Clone)]
pub struct EngineSettings {
    target: EngineTarget,
    prefix: String,
    timeout: Duration,
}

#[derive(Clone)]
enum EngineTarget {
    /// A server.
    Server(Client),
    /// The master that Sentinels name.
    Sentinel(SentinelTarget),
}

#[derive(Clone)]
struct SentinelTarget {
    sentinels: Vec<ConnectionAddr>,
    master: String,
    settings: RedisConnectionInfo,
    sentinel_password: Option<String>,
    /// `None` without TLS.
    certificates: Option<TlsCertificates>,
}

/// Why an engine cannot be used. It never tells a password.
#[derive(Debug, Error)]
pub enum FleetError {
    /// The URL is not one of an engine.
    #[error(
        "{0} is no URL of an engine; give redis://HOST:PORT, rediss://HOST:PORT for TLS, redis+unix:///PATH, or \
         redis+sentinel://HOST:PORT,HOST:PORT/MASTER"
    )]
    Url(String),
    /// The prefix cannot be that of a name.
    #[error(
        "{0:?} cannot begin the names at an engine; give letters, digits, `-`, `_`, `.` or `:`, at most 64 of them"
    )]
    Prefix(String),
    /// A file cannot be used.
    #[error("the {what} of the engine in {} cannot be used: {reason}", .file.display())]
    File {
        /// What it should have.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Certificates were given for an engine without TLS.
    #[error(
        "{0} is an engine without TLS, which needs no certificates; give rediss:// or rediss+sentinel://, or leave them out"
    )]
    NoTls(String),
    /// The engine does not answer, or answers with an error.
    #[error("{0}")]
    Failed(String),
}

impl EngineSettings {
    /// The engine that an operator has named.
    ///
    /// # Errors
    /// All but [`FleetError::Failed`].
    pub fn new(options: EngineSpec) -> Result<Self, FleetError> {
        let EngineSpec { url, prefix, .. } = &options;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if !(1..=MAX_PREFIX_BYTES).contains(&prefix.len()) || !prefix.bytes().all(is_name) {
            return Err(FleetError::Prefix(prefix.clone()));
        }
        let password = options.password_file.as_deref().map(|file| read_text("password", file)).transpose()?;
        let target = match url.split_once("+sentinel://") {
            Some((scheme @ ("redis" | "rediss" | "valkey" | "valkeys"), rest)) => {
                EngineTarget::Sentinel(SentinelTarget::new(scheme, rest, password.as_deref(), &options)?)
            }
            _ => EngineTarget::Server(server(url, password.as_deref(), &options)?),
        };
        Ok(Self { target, prefix: options.prefix, timeout: options.timeout.unwrap_or(TIMEOUT) })
    }

    /// What the names of all that is kept at the engine begin with.
    pub(in crate::fleet) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How long a handler waits for the engine.
    pub(in crate::fleet) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The server to connect to. Sentinels are asked for it each time, as their answer changes.
    pub(super) async fn client(&self) -> RedisResult<Client> {
        match &self.target {
            EngineTarget::Server(client) => Ok(client.clone()),
            EngineTarget::Sentinel(target) => target.client()?.async_get_client().await,
        }
    }
}

impl SentinelTarget {
    /// The Sentinels and the master in `rest`, what is behind the scheme of the URL.
    fn new(scheme: &str, rest: &str, password: Option<&str>, options: &EngineSpec) -> Result<Self, FleetError> {
        let wrong = || FleetError::Url(without_credentials(&options.url));
        let (authority, path) = rest.split_once('/').ok_or_else(wrong)?;
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (format!("{credentials}@"), hosts),
            None => (String::new(), authority),
        };
        let (master, database) = path.split_once('/').unwrap_or((path, ""));
        if master.is_empty() {
            return Err(wrong());
        }
        let infos: Result<Vec<ConnectionInfo>, FleetError> = hosts
            .split(',')
            .map(|host| {
                let has_port = host.rsplit_once(']').map_or(host, |(_, port)| port).contains(':');
                let port = if has_port { String::new() } else { format!(":{SENTINEL_PORT}") };
                let url = format!("{scheme}://{credentials}{host}{port}/{database}");
                url.as_str().into_connection_info().map_err(|_| wrong())
            })
            .collect();
        let infos = infos?;
        let settings = infos.first().ok_or_else(wrong)?.redis_settings().clone();
        let certificates = certificates(options)?;
        let is_tls = matches!(scheme, "rediss" | "valkeys");
        if !is_tls && (options.ca_file.is_some() || options.certificate_files.is_some()) {
            return Err(FleetError::NoTls(without_credentials(&options.url)));
        }
        let sentinel_password = options.sentinel_password_file.as_deref();
        Ok(Self {
            sentinels: infos.into_iter().map(|info| info.addr().clone()).collect(),
            master: master.to_owned(),
            settings: with_password(settings, password),
            sentinel_password: sentinel_password.map(|file| read_text("Sentinels' password", file)).transpose()?,
            certificates: is_tls.then_some(certificates),
        })
    }

    /// A client that has not asked the Sentinels yet.
    fn client(&self) -> RedisResult<SentinelClient> {
        let (sentinels, settings) = (self.sentinels.clone(), &self.settings);
        let mut builder = SentinelClientBuilder::new(sentinels, &self.master, SentinelServerType::Master)?
            .set_client_to_redis_protocol(ProtocolVersion::RESP3)
            .set_client_to_redis_db(settings.db());
        if let Some(user) = settings.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = settings.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(password) = &self.sentinel_password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if let Some(certificates) = &self.certificates {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        builder.build()
    }
}

/// A client of the server at `url`.
fn server(url: &str, password: Option<&str>, options: &EngineSpec) -> Result<Client, FleetError> {
    let wrong = || FleetError::Url(without_credentials(url));
    let info = url.into_connection_info().map_err(|_| wrong())?;
    let settings = with_password(info.redis_settings().clone(), password);
    let info = info.set_redis_settings(settings);
    match info.addr() {
        // It would take any certificate.
        ConnectionAddr::TcpTls { insecure: true, .. } => Err(wrong()),
        ConnectionAddr::TcpTls { .. } => Client::build_with_tls(info, certificates(options)?).map_err(|_| wrong()),
        _ if options.ca_file.is_some() || options.certificate_files.is_some() => {
            Err(FleetError::NoTls(without_credentials(url)))
        }
        _ => Client::open(info).map_err(|_| wrong()),
    }
}

fn with_password(settings: RedisConnectionInfo, password: Option<&str>) -> RedisConnectionInfo {
    let settings = settings.set_protocol(ProtocolVersion::RESP3);
    match password {
        Some(password) => settings.set_password(password),
        None => settings,
    }
}

/// Whom the host trusts, and what it shows.
fn certificates(options: &EngineSpec) -> Result<TlsCertificates, FleetError> {
    let root_cert = options.ca_file.as_deref().map(|file| {
        let pem = read("authorities", file, MAX_PEM_BYTES)?;
        let count = CertificateDer::pem_slice_iter(&pem).try_fold(0, |count, it| it.map(|_| count + 1));
        match count {
            Ok(0) => Err(unusable("authorities", file, "it has no certificate in PEM")),
            Ok(_) => Ok(pem),
            Err(error) => Err(unusable("authorities", file, error)),
        }
    });
    let client_tls = options.certificate_files.as_ref().map(|(certificate, key)| -> Result<_, FleetError> {
        let pair = ClientTlsConfig {
            client_cert: read("certificate", certificate, MAX_PEM_BYTES)?,
            client_key: read("key", key, MAX_PEM_BYTES)?,
        };
        PrivateKeyDer::from_pem_slice(&pair.client_key).map_err(|error| unusable("key", key, error))?;
        CertificateDer::from_pem_slice(&pair.client_cert)
            .map_err(|error| unusable("certificate", certificate, error))?;
        Ok(pair)
    });
    Ok(TlsCertificates { client_tls: client_tls.transpose()?, root_cert: root_cert.transpose()? })
}

fn unusable(what: &'static str, file: &Path, reason: impl fmt::Display) -> FleetError {
    FleetError::File { what, file: file.to_owned(), reason: reason.to_string() }
}

fn read(what: &'static str, file: &Path, max_bytes: u64) -> Result<Vec<u8>, FleetError> {
    regular_file::read(file, max_bytes).map_err(|error| unusable(what, file, error))
}

/// A text without the white space around it.
fn read_text(what: &'static str, file: &Path) -> Result<String, FleetError> {
    let bytes = read(what, file, MAX_PASSWORD_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|_| unusable(what, file, "it is not text"))?;
    match text.trim() {
        "" => Err(unusable(what, file, "it is empty")),
        text => Ok(text.to_owned()),
    }
}

/// The URL without user and password, even if it is malformed.
fn without_credentials(url: &str) -> String {
    let start = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url.rfind('@').map_or(start, |at| at + 1);
    format!("{}{}", &url[..start], url.get(end.max(start)..).unwrap_or_default())
}

impl fmt::Debug for EngineSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EngineSettings").field(&self.to_string()).finish()
    }
}

/// The address, without user and password.
impl fmt::Display for EngineSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            EngineTarget::Server(client) => write!(f, "{}", client.get_connection_info().addr()),
            EngineTarget::Sentinel(SentinelTarget { sentinels, master, .. }) => {
                write!(f, "{master} of the Sentinels")?;
                sentinels
                    .iter()
                    .enumerate()
                    .try_for_each(|(index, sentinel)| write!(f, "{}{sentinel}", if index == 0 { " " } else { ", " }))
            }
        }
    }
}

impl From<redis::RedisError> for FleetError {
    fn from(error: redis::RedisError) -> Self {
        Self::Failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(url: &str) -> Result<EngineSettings, FleetError> {
        EngineSettings::new(EngineSpec { url: url.to_owned(), prefix: "v".to_owned(), ..EngineSpec::default() })
    }

    #[test]
    fn urls_name_a_server_or_a_master() {
        for (url, shown) in [
            ("redis://a", "a:6379"),
            ("redis://user:hidden@a:1/2", "a:1"),
            ("valkeys://a:1", "a:1"),
            ("redis+unix:///run/redis.sock", "/run/redis.sock"),
            ("redis+sentinel://a/main", "main of the Sentinels a:26379"),
            ("rediss+sentinel://user:hid,den@a:1,[::1],b:2/main/3", "main of the Sentinels a:1, ::1:26379, b:2"),
        ] {
            assert_eq!(engine(url).expect(url).to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_url_of_an_engine_is_refused_without_its_password() {
        for url in [
            "http://user:hidden@a",
            "redis://user:hidden@a/x",
            "rediss://user:hidden@a/#insecure",
            "redis+sentinel://user:hidden@a",
            "redis+sentinel://user:hidden@a/",
            "redis+sentinel://user:hidden@a,,b/main",
            "redis+sentinel://user:hidden@a:x/main",
            "redis+sentinel://user:hidden@a/main/x",
            "hidden@",
        ] {
            let error = engine(url).expect_err(url).to_string();
            assert!(error.contains("is no URL of an engine") && !error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn a_master_has_the_user_and_the_password_of_the_url() {
        let EngineTarget::Sentinel(target) = engine("redis+sentinel://me:p%40ss@a,b/main/3").expect("it is one").target
        else {
            panic!("it has Sentinels");
        };
        let settings = &target.settings;
        assert_eq!((settings.username(), settings.password(), settings.db()), (Some("me"), Some("p@ss"), 3));
        assert_eq!((target.sentinels.len(), &*target.master), (2, "main"));
    }
}
