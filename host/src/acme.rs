//! Certificates from an authority such as Let's Encrypt, by ACME (RFC 8555).
//!
//! ```text
//! AcmeThread -> renewal (when) -> order (one certificate) -> client -> outbound
//!                                   |-> PendingChallenges <- handshakes and requests of the authority
//!                                   `-> store (files) -> Certificates (read again)
//! ```
//!
//! Owns when a certificate is ordered, and how. One thread does it all, which no request waits for: what it has obtained is a
//! file that [`Certificates`](crate::certificates::Certificates) reads, like that of the operator. Each name has a certificate
//! of its own, so that a name which leads elsewhere keeps no other from being renewed.

mod client;
mod order;
mod renewal;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod thread;

pub use settings::{AcmeDirectory, AcmeDirectoryError, AcmeDomain, AcmeDomainError, AcmeSettings, ChallengeKind};
pub use store::{AcmeStore, AcmeStoreError};
pub use thread::AcmeThread;
