//! What is worth a warning about a component that is served nevertheless, and whether its memory suffices.

use super::super::component::ComponentKey;
use super::super::file::{self, COMPONENT, REQUEST_FIELDS, RouteFile, TIMER, TOPICS};
use super::Loader;
use crate::diagnostic::Diagnostic;
use crate::grants::GrantKind;
use crate::guest::GrantableImports;
use crate::options::{Value, similar};
use crate::text::printable;

impl Loader {
    /// Warns of grants that a component has no interface for.
    pub(super) fn needless_grants(
        &self,
        key: &ComponentKey,
        route_file: &RouteFile,
        imports: &GrantableImports,
    ) -> Vec<Diagnostic> {
        let granted = self.grant_table(route_file).kinds();
        let needless = granted.into_iter().filter(|(kind, _)| !imports.has(*kind));
        let remedy = "remove the grant, or build the component with that interface";
        let warn = |(kind, line): (GrantKind, usize)| {
            let reason =
                format!("line {line}: `{}` is granted, and the component imports no interface for it", kind.key());
            Diagnostic::warning(key.route_file(), reason, remedy)
        };
        needless.map(warn).collect()
    }

    /// Reports a component that cannot start, for lack of memory.
    pub(super) fn too_small(&self, key: &ComponentKey, start: usize, memory: usize) -> Option<Diagnostic> {
        let (reason, remedy) = if start > memory {
            (
                format!("its memories take {start} bytes when it starts, and its option `memory` is {memory}"),
                format!("raise `memory` in {}, or let the component begin with less", key.route_file()),
            )
        } else {
            let all = self.max_memory.filter(|all| start > *all)?;
            (
                format!("its memories take {start} bytes when it starts, and --max-memory is {all}"),
                "raise --max-memory, or let the component begin with less".to_owned(),
            )
        };
        Some(Diagnostic::error(key, reason, remedy))
    }
}

/// Warns of options that are probably typing errors.
pub(super) fn similar_options(
    key: &ComponentKey,
    route_file: &RouteFile,
    declared: &[(String, Value)],
) -> Vec<Diagnostic> {
    let reason =
        |name: &str, meant: &str| format!("option `{}` is the handler's own; the host's is `{meant}`", printable(name));
    let in_file = route_file.options.iter().filter_map(|(name, _)| {
        let meant = similar(name, &file::KEYS)?;
        let line = route_file.line(name).map_or_else(String::new, |line| format!("line {line}: "));
        let remedy = format!("write `{meant}` if that is meant, or give the handler's option another name");
        Some(Diagnostic::warning(key.route_file(), format!("{line}{}", reason(name, meant)), remedy))
    });
    let declared = declared.iter().filter_map(|(name, _)| {
        let meant = similar(name, &file::DECLARED_KEYS)?;
        let remedy = format!("declare `{meant}` if that is meant, or give the handler's option another name");
        Some(Diagnostic::warning(key, reason(name, meant), remedy))
    });
    in_file.chain(declared).collect()
}

/// Why a key of [`OPERATOR_KEYS`] in a component's declaration is left out.
pub(super) fn reserved_key(key: &str) -> String {
    let says = match key {
        TOPICS => "whose topics it shares",
        TIMER => "when the host runs it",
        COMPONENT => "which component it is",
        REQUEST_FIELDS => "which fields of requests the host sets",
        _ => "what it is granted",
    };
    format!("its declaration says {says}, which is not its to say")
}

/// The route is served nevertheless: its random numbers may not matter.
pub(super) fn frozen_random(key: &ComponentKey) -> Diagnostic {
    let reason = "its JavaScript calls `Math.random`, which returns the same numbers in every instance: QuickJS has drawn \
                  them when it was built";
    let remedy = "build it as `host new --lang js` does, with `random.js`, which takes them from the host";
    Diagnostic::warning(key, reason, remedy)
}
