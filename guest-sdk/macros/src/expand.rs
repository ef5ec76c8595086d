//! What a handler expands to: the function as it is, and the exports of a component that call it through guest-sdk.
//! Must not know what an argument or a return type means: `guest_sdk::__private` does.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg, Ident, Result, ReturnType, Signature, Type, Visibility};

use crate::args::{self, Arguments, Mistakes, Value};

/// The expansion of `#[handler(attribute)] item`. With mistakes it is the item and the errors: what else names the
/// function is then not an error too.
pub(crate) fn handler(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let arguments = args::parse(attribute, &mut mistakes);
    let function = mistakes.take(signature(item.clone())).and_then(|signature| {
        check_signature(&signature, &mut mistakes);
        mistakes.take(Function::new(signature))
    });
    let exports = match (mistakes.into_error(), function) {
        (None, Some(function)) => exports(&arguments, &function),
        (Some(error), _) => error.to_compile_error(),
        (None, None) => TokenStream::new(),
    };
    quote! { #item #exports }
}

/// The parts of the function that the exports name.
struct Function {
    name: Ident,
    arguments: Vec<Type>,
    /// Where a return type that means nothing is to be reported.
    returned: Span,
}

impl Function {
    fn new(signature: Signature) -> Result<Self> {
        let mut arguments = Vec::new();
        for input in signature.inputs {
            match input {
                FnArg::Typed(argument) => arguments.push(*argument.ty),
                FnArg::Receiver(receiver) => {
                    return Err(Error::new(receiver.span(), "a handler is a free function: it has no `self`"));
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

/// Reads an item as far as its signature. The body is the compiler's.
fn signature(item: TokenStream) -> Result<Signature> {
    let read = |input: ParseStream| {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        let signature =
            input.parse().map_err(|mistake| Error::new(mistake.span(), "`#[handler]` stands over a function"))?;
        // Whatever follows is taken as it is.
        input.parse::<TokenStream>()?;
        Ok(signature)
    };
    read.parse2(item)
}

fn check_signature(signature: &Signature, mistakes: &mut Mistakes) {
    if let Some(token) = signature.asyncness {
        mistakes.add(Error::new(token.span, "a handler is not `async`: the host suspends it where it waits"));
    }
    if let Some(token) = signature.unsafety {
        mistakes.add(Error::new(token.span, "a handler is not `unsafe`"));
    }
    if !signature.generics.params.is_empty() {
        mistakes.add(Error::new(signature.generics.span(), "a handler is not generic: the host calls it"));
    }
    for input in &signature.inputs {
        if let FnArg::Typed(argument) = input
            && let Type::ImplTrait(generic) = &*argument.ty
        {
            mistakes.add(Error::new(generic.span(), "a handler takes `Request`, `Response` or `Options`"));
        }
    }
}

/// The component's exports. The type and its impls are out of reach of the handler's own names.
fn exports(arguments: &Arguments, function: &Function) -> TokenStream {
    let Arguments { paths, methods, options } = arguments;
    let options = options.iter().map(|(name, value)| {
        let value = option(value);
        quote! { (#name, #value) }
    });
    let Function { name, arguments, returned } = function;
    let arguments = arguments.iter().map(|argument| {
        quote_spanned! { argument.span()=> ::guest_sdk::__private::argument::<#argument>() }
    });
    let call = quote! { #name(#(#arguments),*) };
    let outcome = quote_spanned! { *returned=> ::guest_sdk::__private::outcome(returned) };
    quote! {
        const _: () = {
            struct Handler;

            impl ::guest_sdk::__private::Guest for Handler {
                fn handle() -> ::guest_sdk::Outcome {
                    let returned = #call;
                    #outcome
                }

                fn describe() -> ::guest_sdk::__private::Declaration {
                    ::guest_sdk::__private::declaration(&[#(#paths),*], &[#(#methods),*], ::std::vec![#(#options),*])
                }
            }

            ::guest_sdk::__private::export!(Handler with_types_in ::guest_sdk::__private::bindings);
        };
    }
}

/// The value of an option as guest-sdk has it.
fn option(value: &Value) -> TokenStream {
    match value {
        Value::Boolean(value) => quote! { ::guest_sdk::Value::from(#value) },
        Value::Integer(value) => quote! { ::guest_sdk::Value::from(#value) },
        Value::Float(value) => quote! { ::guest_sdk::Value::from(#value) },
        Value::Text(value) => quote! { ::guest_sdk::Value::from(#value) },
        Value::Booleans(values) => list(&quote! { bool }, values),
        Value::Integers(values) => list(&quote! { i64 }, values),
        Value::Floats(values) => list(&quote! { f64 }, values),
        Value::Texts(values) => list(&quote! { &str }, values),
    }
}

fn list<T: quote::ToTokens>(element: &TokenStream, values: &[T]) -> TokenStream {
    quote! { ::guest_sdk::Value::from(&[#(#values),*] as &[#element]) }
}
