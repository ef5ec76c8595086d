//! Links WASI 0.3 and `wasi:http` 0.3, and redefines what is different here.

use std::pin::Pin;

use wasmtime::component::{Access, Accessor, FutureReader, Linker, LinkerInstance, Resource, StreamReader};
use wasmtime::{AsContextMut, Result, StoreContextMut};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::p3::bindings::clocks::monotonic_clock::HostWithStore as _;
use wasmtime_wasi_http::p3::bindings::http::types::{ErrorCode, HostResponseWithStore, Response};
use wasmtime_wasi_http::{FieldMap, WasiHttp, WasiHttpView};

use super::super::state::GuestState;
use super::{client, fields};

/// Links all of WASI 0.3.
pub(in super::super) fn add_to_linker(linker: &mut Linker<GuestState>) -> Result<()> {
    wasmtime_wasi::p3::add_to_linker(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)?;
    linker.allow_shadowing(true);
    let mut clock = linker.instance("wasi:clocks/monotonic-clock@0.3.0")?;
    clock.func_wrap_concurrent("wait-for", wait_for)?;
    clock.func_wrap_concurrent("wait-until", wait_until)?;
    linker.instance("wasi:http/client@0.3.0")?.func_wrap_concurrent("send", client::send)?;
    let mut types = linker.instance("wasi:http/types@0.3.0")?;
    add_response(&mut types)?;
    fields::add(&mut types)?;
    linker.allow_shadowing(false);
    Ok(())
}

type Waiting<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// A timer is no wait for the client, so the handler's clock runs.
fn wait_for(accessor: &Accessor<GuestState>, (time,): (u64,)) -> Waiting<'_> {
    Box::pin(async move {
        let clocks = accessor.with_getter::<WasiClocks>(|state| state.clocks());
        elsewhere(accessor, WasiClocks::wait_for(&clocks, time)).await
    })
}

fn wait_until(accessor: &Accessor<GuestState>, (when,): (u64,)) -> Waiting<'_> {
    Box::pin(async move {
        let clocks = accessor.with_getter::<WasiClocks>(|state| state.clocks());
        elsewhere(accessor, WasiClocks::wait_until(&clocks, when)).await
    })
}

/// Waits for something other than the client.
async fn elsewhere<F: Future>(accessor: &Accessor<GuestState>, other: F) -> F::Output {
    match accessor.with(|mut store| store.data_mut().exchange().cloned()) {
        Some(exchange) => exchange.wait_elsewhere(other).await,
        None => other.await,
    }
}

/// The future of a response's trailers.
type Trailers = FutureReader<std::result::Result<Option<Resource<FieldMap>>, ErrorCode>>;

fn add_response(types: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    // Its status is that of the route, if the guest sets none.
    types.func_wrap(
        "[static]response.new",
        |mut store: StoreContextMut<'_, GuestState>,
         (fields, contents, trailers): (Resource<FieldMap>, Option<StreamReader<u8>>, Trailers)| {
            let has_body = contents.is_some();
            let status = store.data().options().map(|options| options.settings.status);
            let access = Access::<_, WasiHttp>::new(store.as_context_mut(), GuestState::http);
            let made = <WasiHttp as HostResponseWithStore<GuestState>>::new(access, fields, contents, trailers)?;
            store.data_mut().table_and_hooks().1.note_response(made.0.rep(), has_body);
            if let Some(Ok(status)) = status.map(http::StatusCode::from_u16) {
                store.data_mut().table_mut().get_mut(&made.0)?.status = status;
            }
            Ok((made,))
        },
    )?;
    types.func_wrap(
        "[method]response.set-status-code",
        |mut store: StoreContextMut<'_, GuestState>, (response, status): (Resource<Response>, u16)| {
            let (table, hooks) = store.data_mut().table_and_hooks();
            let known = table.get_mut(&response)?;
            let status = Some(status).filter(|status| (200..=599).contains(status));
            Ok((match status.map(http::StatusCode::from_u16) {
                Some(Ok(status)) => {
                    known.status = status;
                    hooks.note_status(response.rep());
                    Ok(())
                }
                Some(Err(_)) | None => Err(()),
            },))
        },
    )
}
