//! Machine code of components: the one thing that the host runs without having checked it, and its only `unsafe`.

use wasmtime::component::Component;

/// Machine code that this host's compiler has made. It can be had in two ways, which is what makes [`NativeCode::load`]
/// sound.
pub(super) struct NativeCode(Vec<u8>);

impl NativeCode {
    /// The code out of an entry of the compile cache whose keyed hash was compared with its content: only who has the key
    /// can have written it, and that is a host of the same user, which writes nothing there but what
    /// [`NativeCode::from_compiler`] gave it.
    pub(super) fn from_verified_entry(code: Vec<u8>) -> Self {
        Self(code)
    }

    /// What a process of this host's own program has sent as the result of the compiler, before any code of the component
    /// has run in it. The program is the operator's, as the host is.
    pub(super) fn from_compiler(code: Vec<u8>) -> Self {
        Self(code)
    }

    /// The bytes, to be kept.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Makes it code that can be called. wasmtime compares the version of the compiler and all its settings with those of
    /// the engine.
    ///
    /// # Errors
    /// Where it was made by another version or with other settings, or the engine has no room for such a component.
    #[expect(unsafe_code, reason = "there is no other way to load code that another process has compiled")]
    pub(super) fn load(&self, engine: &wasmtime::Engine) -> wasmtime::Result<Component> {
        // SAFETY: `Component::deserialize` asks for bytes that come, unaltered, from `Component::serialize` or
        // `Engine::precompile_component`. Both constructors promise that, and nothing changes them in between: they are
        // in memory that this process alone has.
        let component = unsafe { Component::deserialize(engine, &self.0) }?;
        // Else the first request makes them, and may find no file descriptor left.
        component.initialize_copy_on_write_image()?;
        Ok(component)
    }
}
