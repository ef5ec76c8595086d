//! One order: from the account to the files of a certificate.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeHandle, ChallengeType, Identifier, NewAccount, NewOrder,
    Order, OrderStatus, Problem, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio::sync::Mutex;

use super::client::AuthorityClient;
use super::settings::{AcmeDomain, AcmeSettings, ChallengeKind};
use super::store::{AcmeStore, AcmeStoreError};
use crate::certificates::{AnsweredChallenge, CertificateError, CertificateFiles, PendingChallenges, check_for_name};
use crate::outbound::UpstreamFailure;

/// How long the authority may take to look at a challenge, and to issue a certificate.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a whole order may take.
const MAX_ORDER: Duration = Duration::from_secs(600);

/// The most characters of what an authority says of a failure.
const MAX_DETAIL: usize = 500;

/// The account is not known to the authority any more (RFC 8555 section 6.7).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why there is no certificate.
#[derive(Debug, Error)]
pub(super) enum OrderError {
    /// There is no answer.
    #[error("the authority cannot be reached: {0}")]
    Unreachable(UpstreamFailure),
    /// It has answered with an error.
    #[error("the authority has refused it: {0}")]
    Refused(String),
    /// It has answered with something that is no ACME.
    #[error("the authority has answered something else than ACME: {0}")]
    Protocol(String),
    /// It could not verify that the name leads here.
    #[error("the authority could not verify that the name leads to this host, by {kind}: {detail}")]
    Challenge {
        /// How.
        kind: ChallengeKind,
        /// What it says.
        detail: String,
    },
    /// It knows no way to verify the name that the host has.
    #[error("the authority offers no challenge that the listeners can answer, only {0}")]
    NoChallenge(String),
    /// It takes too long.
    #[error("the authority has not issued it in time")]
    Late,
    /// What has come is no certificate for the name and the key.
    #[error("what the authority has issued cannot be used: {0}")]
    Unusable(CertificateError),
    /// The host cannot make what it has to.
    #[error("cannot make a key: {0}")]
    Key(String),
    /// It cannot be kept.
    #[error(transparent)]
    Store(#[from] AcmeStoreError),
}

impl From<instant_acme::Error> for OrderError {
    fn from(error: instant_acme::Error) -> Self {
        match error {
            instant_acme::Error::Api(problem) => Self::Refused(explain(&problem)),
            instant_acme::Error::Timeout(_) => Self::Late,
            instant_acme::Error::Other(error) => match error.downcast::<UpstreamFailure>() {
                Ok(failure) => Self::Unreachable(*failure),
                Err(error) => match error.downcast::<AcmeStoreError>() {
                    Ok(failure) => Self::Store(*failure),
                    Err(error) => Self::Protocol(printable(&error.to_string())),
                },
            },
            error => Self::Protocol(printable(&error.to_string())),
        }
    }
}

/// An authority, and the account that the host has there.
#[derive(Debug, Clone)]
pub(super) struct AcmeAuthority(Arc<AuthorityState>);

struct AuthorityState {
    settings: AcmeSettings,
    store: AcmeStore,
    client: AuthorityClient,
    challenges: Arc<PendingChallenges>,
    account: Mutex<Option<Account>>,
}

impl std::fmt::Debug for AuthorityState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorityState").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl AcmeAuthority {
    pub(super) fn new(settings: AcmeSettings, store: AcmeStore, challenges: Arc<PendingChallenges>) -> Self {
        let client = AuthorityClient::new(&settings);
        Self(Arc::new(AuthorityState { settings, store, client, challenges, account: Mutex::default() }))
    }

    /// How long the authority has asked to wait, if it did.
    pub(super) fn take_retry_after(&self) -> Option<Duration> {
        self.0.client.take_retry_after()
    }

    /// Gets a certificate for a name and writes it to its files. Each attempt after a failure uses the next kind of challenge.
    pub(super) async fn obtain(&self, domain: &AcmeDomain, failures: usize) -> Result<(), OrderError> {
        self.0.store.check()?;
        let order = async {
            match self.order(domain).await {
                Err(instant_acme::Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
                    tracing::warn!(
                        target: "server",
                        "the authority does not know the account of this host any more; another one is made"
                    );
                    *self.0.account.lock().await = None;
                    self.0.store.forget_account();
                    Ok(self.order(domain).await?)
                }
                order => Ok(order?),
            }
        };
        let work = async {
            let order: Result<Order, OrderError> = order.await;
            self.complete(order?, domain, failures).await
        };
        tokio::time::timeout(MAX_ORDER, work).await.map_err(|_| OrderError::Late)?
    }

    async fn order(&self, domain: &AcmeDomain) -> Result<Order, instant_acme::Error> {
        let mut kept = self.0.account.lock().await;
        let account = match &mut *kept {
            Some(account) => account,
            none => none.insert(self.account().await?),
        };
        account.new_order(&NewOrder::new(&[Identifier::Dns(domain.as_str().to_owned())])).await
    }

    /// The account that is kept, or else a new one.
    async fn account(&self) -> Result<Account, instant_acme::Error> {
        let AuthorityState { settings, store, client, .. } = &*self.0;
        let builder = || Account::builder_with_http(Box::new(client.clone()));
        if let Some(kept) = store.account() {
            match serde_json::from_slice::<AccountCredentials>(&kept) {
                Ok(credentials) => return builder().from_credentials(credentials).await,
                Err(error) => {
                    tracing::warn!(target: "server", "the account of this host cannot be read, and another one is made: {error}");
                }
            }
        }
        let contact = settings.email.as_ref().map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.as_deref().into_iter().collect();
        let account = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder().create(&account, settings.directory.url().to_owned(), None).await?;
        let stored = serde_json::to_vec(&credentials)?;
        store.store_account(&stored).map_err(|error| instant_acme::Error::Other(Box::new(error)))?;
        Ok(account)
    }

