//! What a tool that makes a component of an interpreter that has started has frozen in it, seen from its bytes.

use memchr::memmem;

/// A name that componentize-qjs gives to exports of its runtime.
const QUICKJS: &[u8] = b"componentize_qjs_runtime";

/// What a handler's source says, which the runtime keeps.
const DRAWS: &[u8] = b"Math.random";

/// What is imported by a component that has random numbers for each instance.
const RANDOM: &[u8] = b"wasi:random/random@";

/// Whether it is JavaScript in QuickJS that draws random numbers and has none but those of its build, which are the same
/// in every instance.
pub(super) fn has_frozen_random(component: &[u8]) -> bool {
    let has = |part| memmem::find(component, part).is_some();
    has(QUICKJS) && has(DRAWS) && !has(RANDOM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_frozen_where_quickjs_draws_them_and_imports_none() {
        let cases: [(&[&[u8]], bool); 4] = [
            (&[QUICKJS, DRAWS], true),
            (&[QUICKJS, DRAWS, RANDOM], false),
            (&[QUICKJS, b"wasi:random/insecure-seed@0.2.12", DRAWS], true),
            (&[DRAWS], false),
        ];
        for (parts, frozen) in cases {
            assert_eq!(has_frozen_random(&parts.join(&b"\0"[..])), frozen, "{parts:?}");
        }
        assert!(!has_frozen_random(QUICKJS), "it draws none");
    }
}
