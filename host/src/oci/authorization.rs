//! How a registry is told who the host is: by a password, or by a token that another server gives for it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::credentials::Credentials;
use super::error::OciError;

/// What a request does in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Access {
    Pull,
    Push,
}

/// Where a registry sends the host for a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TokenRequest {
    realm: String,
    service: Option<String>,
}

impl TokenRequest {
    /// What the fields of a response with the status 401 ask for. `None` is a password.
    pub(super) fn asked(registry: &str, fields: &HeaderMap) -> Result<Option<Self>, OciError> {
        let nonsense = || OciError::Nonsense { registry: registry.to_owned(), what: "no question that the host knows" };
        let values = fields.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenges = values.filter_map(|value| http_auth::parse_challenges(value).ok()).flatten();
        let mut takes_password = false;
        for challenge in challenges {
            let parameter = |name: &str| {
                let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let realm = parameter("realm").ok_or_else(nonsense)?;
                return Ok(Some(Self { realm, service: parameter("service") }));
            }
            takes_password |= challenge.scheme.eq_ignore_ascii_case("basic");
        }
        if takes_password { Ok(None) } else { Err(nonsense()) }
    }

    /// The URL that gives a token for a repository.
    pub(super) fn url(&self, repository: &str, access: Access, credentials: Option<&Credentials>) -> String {
        if let Some(Credentials::IdentityToken(_)) = credentials {
            return self.realm.clone();
        }
        let separator = if self.realm.contains('?') { '&' } else { '?' };
        format!("{}{separator}{}", self.realm, self.parameters(repository, access))
    }

    /// The request to that URL.
    pub(super) fn request(
        &self,
        repository: &str,
        access: Access,
        credentials: Option<&Credentials>,
    ) -> Result<(Method, HeaderMap, Bytes), OciError> {
        let mut fields = HeaderMap::new();
        match credentials {
            None => Ok((Method::GET, fields, Bytes::new())),
            Some(password @ Credentials::Password { .. }) => {
                fields.insert(AUTHORIZATION, basic(repository, password)?);
                Ok((Method::GET, fields, Bytes::new()))
            }
            Some(Credentials::IdentityToken(token)) => {
                fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
                let (token, parameters) = (encoded(token), self.parameters(repository, access));
                let body = format!("grant_type=refresh_token&client_id=vibrato&refresh_token={token}&{parameters}");
                Ok((Method::POST, fields, Bytes::from(body)))
            }
        }
    }

    fn parameters(&self, repository: &str, access: Access) -> String {
        let actions = match access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        let scope = format!("scope={}", encoded(&format!("repository:{repository}:{actions}")));
        self.service.iter().fold(scope, |all, service| format!("{all}&service={}", encoded(service)))
    }
}

/// The value of `authorization` for a password.
pub(super) fn basic(registry: &str, credentials: &Credentials) -> Result<HeaderValue, OciError> {
    let refused = || OciError::Credentials {
        registry: registry.to_owned(),
        reason: "it takes a password, and there is an identity token".to_owned(),
    };
    let Credentials::Password { user, password } = credentials else { return Err(refused()) };
    secret(&format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))).ok_or_else(refused)
}

/// The value of `authorization` for a token, out of the answer that has it.
pub(super) fn bearer(registry: &str, answer: &[u8]) -> Result<HeaderValue, OciError> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let token = answer["token"].as_str().or_else(|| answer["access_token"].as_str());
    let value = token.and_then(|token| secret(&format!("Bearer {token}")));
    value.ok_or_else(|| OciError::Nonsense { registry: registry.to_owned(), what: "no token" })
}

/// A value that is not printed.
fn secret(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(values: &[&'static str]) -> Result<Option<TokenRequest>, OciError> {
        let mut fields = HeaderMap::new();
        values.iter().for_each(|value| _ = fields.append(WWW_AUTHENTICATE, HeaderValue::from_static(value)));
        TokenRequest::asked("registry", &fields)
    }

    #[test]
    fn a_registry_asks_for_a_token_or_for_a_password() {
        let token = |realm: &str, service: Option<&str>| {
            Some(TokenRequest { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        for (values, expected) in [
            (&[r#"Bearer realm="https://a/t",service="s",scope="x""#][..], token("https://a/t", Some("s"))),
            (&[r#"bearer realm="https://a/t?x=1""#], token("https://a/t?x=1", None)),
            (&[r#"Basic realm="a, Bearer""#], None),
            (&[r#"Basic realm="a""#, r#"Bearer realm="https://a/t""#], token("https://a/t", None)),
        ] {
            assert_eq!(asked(values).ok(), Some(expected), "{values:?}");
        }
        for values in [&[][..], &["Negotiate"], &["Bearer"], &["Bearer realm"], &["\"\"\"", ",,,"]] {
            assert!(asked(values).is_err(), "{values:?}");
        }
    }

    #[test]
    fn a_token_is_asked_for_one_repository_and_nothing_of_it_leaves_its_parameter() {
        let request = TokenRequest { realm: "https://a/t?x=1".to_owned(), service: Some("a b&c".to_owned()) };
        let url = request.url("shop/cart", Access::Pull, None);
        assert_eq!(url, "https://a/t?x=1&scope=repository%3Ashop%2Fcart%3Apull&service=a%20b%26c");
        let identity = Credentials::IdentityToken("a&b".to_owned());
        assert_eq!(request.url("shop/cart", Access::Push, Some(&identity)), "https://a/t?x=1");
        let (method, _, body) = request.request("a", Access::Push, Some(&identity)).expect("it can be made");
        assert_eq!(method, Method::POST);
        let expected = "grant_type=refresh_token&client_id=vibrato&refresh_token=a%26b&scope=repository%3Aa%3Apull%2Cpush&service=a%20b%26c";
        assert_eq!(body, expected);
    }

    #[test]
    fn a_token_is_not_printed() {
        for answer in [r#"{"token": "abc"}"#, r#"{"access_token": "abc", "expires_in": 60}"#] {
            let value = bearer("registry", answer.as_bytes()).expect("it has a token");
            assert_eq!((value.as_bytes(), format!("{value:?}")), (&b"Bearer abc"[..], "Sensitive".to_owned()));
        }
        for answer in ["", "{}", r#"{"token": 1}"#, r#"{"token": "a\nb"}"#] {
            assert!(bearer("registry", answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