    /// Answers the challenges of an order, and takes its certificate.
    async fn complete(&self, mut order: Order, domain: &AcmeDomain, failures: usize) -> Result<(), OrderError> {
        let retries = RetryPolicy::default().timeout(PATIENCE);
        let (answered, kind) = self.answer(&mut order, domain, failures).await?;
        if !matches!(order.state().status, OrderStatus::Ready | OrderStatus::Valid) {
            let ready = order.poll_ready(&retries).await;
            if !matches!(ready, Ok(OrderStatus::Ready)) {
                return Err(self.explain_failure(&mut order, kind, ready.err()).await);
            }
        }
        drop(answered);
        let key = order.finalize().await?;
        let chain = order.poll_certificate(&retries).await?;
        let check = |files: &CertificateFiles| check_for_name(files, domain.as_str()).map_err(OrderError::Unusable);
        self.0.store.store_certificate(domain, &format!("{key}{chain}"), check)
    }

    /// Makes what the authority looks for, and tells it to look.
    async fn answer(
        &self,
        order: &mut Order,
        domain: &AcmeDomain,
        failures: usize,
    ) -> Result<(Vec<AnsweredChallenge>, Option<ChallengeKind>), OrderError> {
        let kinds = &self.0.settings.challenges;
        let mut kinds: Vec<ChallengeKind> = kinds.iter().cycle().skip(failures).take(kinds.len()).copied().collect();
        kinds.dedup();
        let (mut answered, mut used) = (Vec::new(), None);
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let offered: Vec<String> =
                authorization.challenges.iter().map(|challenge| format!("{:?}", challenge.r#type)).collect();
            let offers = |kind: &ChallengeKind| {
                authorization.challenges.iter().any(|challenge| challenge.r#type == challenge_type(*kind))
            };
            let Some(kind) = kinds.iter().copied().find(offers) else {
                return Err(OrderError::NoChallenge(printable(&offered.join(", "))));
            };
            let Some(mut challenge) = authorization.challenge(challenge_type(kind)) else { continue };
            answered.push(self.publish(&challenge, domain, kind)?);
            used = Some(kind);
            challenge.set_ready().await?;
        }
        Ok((answered, used))
    }

    fn publish(
        &self,
        challenge: &ChallengeHandle<'_>,
        domain: &AcmeDomain,
        kind: ChallengeKind,
    ) -> Result<AnsweredChallenge, OrderError> {
        let proof = challenge.key_authorization();
        match kind {
            ChallengeKind::Http01 => Ok(self.0.challenges.answer_http(&challenge.token, proof.as_str())),
            ChallengeKind::TlsAlpn01 => {
                let certificate = challenge_certificate(domain, proof.digest().as_ref());
                Ok(self.0.challenges.answer_tls(domain.as_str(), certificate.map_err(OrderError::Key)?))
            }
        }
    }

    /// Why an order is not ready: the authority says it in what it has looked at.
    async fn explain_failure(
        &self,
        order: &mut Order,
        kind: Option<ChallengeKind>,
        error: Option<instant_acme::Error>,
    ) -> OrderError {
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            let Ok(state) = authorization.refresh().await else { break };
            let problem = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
            if let (Some(problem), Some(kind)) = (problem, kind) {
                return OrderError::Challenge { kind, detail: explain(problem) };
            }
        }
        error.map_or_else(|| OrderError::Refused("the order is invalid".to_owned()), OrderError::from)
    }
}

fn challenge_type(kind: ChallengeKind) -> ChallengeType {
    match kind {
        ChallengeKind::Http01 => ChallengeType::Http01,
        ChallengeKind::TlsAlpn01 => ChallengeType::TlsAlpn01,
    }
}

/// The certificate that shows `digest` (RFC 8737 section 3).
fn challenge_certificate(domain: &AcmeDomain, digest: &[u8]) -> Result<Arc<CertifiedKey>, String> {
    let make = || {
        let mut params = CertificateParams::new([domain.as_str().to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let pair = KeyPair::generate()?;
        Ok::<_, rcgen::Error>((params.self_signed(&pair)?, pair))
    };
    let (certificate, pair) = make().map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::try_from(pair.serialize_der())?;
    let key = ring::default_provider().key_provider.load_private_key(key).map_err(|error| error.to_string())?;
    // `from_der` would check the certificate, which has an extension that only authorities know.
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}

/// What an authority says of a failure, with the last part of its type.
fn explain(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().and_then(|kind| kind.rsplit(':').next()).unwrap_or_default();
    let detail = problem.detail.as_deref().unwrap_or_default();
    let more = problem.subproblems.iter().filter_map(|problem| problem.detail.as_deref());
    let all: Vec<&str> = std::iter::once(detail).chain(more).filter(|detail| !detail.is_empty()).collect();
    printable(&match (all.join("; "), kind) {
        (details, "") if details.is_empty() => "it says no more".to_owned(),
        (details, "") => details,
        (details, kind) if details.is_empty() => kind.to_owned(),
        (details, kind) => format!("{details} ({kind})"),
    })
}

/// A text of an authority as it is logged.
fn printable(text: &str) -> String {
    text.chars().take(MAX_DETAIL).map(|char| if char.is_control() { ' ' } else { char }).collect()
}
