//! The header of the PROXY protocol: no bytes panic, a header never needs a byte behind it, every start of it is incomplete, and
//! what cannot become a header is refused at any length.

#![no_main]

use host_fuzz::proxy_header::{MAX_PROXY_HEADER, parse_proxy_header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match parse_proxy_header(data) {
        Ok(Some(end)) => {
            assert!((1..=MAX_PROXY_HEADER.min(data.len())).contains(&end.length));
            assert_eq!(parse_proxy_header(&data[..end.length]), Ok(Some(end)), "what is behind it counts");
            for length in 0..end.length {
                assert_eq!(parse_proxy_header(&data[..length]), Ok(None), "{length} bytes");
            }
            let named = end.source.is_some_and(|source| source.is_ipv4() || source.is_ipv6());
            assert!(named || end.source.is_none());
        }
        Ok(None) => {
            assert!(data.len() < MAX_PROXY_HEADER);
            for length in 0..data.len() {
                assert_eq!(parse_proxy_header(&data[..length]), Ok(None), "{length} bytes");
            }
        }
        Err(_) => {
            let more = [data, b"\r\n"].concat();
            assert!(parse_proxy_header(&more).is_err(), "more bytes mend it");
        }
    }
});
