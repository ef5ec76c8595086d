//! Origins: a pattern of `[grant]` in the first line, and the URL of a request behind it. No text panics, what is parsed is
//! written as it is parsed, a pattern allows only what it names, and no other parser of URLs finds another host.

#![no_main]

use host_fuzz::lines;
use host_fuzz::outbound::{HostName, Origin, OriginPattern, TargetUrl};
use libfuzzer_sys::fuzz_target;

/// The host of a URL by the rules of browsers. `None` if it is no URL, or names a user.
fn host_of_browsers(url: &str) -> Option<HostName> {
    let parsed = url::Url::parse(url).ok()?;
    Some(match parsed.host()? {
        url::Host::Domain(name) => HostName::Name(name.strip_suffix('.').unwrap_or(name).to_owned()),
        url::Host::Ipv4(address) => HostName::Address(address.into()),
        url::Host::Ipv6(address) => HostName::Address(address.into()),
    })
}

fn check_url(text: &str) -> Option<Origin> {
    let TargetUrl { origin, path_and_query } = text.parse().ok()?;
    assert!(path_and_query.starts_with('/') && path_and_query.bytes().all(|byte| byte.is_ascii_graphic()));
    assert_ne!(origin.port, 0);
    let written = format!("{origin}{path_and_query}");
    assert_eq!(written.parse(), Ok(TargetUrl { origin: origin.clone(), path_and_query }), "{text:?}");
    if let HostName::Name(name) = &origin.host {
        assert!((1..=253).contains(&name.len()) && !name.ends_with('.'), "{text:?}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{text:?}");
        assert_eq!(*name, name.to_ascii_lowercase());
        // The system's resolver takes such a name for an address.
        assert!(
            !name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())),
            "{text:?}"
        );
    }
    if let Some(host) = host_of_browsers(text) {
        assert_eq!(host, origin.host, "{text:?}");
    }
    let itself: OriginPattern = origin.to_string().parse().expect("an origin is a pattern");
    assert!(itself.allows(&origin));
    Some(origin)
}

fuzz_target!(|data: &[u8]| {
    let Some((pattern, url)) = lines(data) else { return };
    let origin = check_url(url);
    let Ok(parsed) = pattern.parse::<OriginPattern>() else { return };
    let written = parsed.to_string();
    assert_eq!(written.parse(), Ok(parsed.clone()), "{pattern:?}");
    let Some(origin) = origin.filter(|origin| parsed.allows(origin)) else { return };
    // The text of a pattern says what it allows.
    let (scheme, authority) = written.split_once("://").expect("a pattern has a scheme");
    assert_eq!(scheme, origin.scheme.name());
    let (host, any_port) = match authority.strip_suffix(":*") {
        Some(host) => (host.to_owned(), true),
        None => (authority.to_owned(), false),
    };
    let asked = if any_port { origin.host.to_string() } else { origin.authority() };
    match host.strip_prefix('*') {
        Some(parent) => assert!(asked.ends_with(parent) && asked.len() > parent.len(), "{pattern:?} and {url:?}"),
        None => assert_eq!(asked, host, "{pattern:?} and {url:?}"),
    }
});
