//! Expands an attribute: to the unchanged function, and to the exports that call it through guest-sdk. The types of
//! arguments and return values are interpreted by `guest_sdk::__private`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg, Ident, Result, ReturnType, Signature, Type, Visibility};

use crate::args::{self, Arguments, Mistakes, Value};

/// Expands `#[handler(attribute)] item`. After a mistake, the function is still emitted, so that uses of it are not
/// reported as errors too.
pub(crate) fn handler(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let arguments = args::parse(attribute, &mut mistakes);
    expand(&HANDLER, item, mistakes, |function| exports(&arguments, function))
}

/// Expands `#[on_request] item` and `#[on_response] item`.
pub(crate) fn middleware(hook: &Hook, attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    if let Some(token) = attribute.into_iter().next() {
        let reason = format!("{} takes no arguments: the file beside the component has its options", hook.attribute);
        mistakes.add(Error::new(token.span(), reason));
    }
    expand(hook, item, mistakes, |function| export(hook, function))
}

/// An attribute, and the export that it creates.
pub(crate) struct Hook {
    attribute: &'static str,
    noun: &'static str,
    /// The exported function, and the function of guest-sdk that converts the return value.
    call: &'static str,
    returns: &'static str,
}

const HANDLER: Hook = Hook { attribute: "`#[handler]`", noun: "a handler", call: "handle", returns: "outcome" };

/// `#[on_request]`
pub(crate) const ON_REQUEST: Hook =
    Hook { attribute: "`#[on_request]`", noun: "a middleware", call: "on_request", returns: "step" };

/// `#[on_response]`
pub(crate) const ON_RESPONSE: Hook =
    Hook { attribute: "`#[on_response]`", noun: "a middleware", call: "on_response", returns: "report_result" };

/// `#[on_message]`
pub(crate) const ON_MESSAGE: Hook =
    Hook { attribute: "`#[on_message]`", noun: "a handler", call: "on_message", returns: "into_reply" };

