//! Parses the arguments of an attribute: `key = literal`, separated by commas. Collects all mistakes. Built-in options
//! are checked in [`options`].

use std::collections::HashMap;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ExprUnary, Ident, Lit, Result, Token, UnOp};

use crate::options;

/// Standard methods, to detect wrong case: methods are case-sensitive (RFC 9110 section 9.1).
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// The keys of a declaration that are no options.
const KEYS: [&str; 3] = ["path", "method", "methods"];

/// The declaration of a route.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) paths: Vec<String>,
    pub(crate) methods: Vec<String>,
    pub(crate) options: Vec<(String, Value)>,
    /// Options that are probably typing errors, and what was probably meant.
    pub(crate) similar: Vec<(Ident, &'static str)>,
}

/// The value of an option, as `value` in the handler's world.
pub(crate) enum Value {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Booleans(Vec<bool>),
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Texts(Vec<String>),
}

/// All mistakes found so far, reported together.
#[derive(Default)]
pub(crate) struct Mistakes(Option<syn::Error>);

impl Mistakes {
    pub(crate) fn add(&mut self, mistake: syn::Error) {
        match &mut self.0 {
            Some(mistakes) => mistakes.combine(mistake),
            None => self.0 = Some(mistake),
        }
    }

    /// The value, or `None` after adding the mistake.
    pub(crate) fn take<T>(&mut self, read: Result<T>) -> Option<T> {
        read.map_err(|mistake| self.add(mistake)).ok()
    }

    pub(crate) fn into_error(self) -> Option<syn::Error> {
        self.0
    }
}

/// Parses the arguments. After a mistake, continues after the next comma.
pub(crate) fn parse(tokens: TokenStream, mistakes: &mut Mistakes) -> Arguments {
    let mut arguments = Arguments::default();
    let read = |input: ParseStream| {
        let mut seen = HashMap::new();
        while !input.is_empty() {
            if let Some((key, expr)) = mistakes.take(entry(input)) {
                let name = key.unraw().to_string();
                mistakes.take(check_unique(&mut seen, &name, key.span()));
                let similar = guest_sdk_options::similar(&name, &KEYS);
                arguments.similar.extend(similar.map(|meant| (key, meant)));
                mistakes.take(arguments.set(name, &expr));
                mistakes.take(end_of_entry(input));
            }
            skip_past_comma(input)?;
        }
        Ok(())
    };
    let whole = read.parse2(tokens);
    mistakes.take(whole);
    arguments
}

impl Arguments {
    fn set(&mut self, name: String, expr: &Expr) -> Result<()> {
        match name.as_str() {
            "path" => self.paths = texts(&name, expr, check_path)?,
            "method" | "methods" => self.methods = texts(&name, expr, check_method)?,
            _ => {
                let value = value(expr)?;
                options::check(&name, &value, expr.span())?;
                self.options.push((name, value));
            }
        }
        Ok(())
    }
}

/// `key = expression`
fn entry(input: ParseStream) -> Result<(Ident, Expr)> {
    let key =
        input.call(Ident::parse_any).map_err(|mistake| syn::Error::new(mistake.span(), "expected `name = value`"))?;
    if !input.peek(Token![=]) || input.peek(Token![==]) {
        return Err(syn::Error::new(key.span(), format!("`{key}` needs a value: `{key} = ...`")));
    }
    let equals: Token![=] = input.parse()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(equals.span(), format!("`{key}` needs a value after `=`")));
    }
    Ok((key, input.parse()?))
}

fn end_of_entry(input: ParseStream) -> Result<()> {
    if input.is_empty() || input.peek(Token![,]) { Ok(()) } else { Err(input.error("expected `,`")) }
}

fn skip_past_comma(input: ParseStream) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    input.parse::<Option<Token![,]>>()?;
    Ok(())
}

/// Rejects a key that is set twice; `method` and `methods` are the same key.
fn check_unique(seen: &mut HashMap<String, Span>, name: &str, span: Span) -> Result<()> {
    let key = if name == "methods" { "method" } else { name };
    match seen.insert(key.to_owned(), span) {
        Some(_) => Err(syn::Error::new(span, format!("`{name}` is set twice"))),
        None => Ok(()),
    }
}

/// A string or a list of strings, each of them checked.
fn texts(name: &str, expr: &Expr, check: fn(&str) -> std::result::Result<(), String>) -> Result<Vec<String>> {
    let exprs: Vec<&Expr> = match expr {
        Expr::Array(array) => array.elems.iter().collect(),
        other => vec![other],
    };
    let mut mistakes = Mistakes::default();
    let mut texts = Vec::new();
    for expr in exprs {
        let text = value(expr).and_then(|value| {
            let reason = if let Value::Text(text) = value {
                match check(&text) {
                    Ok(()) => return Ok(text),
                    Err(reason) => reason,
                }
            } else {
                format!("`{name}` takes a string or a list of strings")
            };
            Err(syn::Error::new(expr.span(), reason))
        });
        texts.extend(mistakes.take(text));
    }
    mistakes.into_error().map_or(Ok(texts), Err)
}

