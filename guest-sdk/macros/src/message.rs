//! Expands `#[on_message]`: to the unchanged function, and to the export that calls it through guest-sdk. The types of
//! messages and replies are interpreted by `guest_sdk::__private`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Type};

use crate::args::Mistakes;
use crate::expand::{Function, ON_MESSAGE};

/// Expands `#[on_message(attribute)] item`. After a mistake, the function is still emitted.
pub(crate) fn on_message(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    if !attribute.is_empty() {
        mistakes
            .add(Error::new(attribute.span(), "`#[on_message]` takes no arguments: `#[handler]` declares the route"));
    }
    let function = Function::read(&ON_MESSAGE, item.clone(), &mut mistakes);
    let function = function.and_then(|function| match function.arguments.split_first() {
        Some((message, others)) => Some(export(&function.name, message, others, function.returned)),
        None => {
            mistakes.add(Error::new(function.name.span(), "the first argument is the message"));
            None
        }
    });
    let export = match mistakes.into_error() {
        Some(error) => Some(error.to_compile_error()),
        None => function,
    };
    quote! { #item #export }
}

/// The export, in a `const` block so that its names cannot collide with the user's.
fn export(name: &proc_macro2::Ident, message: &Type, others: &[Type], returned: Span) -> TokenStream {
    let others = others.iter().map(|argument| {
        quote_spanned! { argument.span()=> ::guest_sdk::__private::argument::<#argument>() }
    });
    let reply = quote_spanned! { returned=> ::guest_sdk::__private::into_reply(returned) };
    let message = quote_spanned! { message.span()=> ::guest_sdk::__private::message::<#message>(message) };
    quote! {
        const _: () = {
            struct Messages;

            impl ::guest_sdk::__private::messages::Guest for Messages {
                fn on_message(message: ::guest_sdk::websocket::Message) -> ::guest_sdk::websocket::Reply {
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
