//! Which requests are refused: those that a page of another site may have made.
//!
//! The listener has no password, and a browser of the same machine reaches it. A page of another site can send it requests, and
//! would read the answers if its own name led here (DNS rebinding).

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::header::{HOST, HeaderMap};
use hyper::{StatusCode, Uri};

use crate::http::loopback;

/// Why a request is refused: the status, and the text of the response.
pub(super) type Refusal = (StatusCode, String);

/// Checks whom a request is for. `names` are allowed beside `localhost`, the names below it, and addresses.
///
/// A request without a host is allowed: no browser sends one.
pub(super) fn check_host(uri: &Uri, fields: &HeaderMap, names: &[String]) -> Result<(), Refusal> {
    let mut values = fields.get_all(HOST).iter();
    let field = values.next();
    if values.next().is_some() {
        return Err((StatusCode::BAD_REQUEST, "more than one Host".to_owned()));
    }
    let field = field.map(|value| value.to_str().unwrap_or("?"));
    // The target, which wins (RFC 9112 section 3.2.2), and the field are both checked: a browser sets the second.
    for authority in uri.authority().map(|authority| authority.as_str()).into_iter().chain(field) {
        if !is_allowed(authority, names) {
            let name: String = loopback::host(authority).chars().take(100).collect();
            let text = format!(
                "the admin listener is asked for by an address or as localhost, and not as {name}; for that, say --admin-host {name}"
            );
            return Err((StatusCode::MISDIRECTED_REQUEST, text));
        }
    }
    Ok(())
}

/// Refuses what a page of another site asks for: it could not read the response, but could take connections. A link from there
/// may lead here.
pub(super) fn check_site(fields: &HeaderMap) -> Result<(), Refusal> {
    let is = |name: &str, value: &[u8]| fields.get(name).is_some_and(|field| field.as_bytes() == value);
    if is("sec-fetch-site", b"cross-site") && !is("sec-fetch-mode", b"navigate") {
        return Err((StatusCode::FORBIDDEN, "a page of another site asks for this".to_owned()));
    }
    Ok(())
}

fn is_allowed(authority: &str, names: &[String]) -> bool {
    let host = loopback::host(authority);
    let is_address = host.parse::<Ipv4Addr>().is_ok() || host.parse::<Ipv6Addr>().is_ok();
    is_address || loopback::is_loopback(host) || names.iter().any(|name| name.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn check(target: &str, hosts: &[&str]) -> Option<u16> {
        let mut fields = HeaderMap::new();
        for host in hosts {
            fields.append(HOST, HeaderValue::from_bytes(host.as_bytes()).expect("it is a value"));
        }
        let uri: Uri = target.parse().expect("it is a target");
        check_host(&uri, &fields, &["metrics.example".to_owned()]).err().map(|(status, _)| status.as_u16())
    }

    #[test]
    fn only_names_that_no_other_site_can_have_lead_here() {
        for host in [
            "localhost",
            "localhost:9000",
            "LOCALHOST.",
            "a.localhost",
            "127.0.0.1:9000",
            "10.1.2.3",
            "[::1]:9000",
            "[fe80::1]",
            "192.0.2.7:80",
            "metrics.example",
            "Metrics.Example:9000",
        ] {
            assert_eq!(check("/", &[host]), None, "{host}");
            assert_eq!(check(&format!("http://{host}/"), &[host]), None, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:80",
            "127.0.0.1.evil.example",
            "metrics.example.evil",
            "",
            "?",
            "é",
        ] {
            assert_eq!(check("/", &[host]), Some(421), "{host}");
        }
        assert_eq!(check("/", &[]), None);
        assert_eq!(check("/", &["localhost", "localhost"]), Some(400));
        assert_eq!(check("http://evil.example/", &["localhost"]), Some(421));
        assert_eq!(check("http://localhost/", &["evil.example"]), Some(421));
    }

    #[test]
    fn pages_of_other_sites_may_link_here_and_no_more() {
        let check = |site: &'static str, mode: &'static str| {
            let mut fields = HeaderMap::new();
            fields.insert("sec-fetch-site", HeaderValue::from_static(site));
            fields.insert("sec-fetch-mode", HeaderValue::from_static(mode));
            check_site(&fields).is_ok()
        };
        assert!(check_site(&HeaderMap::new()).is_ok());
        assert!(check("same-origin", "cors") && check("none", "navigate") && check("cross-site", "navigate"));
        assert!(!check("cross-site", "cors") && !check("cross-site", "no-cors"));
    }
}
