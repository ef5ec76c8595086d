use super::*;
use crate::routes::path::comparable;

#[test]
fn the_target_is_the_first_path_without_captures_and_encoded() {
    let every = Duration::from_secs(1);
    for (patterns, target) in [
        (&["/clock"][..], Some("/clock")),
        (&["/city/{name}", "/clock", "/other"], Some("/clock")),
        (&["/a b/\u{e9}%"], Some("/a%20b/%C3%A9%25")),
        (&["/a-._~!$&'()*+,;=:@/b"], Some("/a-._~!$&'()*+,;=:@/b")),
        (&["/"], Some("/")),
        (&["/city/{name}", "/{*rest}"], None),
        (&[], None),
    ] {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let timer = RouteTimer::new(every, &patterns);
        assert_eq!(timer.as_ref().map(|timer| timer.target.as_str()), target, "{patterns:?}");
        if let Some(timer) = timer {
            let decoded = comparable(&timer.target).expect("it is encoded");
            assert!(patterns.iter().any(|pattern| crate::routes::path::comparable_pattern(pattern) == decoded));
        }
    }
}
