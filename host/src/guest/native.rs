//! Native code of components: the only thing that the host runs without validating it, and its only `unsafe`.

use wasmtime::component::Component;

/// Native code that this host's compiler has produced. The two constructors guarantee that, which makes
/// [`NativeCode::load`] sound.
pub(super) struct NativeCode(Vec<u8>);

impl NativeCode {
    /// The code from an entry of the compile cache whose keyed hash was verified. Only a host of the same user has the
    /// key, and it writes only what [`NativeCode::from_compiler`] was given.
    pub(super) fn from_verified_entry(code: Vec<u8>) -> Self {
        Self(code)
    }

    /// The code that a child process of this host's own program has sent before it ran any code of the component. The
    /// program belongs to the operator, as the host does.
    pub(super) fn from_compiler(code: Vec<u8>) -> Self {
        Self(code)
    }

    /// The bytes, for the compile cache.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Loads the code into the engine. wasmtime checks the version and all settings of the compiler.
    ///
    /// # Errors
    /// If it was made by another version or with other settings, or the engine's pool has no room for such a component.
    #[expect(unsafe_code, reason = "there is no other way to load code that another process has compiled")]
    pub(super) fn load(&self, engine: &wasmtime::Engine) -> wasmtime::Result<Component> {
        // SAFETY: `Component::deserialize` requires bytes that come, unaltered, from `Component::serialize` or
        // `Engine::precompile_component`. Both constructors guarantee that, and nothing changes the bytes afterwards,
        // because only this process can access them.
        let component = unsafe { Component::deserialize(engine, &self.0) }?;
        // Otherwise the first request would create the image, and might find no free file descriptor.
        component.initialize_copy_on_write_image()?;
        Ok(component)
    }
}
