//! What a certificate says of itself.

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

/// The host names of a certificate, also those with a wildcard.
pub(super) fn dns_names(der: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = EndEntityCert::try_from(der) else { return Vec::new() };
    certificate.valid_dns_names().map(str::to_owned).collect()
}

/// Whether it can be parsed.
pub(super) fn check(der: &CertificateDer<'_>) -> Result<(), String> {
    EndEntityCert::try_from(der).map(drop).map_err(|error| error.to_string())
}

/// Whether it is valid for any host name or address.
pub(super) fn has_subject_names(der: &CertificateDer<'_>) -> bool {
    // The object identifier of subjectAltName, 2.5.29.17, with its tag and length.
    const SUBJECT_ALT_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x11];
    memchr::memmem::find(der, &SUBJECT_ALT_NAME).is_some()
}

/// Whether a certificate is valid for a host name or an IP address, without a port and without brackets.
#[must_use]
pub fn covers(key: &CertifiedKey, host: &str) -> bool {
    let Some(certificate) = key.cert.first().and_then(|der| EndEntityCert::try_from(der).ok()) else { return false };
    let host = host.strip_suffix('.').unwrap_or(host);
    ServerName::try_from(host).is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
}
