//! What an operator asks a host to listen on: an address, and the settings of all connections to it.
//!
//! The grammar is `[http://|https://]ADDRESS[,proxy=required]`. An address is `HOST:PORT`, `unix:PATH[,mode=0660]`, or
//! `fd:NAME` for sockets that a service manager has opened.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// The mode of a Unix socket unless the operator gives another: only the host's user connects.
const PRIVATE: u32 = 0o600;

/// The longest path of a Unix socket. The system stores it with a zero byte in 108 bytes.
const MAX_PATH_BYTES: usize = 107;

/// What to listen on, as an operator writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenSpec {
    text: String,
    target: ListenTarget,
    settings: ListenerSettings,
}

/// Where the sockets of a [`ListenSpec`] come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenTarget {
    /// All addresses of a host, with a port: `example.org:80`, `[::1]:0`.
    Host(String),
    /// A Unix socket that is made.
    Unix {
        /// Its path.
        path: PathBuf,
        /// The mode of its file.
        mode: u32,
    },
    /// All sockets of this name that the service manager has passed to this process.
    Inherited(String),
}

/// The settings of all connections of a listener.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListenerSettings {
    /// What the connections are for.
    pub role: Role,
    /// Whether they are encrypted.
    pub scheme: Scheme,
    /// Whether they start with a header of the PROXY protocol.
    pub proxy_header: ProxyHeader,
}

/// What a listener's connections are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// Requests to the routes.
    #[default]
    Public,
    /// Requests of the operator: metrics and health. No route answers them.
    Admin,
}

/// The scheme of the URLs of a listener.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Without encryption.
    #[default]
    Http,
    /// TLS.
    Https,
}

/// Whether the connections of a listener start with a header of the PROXY protocol, in which a proxy names the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// They do not. Such a header is no HTTP and gets 400.
    #[default]
    None,
    /// Each does. A connection without it is closed.
    Required,
}

/// Why a text says nothing to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ListenSpecError {
    /// There is no port, or it is no number up to 65535.
    #[error("expected host:port, as in 127.0.0.1:8000, or unix:/path, or fd:NAME")]
    NoPort,
    /// There is a port alone.
    #[error("expected a host before the port: 127.0.0.1 for this machine alone, 0.0.0.0 or [::] for all addresses")]
    NoHost,
    /// An address of IPv6 is not in brackets, so that it cannot be told from its port.
    #[error("expected an IPv6 address in brackets, as in [::1]:8000")]
    NoBrackets,
    /// The host has something of a URL behind it, or characters that no name has.
    #[error("expected only a host and a port, without a path or a user")]
    Url,
    /// Another scheme.
    #[error("expected http:// or https:// before the address, or neither")]
    Scheme,
    /// A Unix socket without a `/` in its path could also be meant as a host and a port.
    #[error("expected a path with a slash after unix:, as in unix:/run/host.sock or unix:./host.sock")]
    NoPath,
    /// The path does not fit into an address of the system.
    #[error("expected a path of up to {MAX_PATH_BYTES} bytes after unix:, without a zero byte")]
    LongPath,
    /// The name of an inherited socket is empty, or has characters that systemd does not allow.
    #[error("expected a name after fd:, as FileDescriptorName= of a systemd socket unit gives it")]
    NoName,
    /// A setting that does not exist, or not for this kind of socket.
    #[error("expected no other settings than proxy=required, and mode= for a Unix socket; found {0:?}")]
    Setting(String),
    /// The listener of the operator is neither encrypted nor behind a proxy that names clients.
    #[error("expected an address without https:// and without proxy=required: the admin listener has neither")]
    NotForAdmin,
    /// A setting that is there twice.
    #[error("expected each setting once; found {0:?} again")]
    Repeated(String),
    /// A mode that is no octal number up to 777.
    #[error("expected an octal number up to 0777 after mode=, as in mode=0660")]
    Mode,
}

impl ListenSpec {
    /// The same for requests of the operator, if it has no settings that only public listeners have.
    ///
    /// # Errors
    /// It is encrypted, or its connections start with a header of the PROXY protocol.
    pub fn for_admin(self) -> Result<Self, ListenSpecError> {
        if self.settings.scheme == Scheme::Https || self.settings.proxy_header == ProxyHeader::Required {
            return Err(ListenSpecError::NotForAdmin);
        }
        Ok(Self { settings: ListenerSettings { role: Role::Admin, ..self.settings }, ..self })
    }

