//! The attributes of guest-sdk: `#[handler]`, `#[on_message]`, `#[on_request]` and `#[on_response]`. Owns the way from
//! tokens to tokens: `args` reads what the attribute says, `expand` and `message` write what it means. It must not know
//! what happens at run time: that is guest-sdk's.

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
/// All mistakes are reported at once, each at its word.
#[proc_macro_attribute]
pub fn handler(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::handler(attribute.into(), item.into()).into()
}

/// Makes a function the `on-request` of a middleware: it is called before the handlers of the routes that the component
/// is for.
///
/// The function takes any of `Request`, `Response` and `Options`, in any order, and returns what `IntoStep` lists.
/// `Options` are the middleware's own, of the file `_NAME.toml` beside `_NAME.wasm`. A component has one `#[on_request]`
/// at most, and one `#[on_response]`; a middleware is no handler. The attribute takes no arguments.
#[proc_macro_attribute]
pub fn on_request(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::middleware(&expand::ON_REQUEST, attribute.into(), item.into()).into()
}

/// Makes a function the `on-response` of a middleware: it is called before the head of a response is sent, and can
/// change its status and its fields.
///
/// The function takes any of `Request`, `Response` and `Options`, in any order, and returns what `IntoSeen` lists. All
/// else is as with `#[on_request]`.
#[proc_macro_attribute]
pub fn on_response(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::middleware(&expand::ON_RESPONSE, attribute.into(), item.into()).into()
}

/// Makes a function answer the messages of a WebSocket, beside a handler with the option `websocket = true`.
///
/// Its first argument is the message, as `FromMessage` lists: a `Message`, a `String` or a `Vec<u8>`. Behind it are any
/// of `Request` (the one that opened the WebSocket) and `Options`, in any order. It returns what `IntoReply` lists. The
/// attribute takes no arguments: the route is declared by `#[handler]`.
#[proc_macro_attribute]
pub fn on_message(attribute: TokenStream, item: TokenStream) -> TokenStream {
    message::on_message(attribute.into(), item.into()).into()
}
