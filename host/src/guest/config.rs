//! Settings: `wasi:config/store` in both versions that are in use, and the interface `config` of this host's own package.

use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::state::GuestState;

/// The versions of `wasi:config/store`, which have the same functions.
pub(super) const WASI_CONFIG_VERSIONS: [&str; 2] = ["0.2.0-rc.1", "0.2.0-draft-2024-09-27"];

/// `error` of `wasi:config/store`. The host returns none: a setting is there or not.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum ConfigError {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

type Store<'s> = StoreContextMut<'s, GuestState>;
type ConfigResult<T> = std::result::Result<T, ConfigError>;

/// Links `wasi:config/store`.
pub(super) fn add_to_linker(linker: &mut Linker<GuestState>) -> Result<()> {
    for version in WASI_CONFIG_VERSIONS {
        let mut store = linker.instance(&format!("wasi:config/store@{version}"))?;
        store.func_wrap("get", |store: Store<'_>, (name,): (WasmStr,)| {
            let value: ConfigResult<_> = Ok(store.data().setting(&name.to_str(&store)?));
            Ok((value,))
        })?;
        store.func_wrap("get-all", |store: Store<'_>, (): ()| {
            let all: ConfigResult<_> = Ok(store.data().settings());
            Ok((all,))
        })?;
    }
    Ok(())
}

/// Links the interface `config`.
pub(super) fn add(config: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    config
        .func_wrap("get", |store: Store<'_>, (name,): (WasmStr,)| Ok((store.data().setting(&name.to_str(&store)?),)))?;
    config.func_wrap("all", |store: Store<'_>, (): ()| Ok((store.data().settings(),)))
}
