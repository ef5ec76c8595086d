//! The attributes of guest-sdk: `#[handler]`, `#[on_message]`, `#[on_request]` and `#[on_response]`. `args` parses an
//! attribute, `expand` and `message` generate code; run-time behaviour is in guest-sdk.

mod args;
mod expand;
mod message;
mod options;

use proc_macro::TokenStream;

/// Makes a function the handler of a component, and declares its route.
///
/// The function takes any of `Request`, `Response` and `Options`, in any order, and returns what `IntoOutcome` lists.
/// A component has one handler. Every argument of the attribute is optional:
///
/// | argument | value |
/// |---|---|
/// | `path` | the path to answer at, or a list of them: `"/hello"`, `"/page/{id}"`, `"/files/{*rest}"`. Without it the path follows from the file's place in the routes directory |
/// | `method`, or `methods` | the method to answer, or a list of them. Without it: every method |
/// | any other name | an option of the handler's own: a boolean, an integer, a float, a string, or a list of one of these |
///
/// The options of the host are arguments too. `*` marks a limit, which a handler can lower and not raise:
///
#[doc = include_str!("../options.md")]
///
/// All mistakes are reported at once, each at its position.
#[proc_macro_attribute]
pub fn handler(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::handler(attribute.into(), item.into()).into()
}

/// Makes a function the `on-request` of a middleware. It is called before the handlers of the routes that use the
/// middleware.
///
/// The function takes any of `Request`, `Response` and `Options`, in any order, and returns what `IntoStep` lists.
/// `Options` are the middleware's own, from the file `_NAME.toml` beside `_NAME.wasm`. A component has at most one
/// `#[on_request]` and one `#[on_response]`; a middleware cannot be a handler too. The attribute takes no arguments.
#[proc_macro_attribute]
pub fn on_request(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::middleware(&expand::ON_REQUEST, attribute.into(), item.into()).into()
}

/// Makes a function the `on-response` of a middleware. It is called before the head of a response is sent, and can
/// change the status and the fields.
///
/// The function takes any of `Request`, `Response` and `Options`, in any order, and returns what `HookResult` lists.
/// Otherwise it is like `#[on_request]`.
#[proc_macro_attribute]
pub fn on_response(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::middleware(&expand::ON_RESPONSE, attribute.into(), item.into()).into()
}

/// Makes a function answer the messages of a WebSocket. The component also needs a handler with the option `websocket =
/// true`.
///
/// The first argument is the message, as `FromMessage` lists: a `Message`, a `String` or a `Vec<u8>`. After it, the
/// function takes any of `Request` (the one that opened the WebSocket) and `Options`, in any order. It returns what
/// `IntoReply` lists. The attribute takes no arguments: `#[handler]` declares the route.
#[proc_macro_attribute]
pub fn on_message(attribute: TokenStream, item: TokenStream) -> TokenStream {
    message::on_message(attribute.into(), item.into()).into()
}