fn check_path(path: &str) -> std::result::Result<(), String> {
    if path.starts_with('/') { Ok(()) } else { Err(format!("a path begins with `/`: `\"/{path}\"`")) }
}

/// A method is a token (RFC 9110 section 5.6.2).
fn check_method(method: &str) -> std::result::Result<(), String> {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if method.is_empty() || !method.bytes().all(is_tchar) {
        return Err("a method is a token: letters, digits and no spaces".to_owned());
    }
    match METHODS.iter().find(|known| known.eq_ignore_ascii_case(method)) {
        Some(known) if *known != method => Err(format!("methods are case-sensitive: `\"{known}\"`")),
        Some(_) | None => Ok(()),
    }
}

/// A literal, or a list of literals of one type.
fn value(expr: &Expr) -> Result<Value> {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => literal(lit, Sign::Plus),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr: inner, .. }) => match &**inner {
            Expr::Lit(ExprLit { lit: lit @ (Lit::Int(_) | Lit::Float(_)), .. }) => literal(lit, Sign::Minus),
            _ => Err(not_a_value(expr.span())),
        },
        // A token that a macro of the user has passed on.
        Expr::Group(group) => value(&group.expr),
        Expr::Array(array) => {
            let mut mistakes = Mistakes::default();
            let mut list = None;
            for element in &array.elems {
                let element = value(element).and_then(|value| push(&mut list, value, element.span()));
                mistakes.take(element);
            }
            mistakes.into_error().map_or(Ok(list.unwrap_or(Value::Texts(Vec::new()))), Err)
        }
        _ => Err(not_a_value(expr.span())),
    }
}

/// Whether a number is negative: syn parses the `-` separately.
enum Sign {
    Plus,
    Minus,
}

fn literal(lit: &Lit, sign: Sign) -> Result<Value> {
    let sign = match sign {
        Sign::Plus => "",
        Sign::Minus => "-",
    };
    match lit {
        Lit::Bool(lit) => Ok(Value::Boolean(lit.value)),
        Lit::Str(lit) if lit.suffix().is_empty() => Ok(Value::Text(lit.value())),
        Lit::Int(lit) if lit.suffix().is_empty() => match format!("{sign}{}", lit.base10_digits()).parse() {
            Ok(integer) => Ok(Value::Integer(integer)),
            Err(_) => Err(syn::Error::new(lit.span(), "an integer has 64 bits: this one is too large")),
        },
        Lit::Float(lit) if lit.suffix().is_empty() => match format!("{sign}{}", lit.base10_digits()).parse() {
            Ok(float) if f64::is_finite(float) => Ok(Value::Float(float)),
            Ok(_) | Err(_) => Err(syn::Error::new(lit.span(), "a float has 64 bits: this one is too large")),
        },
        Lit::Str(_) | Lit::Int(_) | Lit::Float(_) => {
            Err(syn::Error::new(lit.span(), "the type follows from the option: no suffix"))
        }
        _ => Err(not_a_value(lit.span())),
    }
}

/// Adds an element to a list. All elements have the type of the first one, except that a float turns integers into
/// floats.
fn push(list: &mut Option<Value>, element: Value, span: Span) -> Result<()> {
    let longer = match (list.take(), element) {
        (None, Value::Boolean(element)) => Value::Booleans(vec![element]),
        (None, Value::Integer(element)) => Value::Integers(vec![element]),
        (None, Value::Float(element)) => Value::Floats(vec![element]),
        (None, Value::Text(element)) => Value::Texts(vec![element]),
        (Some(Value::Booleans(list)), Value::Boolean(element)) => Value::Booleans(pushed(list, element)),
        (Some(Value::Integers(list)), Value::Integer(element)) => Value::Integers(pushed(list, element)),
        (Some(Value::Integers(list)), Value::Float(element)) => {
            Value::Floats(pushed(list.into_iter().map(|element| element as f64).collect(), element))
        }
        (Some(Value::Floats(list)), Value::Float(element)) => Value::Floats(pushed(list, element)),
        (Some(Value::Floats(list)), Value::Integer(element)) => Value::Floats(pushed(list, element as f64)),
        (Some(Value::Texts(list)), Value::Text(element)) => Value::Texts(pushed(list, element)),
        (before, _) => {
            *list = before;
            return Err(syn::Error::new(span, "the elements of a list are of one type, and no lists"));
        }
    };
    *list = Some(longer);
    Ok(())
}

fn pushed<T>(mut list: Vec<T>, element: T) -> Vec<T> {
    list.push(element);
    list
}

fn not_a_value(span: Span) -> syn::Error {
    syn::Error::new(span, "expected a literal: a boolean, an integer, a float, a string, or a list of one of these")
}
