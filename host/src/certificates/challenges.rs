//! What shows a certificate authority that a name leads to this host (RFC 8555 section 8), while it looks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;

/// The protocol of a handshake that looks for the certificate of a challenge (RFC 8737 section 4).
pub const CHALLENGE_PROTOCOL: &[u8] = b"acme-tls/1";

/// The paths of HTTP-01 begin with this, and have a token behind it (RFC 8555 section 8.3).
const PATH: &str = "/.well-known/acme-challenge/";

/// The challenges that an authority may look at now. There are none most of the time.
#[derive(Debug, Default)]
pub struct PendingChallenges {
    /// Whether there are any of HTTP-01. Each request reads it, so it takes no lock.
    has_http: AtomicBool,
    answers: Mutex<ChallengeAnswers>,
}

#[derive(Debug, Default)]
struct ChallengeAnswers {
    /// The content for each token of HTTP-01.
    http: HashMap<String, String>,
    /// The certificate for each name of TLS-ALPN-01, in lower case.
    tls: HashMap<String, Arc<CertifiedKey>>,
}

/// A challenge that is answered until this is dropped.
#[derive(Debug)]
pub struct AnsweredChallenge {
    challenges: Arc<PendingChallenges>,
    key: ChallengeKey,
}

#[derive(Debug)]
enum ChallengeKey {
    Http(String),
    Tls(String),
}

impl PendingChallenges {
    /// Answers requests for a token of HTTP-01 with this content.
    #[must_use]
    pub fn answer_http(self: &Arc<Self>, token: &str, content: &str) -> AnsweredChallenge {
        let mut answers = self.answers();
        answers.http.insert(token.to_owned(), content.to_owned());
        self.has_http.store(true, Ordering::Release);
        AnsweredChallenge { challenges: self.clone(), key: ChallengeKey::Http(token.to_owned()) }
    }

    /// Answers handshakes of TLS-ALPN-01 for a name with this certificate.
    #[must_use]
    pub fn answer_tls(self: &Arc<Self>, name: &str, certificate: Arc<CertifiedKey>) -> AnsweredChallenge {
        let name = name.to_ascii_lowercase();
        self.answers().tls.insert(name.clone(), certificate);
        AnsweredChallenge { challenges: self.clone(), key: ChallengeKey::Tls(name) }
    }

    /// Whether a request may be for a challenge.
    #[must_use]
    pub fn has_http(&self) -> bool {
        self.has_http.load(Ordering::Acquire)
    }

    /// The content for a path, if an authority may ask for it now.
    #[must_use]
    pub fn http(&self, path: &str) -> Option<String> {
        self.answers().http.get(path.strip_prefix(PATH)?).cloned()
    }

    /// The certificate for a handshake of TLS-ALPN-01. `None` if there is no such challenge.
    #[must_use]
    pub fn tls(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.answers().tls.get(&name.to_ascii_lowercase()).cloned()
    }

    fn answers(&self) -> MutexGuard<'_, ChallengeAnswers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AnsweredChallenge {
    fn drop(&mut self) {
        let mut answers = self.challenges.answers();
        match &self.key {
            ChallengeKey::Http(token) => {
                answers.http.remove(token);
                self.challenges.has_http.store(!answers.http.is_empty(), Ordering::Release);
            }
            ChallengeKey::Tls(name) => _ = answers.tls.remove(name),
        }
    }
}

/// Whether a client looks for the certificate of a challenge: it offers that protocol and no other.
pub(super) fn is_challenge(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| offered.next() == Some(CHALLENGE_PROTOCOL) && offered.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_path_of_a_pending_token_is_answered_as_long_as_it_is_pending() {
        let challenges = Arc::new(PendingChallenges::default());
        assert!(!challenges.has_http());
        let first = challenges.answer_http("one", "one.key");
        let second = challenges.answer_http("two", "two.key");
        assert!(challenges.has_http());
        assert_eq!(challenges.http("/.well-known/acme-challenge/one").as_deref(), Some("one.key"));
        for path in ["/one", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/three", "/x/one", "one"] {
            assert_eq!(challenges.http(path), None, "{path}");
        }
        drop(first);
        assert_eq!(challenges.http("/.well-known/acme-challenge/one"), None);
        assert!(challenges.has_http());
        drop(second);
        assert!(!challenges.has_http());
    }
}
