//! Requests to an authority, by the client that handlers use.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};

use super::settings::AcmeSettings;
use crate::outbound::{
    CallTimeouts, HttpGrant, HttpLimits, InvocationCalls, Network, Origin, Scheme, TargetUrl, UpstreamBody,
    UpstreamClient, UpstreamFailure, UpstreamRequest,
};

/// The most bytes of a response.
const MAX_RESPONSE: u64 = 1024 * 1024;

/// The most servers that the connections are kept of.
const MAX_SERVERS: usize = 8;

/// The longest `Retry-After` that is understood, in digits of seconds.
const MAX_RETRY_DIGITS: usize = 7;

/// All addresses.
const ANY_ADDRESS: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// The server of an authority. Clones share their connections.
#[derive(Debug, Clone)]
pub(super) struct AuthorityClient(Arc<ClientState>);

#[derive(Debug)]
struct ClientState {
    client: Arc<UpstreamClient>,
    /// The server that the operator has named, which may have any address.
    named: Origin,
    servers: Mutex<HashMap<Origin, Arc<HttpGrant>>>,
    /// How long the authority has asked to wait in the last response that has refused something.
    retry_after: Mutex<Option<Duration>>,
}

impl AuthorityClient {
    pub(super) fn new(settings: &AcmeSettings) -> Self {
        Self(Arc::new(ClientState {
            client: Arc::new(UpstreamClient::new(MAX_SERVERS as u32, settings.trusted.clone())),
            named: settings.directory.origin().clone(),
            servers: Mutex::default(),
            retry_after: Mutex::default(),
        }))
    }

    /// How long the authority has asked to wait since the last call of this.
    pub(super) fn take_retry_after(&self) -> Option<Duration> {
        self.0.retry_after.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn send(&self, request: Request<BodyWrapper<Bytes>>) -> Result<Response<Bytes>, UpstreamFailure> {
        let (head, body) = request.into_parts();
        let target: TargetUrl =
            head.uri.to_string().parse().map_err(|error| UpstreamFailure::Invalid(format!("its URL {error}")))?;
        if target.origin.scheme != Scheme::Https {
            return Err(UpstreamFailure::Invalid("its URL is without TLS".to_owned()));
        }
        let grant = self.grant(&target.origin)?;
        let Ok(body) = body.collect().await;
        let body = match body.to_bytes() {
            body if body.is_empty() => UpstreamBody::Empty,
            body => UpstreamBody::Whole(body),
        };
        let request = UpstreamRequest {
            method: head.method,
            target,
            fields: head.headers,
            body,
            timeouts: CallTimeouts::default(),
        };
        let mut response = grant.start(&InvocationCalls::new(grant.limits()), request).await?;
        let mut content = BytesMut::new();
        while let Some(piece) = response.read(usize::MAX).await? {
            content.extend_from_slice(&piece);
        }
        let mut received = Response::new(content.freeze());
        *received.status_mut() =
            response.status().try_into().map_err(|_| UpstreamFailure::Protocol("it has no status".to_owned()))?;
        *received.headers_mut() = response.fields().clone();
        self.heed_retry_after(response.status(), received.headers_mut());
        Ok(received)
    }

    /// What may be reached: the server that the operator has named, at any address, and others that it names at public ones.
    fn grant(&self, origin: &Origin) -> Result<Arc<HttpGrant>, UpstreamFailure> {
        let state = &self.0;
        let mut servers = state.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(grant) = servers.get(origin) {
            return Ok(grant.clone());
        }
        let pattern = origin.to_string().parse();
        let pattern = pattern.map_err(|error| UpstreamFailure::Invalid(format!("its URL {error}")))?;
        let any = || ANY_ADDRESS.iter().filter_map(|network| network.parse::<Network>().ok());
        let private = if *origin == state.named { any().collect() } else { Vec::new() };
        let limits = HttpLimits { private, max_response: MAX_RESPONSE, ..HttpLimits::default() };
        let grant = HttpGrant::new(state.client.clone(), vec![pattern], limits);
        if servers.len() >= MAX_SERVERS {
            servers.clear();
        }
        servers.insert(origin.clone(), grant.clone());
        Ok(grant)
    }

    /// Notes how long a response that refuses something asks to wait, and removes what cannot be added to a time.
    fn heed_retry_after(&self, status: u16, fields: &mut HeaderMap) {
        let Some(value) = fields.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::trim) else { return };
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = if digits && value.len() <= MAX_RETRY_DIGITS { value.parse().ok() } else { None };
        if let Some(seconds) = seconds.filter(|_| status >= 400) {
            let mut retry_after = self.0.retry_after.lock().unwrap_or_else(PoisonError::into_inner);
            *retry_after = Some(Duration::from_secs(seconds));
        }
        if seconds.is_none() {
            fields.remove(RETRY_AFTER);
        }
    }
}

impl HttpClient for AuthorityClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let response = client.send(request).await;
            let (parts, body) = response.map_err(|error| instant_acme::Error::Other(Box::new(error)))?.into_parts();
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::acme::AcmeDirectory;

    #[test]
    fn the_authority_says_how_long_to_wait_in_seconds_that_can_be_added_to_a_time() {
        let settings = AcmeSettings {
            domains: Vec::new(),
            directory: AcmeDirectory::LETS_ENCRYPT.parse().expect("it is a URL"),
            email: None,
            trusted: Vec::new(),
            challenges: Vec::new(),
        };
        let client = AuthorityClient::new(&settings);
        for (status, value, waits, stays) in [
            (429, "3600", Some(3600), true),
            (503, " 0 ", Some(0), true),
            (200, "3", None, true),
            (429, "18446744073709551615", None, false),
            (429, "99999999", None, false),
            (429, "-1", None, false),
            (429, "+1", None, false),
            (429, "Fri, 31 Dec 9999 23:59:59 GMT", None, false),
            (429, "", None, false),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(RETRY_AFTER, HeaderValue::from_static(value));
            client.heed_retry_after(status, &mut fields);
            assert_eq!(client.take_retry_after(), waits.map(Duration::from_secs), "{value:?}");
            assert_eq!(fields.contains_key(RETRY_AFTER), stays, "{value:?}");
        }
    }
}
