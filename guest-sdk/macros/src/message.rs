//! What a function under `#[on_message]` expands to: itself, and the export that calls it through guest-sdk. Must not
//! know what a message or a return type means: `guest_sdk::__private` does.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Type};

use crate::args::Mistakes;
use crate::expand::{Function, Hook, expand};

const ON_MESSAGE: Hook =
    Hook { attribute: "`#[on_message]`", noun: "a function of messages", call: "on_message", returns: "into_reply" };

/// The expansion of `#[on_message(attribute)] item`. With mistakes it is the item and the errors.
pub(crate) fn on_message(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    if !attribute.is_empty() {
        let reason = format!("{} takes no arguments: `#[handler]` declares the route", ON_MESSAGE.attribute);
        mistakes.add(Error::new(attribute.span(), reason));
    }
    expand(&ON_MESSAGE, item, mistakes, |function| match function.arguments.split_first() {
        Some((message, others)) => export(function, message, others),
        None => Error::new(function.name.span(), "the first argument is the message").to_compile_error(),
    })
}

/// The component's export. The type and its impl are out of reach of the function's own names.
fn export(function: &Function, message: &Type, others: &[Type]) -> TokenStream {
    let Function { name, returned, .. } = function;
    let others = others.iter().map(|argument| {
        quote_spanned! { argument.span()=> ::guest_sdk::__private::argument::<#argument>() }
    });
    let message = quote_spanned! { message.span()=> ::guest_sdk::__private::message::<#message>(message) };
    let (call, returns) = (Ident::new(ON_MESSAGE.call, *returned), Ident::new(ON_MESSAGE.returns, *returned));
    let reply = quote_spanned! { *returned=> ::guest_sdk::__private::#returns(returned) };
    quote! {
        const _: () = {
            struct Messages;

            impl ::guest_sdk::__private::messages::Guest for Messages {
                fn #call(message: ::guest_sdk::websocket::Message) -> ::guest_sdk::websocket::Reply {
                    match #message {
                        Ok(message) => {
                            let returned = #name(message, #(#others),*);
                            #reply
                        }
                        Err(reply) => reply,
                    }
                }
            }

            ::guest_sdk::__private::messages::export!(Messages with_types_in ::guest_sdk::__private::messages);
        };
    }
}
