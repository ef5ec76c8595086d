//! Which interfaces of a component need a grant.

use wasmtime::component::InstancePre;

use super::error_text;
use super::state::GuestState;
use crate::grants::GrantKind;

/// The imports of a component that need a grant to be of use.
#[derive(Debug, Clone, Default)]
pub struct GrantableImports {
    imports: Vec<(GrantKind, String)>,
    has_sockets: bool,
}

impl GrantableImports {
    pub(super) fn of(pre: &InstancePre<GuestState>) -> Self {
        let component = pre.component().component_type();
        let imports =
            component.imports(pre.engine()).filter_map(|(name, _)| Some((kind(name)?, error_text::quoted(name))));
        let imports = imports.collect();
        let has_sockets = component.imports(pre.engine()).any(|(name, _)| name.starts_with("wasi:sockets/"));
        Self { imports, has_sockets }
    }

    /// Whether it imports an interface for a kind of grant.
    #[must_use]
    pub fn has(&self, kind: GrantKind) -> bool {
        self.imports.iter().any(|(known, _)| *known == kind)
    }

    /// Whether it imports sockets, which no component is granted.
    #[must_use]
    pub fn has_sockets(&self) -> bool {
        self.has_sockets
    }

    /// Whether it imports everything of `vibrato:handler` that there is: its toolchain imports the whole world, so that
    /// nothing follows from an import.
    #[must_use]
    pub fn are_the_whole_world(&self) -> bool {
        let imports = |interface: &str| self.imports.iter().any(|(_, name)| name.split('@').next() == Some(interface));
        ["vibrato:handler/config", "vibrato:handler/http-client", "vibrato:handler/key-value"].into_iter().all(imports)
    }

    /// All of them, by kind and name.
    pub fn iter(&self) -> impl Iterator<Item = (GrantKind, &str)> {
        self.imports.iter().map(|(kind, name)| (*kind, name.as_str()))
    }
}

/// The kind of grant that an interface needs.
fn kind(import: &str) -> Option<GrantKind> {
    let interface = import.split('@').next().unwrap_or(import);
    match interface {
        "wasi:config/store" | "vibrato:handler/config" => Some(GrantKind::Config),
        "vibrato:handler/http-client" | "wasi:http/outgoing-handler" | "wasi:http/client" => Some(GrantKind::Http),
        "wasi:cli/environment" => Some(GrantKind::Environment),
        "vibrato:handler/key-value" | "wasi:keyvalue/store" | "wasi:keyvalue/atomics" | "wasi:keyvalue/batch" => {
            Some(GrantKind::KeyValue)
        }
        "wasi:filesystem/preopens" | "wasi:filesystem/types" => Some(GrantKind::Files),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_imports_all_interfaces_of_the_world_says_nothing_by_it() {
        let imports = |interfaces: &[&str]| {
            let imports =
                interfaces.iter().map(|interface| (GrantKind::Http, format!("vibrato:handler/{interface}@0.1.0")));
            GrantableImports { imports: imports.collect(), has_sockets: false }
        };
        assert!(imports(&["key-value", "config", "http-client"]).are_the_whole_world());
        assert!(!imports(&["key-value", "config"]).are_the_whole_world());
        assert!(!imports(&[]).are_the_whole_world());
    }
}
