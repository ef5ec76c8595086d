//! The credentials for a registry, where `docker login` has put them: in `config.json` or with a helper that it names.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tokio::sync::oneshot;

use super::error::OciError;
use crate::regular_file::{self, ReadError};

/// The largest configuration that is read, in bytes.
const MAX_CONFIG: u64 = 1024 * 1024;

/// The most that a helper may print, in bytes.
const MAX_PRINTED: u64 = 64 * 1024;

/// How long a helper may take.
const HELPER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a helper prints if it has no credentials.
const NOT_FOUND: &str = "credentials not found";

/// The user that a helper gives with an identity token.
const TOKEN_USER: &str = "<token>";

/// The registry of Docker, and what its credentials are kept under.
const DOCKER: (&str, &str) = ("docker.io", "https://index.docker.io/v1/");

/// Credentials. They are never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    Password {
        user: String,
        password: String,
    },
    /// It is exchanged for a token.
    IdentityToken(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// The credentials for a registry that the configuration has. `None` if it has none, or is not there.
pub(super) async fn find(config: &Path, registry: &str) -> Result<Option<Credentials>, OciError> {
    let (found, receiver) = oneshot::channel();
    let (config, asked) = (config.to_owned(), registry.to_owned());
    // A helper may wait for a keyring.
    let thread = std::thread::Builder::new().name("credentials".to_owned());
    let spawned = thread.spawn(move || drop(found.send(look_up(&config, &asked))));
    let failed = |reason: String| OciError::Credentials { registry: registry.to_owned(), reason };
    spawned.map_err(|error| failed(error.to_string()))?;
    receiver.await.map_err(|error| failed(error.to_string()))?.map_err(failed)
}

/// What `config.json` says of a registry.
enum Entry {
    Credentials(Credentials),
    /// The name of a helper that has them.
    Helper(String),
    Nothing,
}

fn look_up(config: &Path, registry: &str) -> Result<Option<Credentials>, String> {
    let bytes = match regular_file::read(config, MAX_CONFIG) {
        Ok(bytes) => bytes,
        Err(ReadError::System(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", config.display())),
    };
    // The parser's message may quote what is secret.
    let parsed: Value = serde_json::from_slice(&bytes).map_err(|_| format!("{} is not JSON", config.display()))?;
    match entry(&parsed, registry).map_err(|reason| format!("{} {reason}", config.display()))? {
        Entry::Credentials(credentials) => Ok(Some(credentials)),
        Entry::Helper(name) => ask_helper(&name, key(registry)),
        Entry::Nothing => Ok(None),
    }
}

fn entry(config: &Value, registry: &str) -> Result<Entry, &'static str> {
    let helper = |value: &Value| value.as_str().map(|name| Entry::Helper(name.to_owned()));
    let named = |table: &Value| {
        let entries = table.as_object().into_iter().flatten();
        entries.filter(|(name, _)| host(name) == host(key(registry))).map(|(_, value)| value.clone()).next()
    };
    if let Some(helper) = named(&config["credHelpers"]).as_ref().and_then(helper) {
        return Ok(helper);
    }
    if let Some(credentials) = named(&config["auths"]).map(|entry| credentials(&entry)).transpose()?.flatten() {
        return Ok(Entry::Credentials(credentials));
    }
    Ok(helper(&config["credsStore"]).unwrap_or(Entry::Nothing))
}

fn credentials(entry: &Value) -> Result<Option<Credentials>, &'static str> {
    let text = |name: &str| entry[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credentials::IdentityToken(token)));
    }
    if let Some(auth) = text("auth") {
        let wrong = "has an entry `auth` that is not USER:PASSWORD in base64";
        let decoded = BASE64_STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let (user, password) = decoded.as_deref().and_then(|text| text.split_once(':')).ok_or(wrong)?;
        // Old clients fill it up.
        let password = password.trim_end_matches('\0');
        return Ok(Some(Credentials::Password { user: user.to_owned(), password: password.to_owned() }));
    }
    let pair = text("username").zip(text("password"));
    Ok(pair.map(|(user, password)| Credentials::Password { user, password }))
}

/// What the credentials of a registry are kept under.
fn key(registry: &str) -> &str {
    if registry == DOCKER.0 { DOCKER.1 } else { registry }
}

/// The host of an entry, which may be a URL.
fn host(entry: &str) -> &str {
    let rest = entry.strip_prefix("https://").or_else(|| entry.strip_prefix("http://")).unwrap_or(entry);
    rest.split('/').next().unwrap_or_default()
}