    /// Where its sockets come from.
    #[must_use]
    pub fn target(&self) -> &ListenTarget {
        &self.target
    }

    /// The flag that gives it.
    #[must_use]
    pub fn flag(&self) -> &'static str {
        match self.settings.role {
            Role::Public => "--listen",
            Role::Admin => "--admin",
        }
    }

    /// The settings of its connections.
    #[must_use]
    pub fn settings(&self) -> ListenerSettings {
        self.settings
    }
}

/// As it was written.
impl fmt::Display for ListenSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ListenSpec {
    type Err = ListenSpecError;

    fn from_str(text: &str) -> Result<Self, ListenSpecError> {
        let (scheme, rest) = split_scheme(text)?;
        let mut parts = rest.split(',');
        let mut target = parse_target(parts.next().unwrap_or_default())?;
        let mut settings = ListenerSettings { scheme, ..ListenerSettings::default() };
        let mut seen: Vec<&str> = Vec::new();
        for part in parts {
            let name = part.split_once('=').map_or(part, |(name, _)| name);
            if seen.contains(&name) {
                return Err(ListenSpecError::Repeated(name.to_owned()));
            }
            seen.push(name);
            match (part.split_once('='), &mut target) {
                (Some(("proxy", "required")), _) => settings.proxy_header = ProxyHeader::Required,
                (Some(("mode", octal)), ListenTarget::Unix { mode, .. }) => *mode = parse_mode(octal)?,
                _ => return Err(ListenSpecError::Setting(part.to_owned())),
            }
        }
        Ok(Self { text: text.to_owned(), target, settings })
    }
}

impl Scheme {
    /// Its name in a URL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), ListenSpecError> {
    match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => Ok((Scheme::Http, rest)),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => Ok((Scheme::Https, rest)),
        Some(_) => Err(ListenSpecError::Scheme),
        None => Ok((Scheme::default(), text)),
    }
}

fn parse_target(text: &str) -> Result<ListenTarget, ListenSpecError> {
    if let Some(path) = text.strip_prefix("unix:") {
        if !path.contains('/') || path.ends_with('/') {
            return Err(ListenSpecError::NoPath);
        }
        if path.len() > MAX_PATH_BYTES || path.contains('\0') {
            return Err(ListenSpecError::LongPath);
        }
        return Ok(ListenTarget::Unix { path: PathBuf::from(path), mode: PRIVATE });
    }
    if let Some(name) = text.strip_prefix("fd:") {
        // As systemd.socket(5) has them.
        let is_name =
            (1..=255).contains(&name.len()) && name.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b':');
        return if is_name { Ok(ListenTarget::Inherited(name.to_owned())) } else { Err(ListenSpecError::NoName) };
    }
    let (host, port) = text.rsplit_once(':').ok_or(ListenSpecError::NoPort)?;
    if host.is_empty() {
        return Err(ListenSpecError::NoHost);
    }
    if text.contains(['/', '@', '?', '#']) || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(ListenSpecError::Url);
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(ListenSpecError::NoBrackets);
    }
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if is_port { Ok(ListenTarget::Host(text.to_owned())) } else { Err(ListenSpecError::NoPort) }
}

