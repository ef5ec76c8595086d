//! Detects what was frozen into a component when an interpreter was snapshotted at build time.

use memchr::memmem;

/// A name that componentize-qjs gives to exports of its runtime.
const QUICKJS_EXPORT: &[u8] = b"componentize_qjs_runtime";

/// The call in a handler's source, which the runtime keeps as text.
const MATH_RANDOM: &[u8] = b"Math.random";

/// The import of a component whose instances have their own random numbers.
const RANDOM_IMPORT: &[u8] = b"wasi:random/random@";

/// Whether it is JavaScript in QuickJS that calls `Math.random` and has only the seed of its build, the same in every
/// instance.
pub(super) fn has_frozen_random(component: &[u8]) -> bool {
    let has = |part| memmem::find(component, part).is_some();
    has(QUICKJS_EXPORT) && has(MATH_RANDOM) && !has(RANDOM_IMPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_frozen_if_quickjs_uses_them_and_imports_none() {
        let cases: [(&[&[u8]], bool); 4] = [
            (&[QUICKJS_EXPORT, MATH_RANDOM], true),
            (&[QUICKJS_EXPORT, MATH_RANDOM, RANDOM_IMPORT], false),
            (&[QUICKJS_EXPORT, b"wasi:random/insecure-seed@0.2.12", MATH_RANDOM], true),
            (&[MATH_RANDOM], false),
        ];
        for (parts, frozen) in cases {
            assert_eq!(has_frozen_random(&parts.join(&b"\0"[..])), frozen, "{parts:?}");
        }
        assert!(!has_frozen_random(QUICKJS_EXPORT), "it calls no Math.random");
    }
}