/// Asks `docker-credential-NAME`.
fn ask_helper(name: &str, registry: &str) -> Result<Option<Credentials>, String> {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(is_sign) {
        return Err("the name of the helper is not valid".to_owned());
    }
    let program = format!("docker-credential-{name}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("the helper {program} cannot be started: {error}"))?;
    let printed = printed(&mut child, registry);
    // It may have ended by itself.
    let _ = child.kill();
    let status = child.wait().map_err(|error| format!("the helper {program}: {error}"))?;
    let printed = printed.ok_or_else(|| format!("the helper {program} takes longer than {HELPER_TIMEOUT:?}"))?;
    let answer: Value = match serde_json::from_slice(&printed) {
        Ok(answer) => answer,
        Err(_) if String::from_utf8_lossy(&printed).contains(NOT_FOUND) => return Ok(None),
        Err(_) => return Err(format!("the helper {program} has failed ({status})")),
    };
    match (answer["Username"].as_str(), answer["Secret"].as_str()) {
        (Some(TOKEN_USER), Some(token)) => Ok(Some(Credentials::IdentityToken(token.to_owned()))),
        (Some(user), Some(password)) => {
            Ok(Some(Credentials::Password { user: user.to_owned(), password: password.to_owned() }))
        }
        _ => Err(format!("the helper {program} gives no user and password")),
    }
}

/// What a helper prints to its end. `None` if it takes too long.
fn printed(child: &mut Child, registry: &str) -> Option<Vec<u8>> {
    let (mut stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
    let (sender, receiver) = mpsc::channel();
    // If it reads nothing, what it prints says why.
    let _ = stdin.write_all(registry.as_bytes());
    drop(stdin);
    std::thread::spawn(move || {
        let mut printed = Vec::new();
        let _ = stdout.take(MAX_PRINTED).read_to_end(&mut printed);
        let _ = sender.send(printed);
    });
    receiver.recv_timeout(HELPER_TIMEOUT).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(config: &Value, registry: &str) -> Result<Option<Credentials>, String> {
        let file = tempfile::NamedTempFile::new().expect("a file can be made");
        std::fs::write(file.path(), config.to_string()).expect("it can be written");
        look_up(file.path(), registry)
    }

    fn password(user: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::Password { user: user.to_owned(), password: password.to_owned() })
    }

    #[test]
    fn credentials_are_those_of_the_registry_in_every_form_of_its_name() {
        let auth = |text: &str| json!({ "auth": BASE64_STANDARD.encode(text) });
        for (name, registry, is_found) in [
            ("registry.example", "registry.example", true),
            ("https://registry.example", "registry.example", true),
            ("https://registry.example/v2/", "registry.example", true),
            ("registry.example:5000", "registry.example:5000", true),
            ("registry.example:5000", "registry.example", false),
            ("registry.example", "registry.example:5000", false),
            ("registry.example", "other.example", false),
            ("https://index.docker.io/v1/", "docker.io", true),
        ] {
            let expected = if is_found { password("me", "pass:word") } else { None };
            assert_eq!(found(&json!({ "auths": { name: auth("me:pass:word") } }), registry), Ok(expected), "{name}");
        }
        let token = json!({ "auths": { "a": { "identitytoken": "t", "auth": BASE64_STANDARD.encode("me:") } } });
        assert_eq!(found(&token, "a"), Ok(Some(Credentials::IdentityToken("t".to_owned()))));
        let plain = json!({ "auths": { "a": { "username": "me", "password": "word" } } });
        assert_eq!(found(&plain, "a"), Ok(password("me", "word")));
        assert_eq!(found(&json!({ "auths": { "a": {} } }), "a"), Ok(None));
        assert_eq!(look_up(Path::new("/nowhere/config.json"), "a"), Ok(None));
    }

    #[test]
    fn a_broken_configuration_is_told_without_what_is_secret_in_it() {
        for config in
            [json!({ "auths": { "a": { "auth": "c2VjcmV0" } } }), json!({ "auths": { "a": { "auth": "%secret" } } })]
        {
            let told = found(&config, "a").expect_err("it is broken");
            assert!(told.contains("`auth`") && !told.contains("secret") && !told.contains("c2VjcmV0"), "{told}");
        }
        let file = tempfile::NamedTempFile::new().expect("a file can be made");
        std::fs::write(file.path(), "{ secret").expect("it can be written");
        let told = look_up(file.path(), "a").expect_err("it is broken");
        assert!(told.ends_with("is not JSON"), "{told}");
        assert_eq!(format!("{:?}", password("me", "secret")), "Some(Credentials)");
    }

    #[test]
    fn a_helper_that_is_needed_and_not_there_is_named() {
        for config in
            [json!({ "credHelpers": { "a": "of-nobody" } }), json!({ "auths": { "a": {} }, "credsStore": "of-nobody" })]
        {
            let told = found(&config, "a").expect_err("there is none");
            assert!(told.contains("the helper docker-credential-of-nobody cannot be started"), "{told}");
        }
        assert!(found(&json!({ "credsStore": "../x" }), "a").is_err_and(|told| told.contains("not valid")));
    }
}