fn parse_mode(text: &str) -> Result<u32, ListenSpecError> {
    let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
    mode.ok_or(ListenSpecError::Mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> ListenTarget {
        ListenTarget::Host(text.to_owned())
    }

    fn unix(path: &str, mode: u32) -> ListenTarget {
        ListenTarget::Unix { path: PathBuf::from(path), mode }
    }

    fn inherited(name: &str) -> ListenTarget {
        ListenTarget::Inherited(name.to_owned())
    }

    #[test]
    fn an_address_may_have_a_scheme_and_settings() {
        use ProxyHeader::{None as Absent, Required};
        use Scheme::{Http, Https};
        let rows = [
            ("127.0.0.1:8000", host("127.0.0.1:8000"), Http, Absent),
            ("localhost:0", host("localhost:0"), Http, Absent),
            ("[::1]:65535", host("[::1]:65535"), Http, Absent),
            ("[fe80::1%eth0]:80", host("[fe80::1%eth0]:80"), Http, Absent),
            ("http://0.0.0.0:80", host("0.0.0.0:80"), Http, Absent),
            ("https://0.0.0.0:443", host("0.0.0.0:443"), Https, Absent),
            ("HTTPS://example.org:443", host("example.org:443"), Https, Absent),
            ("https://[::]:443,proxy=required", host("[::]:443"), Https, Required),
            ("unix:/run/host.sock", unix("/run/host.sock", 0o600), Http, Absent),
            ("unix:./s", unix("./s", 0o600), Http, Absent),
            ("unix:run/host:80", unix("run/host:80", 0o600), Http, Absent),
            ("unix:/s,mode=0660", unix("/s", 0o660), Http, Absent),
            ("unix:/s,mode=666,proxy=required", unix("/s", 0o666), Http, Required),
            ("unix:/s,proxy=required,mode=0000", unix("/s", 0), Http, Required),
            ("https://unix:/s", unix("/s", 0o600), Https, Absent),
            ("fd:web", inherited("web"), Http, Absent),
            ("fd:host.socket,proxy=required", inherited("host.socket"), Http, Required),
            ("https://fd:tls", inherited("tls"), Https, Absent),
        ];
        for (text, target, scheme, proxy_header) in rows {
            let spec: ListenSpec = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(spec.target(), &target, "{text}");
            assert_eq!(spec.settings(), ListenerSettings { role: Role::Public, scheme, proxy_header }, "{text}");
            assert_eq!(spec.to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_was_expected() {
        use ListenSpecError::{
            LongPath, Mode, NoBrackets, NoHost, NoName, NoPath, NoPort, Repeated, Scheme, Setting, Url,
        };
        let long = format!("unix:/{}", "x".repeat(MAX_PATH_BYTES));
        let rows = [
            ("", NoPort),
            ("nowhere", NoPort),
            ("127.0.0.1", NoPort),
            ("127.0.0.1:", NoPort),
            ("127.0.0.1:http", NoPort),
            ("127.0.0.1:65536", NoPort),
            ("127.0.0.1:+80", NoPort),
            ("127.0.0.1:-1", NoPort),
            ("[::1]", NoBrackets),
            ("::1:80", NoBrackets),
            ("[::1:80", NoBrackets),
            (":8000", NoHost),
            ("http://:80", NoHost),
            ("http://127.0.0.1:80/", Url),
            ("user@127.0.0.1:80", Url),
            (" 127.0.0.1:80", Url),
            ("127.0.0.1 :80", Url),
            ("127.0.0.1:80 ", Url),
            ("ftp://127.0.0.1:80", Scheme),
            ("://127.0.0.1:80", Scheme),
            ("http://https://127.0.0.1:80", Url),
            ("unix:", NoPath),
            ("unix:8000", NoPath),
            ("unix:@abstract", NoPath),
            ("unix:/run/", NoPath),
            ("unix:/a\0b", LongPath),
            (&long, LongPath),
            ("fd:", NoName),
            ("fd:a:b", NoName),
            ("fd:a\nb", NoName),
            ("unix:/s,mode=", Mode),
            ("unix:/s,mode=0o660", Mode),
            ("unix:/s,mode=+660", Mode),
            ("unix:/s,mode=0888", Mode),
            ("unix:/s,mode=1777", Mode),
            ("unix:/s,mode=6", Mode),
            ("unix:/s,mode", Setting("mode".to_owned())),
            ("unix:/s,", Setting(String::new())),
            ("unix:/s,owner=www", Setting("owner=www".to_owned())),
            ("127.0.0.1:80,mode=0660", Setting("mode=0660".to_owned())),
            ("fd:web,mode=0660", Setting("mode=0660".to_owned())),
            ("127.0.0.1:80,proxy", Setting("proxy".to_owned())),
            ("127.0.0.1:80,proxy=yes", Setting("proxy=yes".to_owned())),
            ("127.0.0.1:80,Proxy=required", Setting("Proxy=required".to_owned())),
            ("127.0.0.1:80, proxy=required", Setting(" proxy=required".to_owned())),
            ("127.0.0.1:80,proxy=required,proxy=required", Repeated("proxy".to_owned())),
            ("unix:/s,mode=0660,mode=0600", Repeated("mode".to_owned())),
        ];
        for (text, error) in rows {
            assert_eq!(text.parse::<ListenSpec>(), Err(error), "{text:?}");
        }
    }
}
