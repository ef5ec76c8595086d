//! The types and functions of `wasi:http` 0.2, generated from `host/wit/wasi-http`.

wasmtime::component::bindgen!({
    path: "wit/wasi-http",
    world: "vibrato:wasi-http/host",
    imports: {
        "wasi:http/types.[static]outgoing-body.finish": async | trappable,
        default: trappable,
    },
    with: {
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:http/types.fields": super::fields::GuestFields,
        "wasi:http/types.incoming-request": super::request::IncomingRequest,
        "wasi:http/types.incoming-body": super::request::IncomingBody,
        "wasi:http/types.future-trailers": super::request::FutureTrailers,
        "wasi:http/types.outgoing-response": super::response::OutgoingResponse,
        "wasi:http/types.outgoing-body": super::response::OutgoingBody,
        "wasi:http/types.response-outparam": super::response::ResponseOutparam,
        "wasi:http/types.outgoing-request": super::outgoing::OutgoingRequest,
        "wasi:http/types.request-options": super::outgoing::RequestOptions,
        "wasi:http/types.incoming-response": super::incoming_response::IncomingResponse,
        "wasi:http/types.future-incoming-response": super::incoming_response::FutureIncomingResponse,
    },
});