/// Emits the item and what its function expands to.
fn expand(
    hook: &Hook,
    item: TokenStream,
    mut mistakes: Mistakes,
    exports: impl FnOnce(&Function) -> TokenStream,
) -> TokenStream {
    let function = Function::read(hook, item.clone(), &mut mistakes);
    let exports = match (mistakes.into_error(), function) {
        (None, Some(function)) => exports(&function),
        (Some(error), _) => error.to_compile_error(),
        (None, None) => TokenStream::new(),
    };
    quote! { #item #exports }
}

/// The parts of a function that the exports use.
pub(crate) struct Function {
    pub(crate) name: Ident,
    pub(crate) arguments: Vec<Type>,
    /// The span at which an invalid return type is reported.
    pub(crate) returned: Span,
}

impl Function {
    /// Parses the item below an attribute.
    pub(crate) fn read(hook: &Hook, item: TokenStream, mistakes: &mut Mistakes) -> Option<Self> {
        mistakes.take(signature(hook, item)).and_then(|signature| {
            check_signature(hook, &signature, mistakes);
            mistakes.take(Self::new(hook, signature))
        })
    }

    fn new(hook: &Hook, signature: Signature) -> Result<Self> {
        let mut arguments = Vec::new();
        for input in signature.inputs {
            match input {
                FnArg::Typed(argument) => arguments.push(*argument.ty),
                FnArg::Receiver(receiver) => {
                    let reason = format!("{} is a free function: it has no `self`", hook.noun);
                    return Err(Error::new(receiver.span(), reason));
                }
            }
        }
        let returned = match &signature.output {
            ReturnType::Default => signature.ident.span(),
            ReturnType::Type(_, returned) => returned.span(),
        };
        Ok(Self { name: signature.ident, arguments, returned })
    }
}

/// Parses an item up to its signature. The compiler checks the body.
fn signature(hook: &Hook, item: TokenStream) -> Result<Signature> {
    let read = |input: ParseStream| {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        let misplaced = format!("{} stands over a function", hook.attribute);
        let signature = input.parse().map_err(|mistake| Error::new(mistake.span(), misplaced))?;
        // The body may be anything.
        input.parse::<TokenStream>()?;
        Ok(signature)
    };
    read.parse2(item)
}

fn check_signature(hook: &Hook, signature: &Signature, mistakes: &mut Mistakes) {
    let noun = hook.noun;
    if let Some(token) = signature.asyncness {
        mistakes.add(Error::new(token.span, format!("{noun} is not `async`: the host suspends it where it waits")));
    }
    if let Some(token) = signature.unsafety {
        mistakes.add(Error::new(token.span, format!("{noun} is not `unsafe`")));
    }
    if !signature.generics.params.is_empty() {
        mistakes.add(Error::new(signature.generics.span(), format!("{noun} is not generic: the host calls it")));
    }
    for input in &signature.inputs {
        if let FnArg::Typed(argument) = input
            && let Type::ImplTrait(generic) = &*argument.ty
        {
            mistakes.add(Error::new(generic.span(), format!("{noun} takes `Request`, `Response` or `Options`")));
        }
    }
}

/// The exports of a handler. They are in a `const` block, so that their names cannot collide with the user's.
fn exports(arguments: &Arguments, function: &Function) -> TokenStream {
    let Arguments { paths, methods, options, similar } = arguments;
    let warnings = similar.iter().map(|(key, meant)| warning(key, meant));
    let paths = texts(paths);
    let methods = texts(methods);
    let options = options.iter().map(|(name, value)| {
        let value = option(value);
        let name = text(name);
        quote! { ::guest_sdk::__private::Entry { name: #name, value: #value } }
    });
    let options = list(options);
    let (call, outcome) = called(&HANDLER, function);
    quote! {
        #(#warnings)*

        const _: () = {
            struct Handler;

            impl ::guest_sdk::__private::Guest for Handler {
                fn handle() -> ::guest_sdk::Outcome {
                    let returned = #call;
                    #outcome
                }
            }

            // SAFETY: a component has one handler, and nothing else has this name.
            #[unsafe(export_name = "describe")]
            extern "C" fn describe() -> &'static ::guest_sdk::__private::Declaration {
                const {
                    &::guest_sdk::__private::Declaration { paths: #paths, methods: #methods, options: #options }
                }
            }

            ::guest_sdk::__private::export!(Handler with_types_in ::guest_sdk::__private::bindings);
        };
    }
}

/// Warns of an option that is probably a typing error. A macro can do that only by a use of something deprecated.
fn warning(key: &Ident, meant: &str) -> TokenStream {
    let note = format!("`{key}` is an option of your own, which the host does not know; did you mean `{meant}`?");
    let option = Ident::new("OPTION", key.span());
    quote_spanned! { key.span() =>
        const _: () = {
            #[deprecated(note = #note)]
            const OPTION: () = ();
            #option
        };
    }
}

/// The export of a middleware, in a `const` block like the above.
fn export(hook: &Hook, function: &Function) -> TokenStream {
    let (call, returns) = called(hook, function);
    let module = Ident::new(hook.call, Span::call_site());
    let returned = (hook.returns == ON_REQUEST.returns).then(|| quote! { -> ::guest_sdk::Step });
    quote! {
        const _: () = {
            struct Middleware;

            impl ::guest_sdk::__private::#module::Guest for Middleware {
                fn #module() #returned {
                    let returned = #call;
                    #returns
                }
            }

            ::guest_sdk::__private::#module::export!(Middleware with_types_in ::guest_sdk::__private::#module);
        };
    }
}

/// The call of the user's function, and the conversion of what it returned.
fn called(hook: &Hook, function: &Function) -> (TokenStream, TokenStream) {
    let Function { name, arguments, returned } = function;
    let arguments = arguments.iter().map(|argument| {
        quote_spanned! { argument.span()=> ::guest_sdk::__private::argument::<#argument>() }
    });
    let call = quote! { #name(#(#arguments),*) };
    let returns = Ident::new(hook.returns, *returned);
    (call, quote_spanned! { *returned=> ::guest_sdk::__private::#returns(returned) })
}

/// The value of an option, as an expression of guest-sdk.
fn option(value: &Value) -> TokenStream {
    let (case, value) = match value {
        Value::Boolean(value) => (quote! { Boolean }, quote! { #value }),
        Value::Integer(value) => (quote! { Integer }, quote! { #value }),
        Value::Float(value) => (quote! { Float }, quote! { #value }),
        Value::Text(value) => (quote! { Text }, text(value)),
        Value::Booleans(values) => (quote! { Booleans }, list(values)),
        Value::Integers(values) => (quote! { Integers }, list(values)),
        Value::Floats(values) => (quote! { Floats }, list(values)),
        Value::Texts(values) => (quote! { Texts }, texts(values)),
    };
    quote! { ::guest_sdk::__private::Value::#case(#value) }
}

fn texts(texts: &[String]) -> TokenStream {
    list(texts.iter().map(|value| text(value)))
}

fn text(text: &str) -> TokenStream {
    quote! { ::guest_sdk::__private::Text::of_str(#text) }
}

fn list(elements: impl IntoIterator<Item: ToTokens>) -> TokenStream {
    let elements = elements.into_iter();
    quote! { ::guest_sdk::__private::List::of(const { &[#(#elements),*] }) }
}
