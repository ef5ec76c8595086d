//! Facts that are found out once, when a component is compiled: its declaration and the memory that its start takes.
//!
//! They come from the child process that has run the component's code, and from the compile cache. So they are bounded
//! in size and decoded without trust.

use serde_json::{Value as Json, json};

use super::component::Declaration;
use crate::options::Value;

/// Maximum size in encoded form, in bytes.
pub(super) const MAX_FACTS_BYTES: usize = 1024 * 1024;

/// The facts of a component.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ComponentFacts {
    /// What it declares about its route. `None` if it declares nothing.
    pub(super) declaration: Option<Declaration>,
    /// Bytes of its memories after its start.
    pub(super) memory: usize,
}

impl ComponentFacts {
    pub(super) fn encode(&self) -> Vec<u8> {
        let declaration = self.declaration.as_ref().map(|declaration| {
            let Declaration { paths, methods, options } = declaration;
            let options: Vec<Json> = options.iter().map(|(name, value)| json!([name, encode_value(value)])).collect();
            json!({ "paths": paths, "methods": methods, "options": options })
        });
        json!({ "declaration": declaration, "memory": self.memory }).to_string().into_bytes()
    }

    /// `None` if the bytes are not what [`ComponentFacts::encode`] makes.
    pub(super) fn decode(encoded: &[u8]) -> Option<Self> {
        let mut facts: Json = serde_json::from_slice(encoded).ok()?;
        let memory = usize::try_from(facts.get("memory")?.as_u64()?).ok()?;
        let declaration = match facts.get_mut("declaration")?.take() {
            Json::Null => None,
            mut declaration => Some(Declaration {
                paths: serde_json::from_value(declaration.get_mut("paths")?.take()).ok()?,
                methods: serde_json::from_value(declaration.get_mut("methods")?.take()).ok()?,
                options: declaration.get("options")?.as_array()?.iter().map(decode_option).collect::<Option<_>>()?,
            }),
        };
        Some(Self { declaration, memory })
    }
}

/// Encodes the type too, because a list may be empty. Floats are encoded as bits, because JSON cannot represent all of
/// them.
fn encode_value(value: &Value) -> Json {
    match value {
        Value::Boolean(value) => json!({ "boolean": value }),
        Value::Integer(value) => json!({ "integer": value }),
        Value::Float(value) => json!({ "float": value.to_bits() }),
        Value::Text(value) => json!({ "text": value }),
        Value::Booleans(values) => json!({ "booleans": values }),
        Value::Integers(values) => json!({ "integers": values }),
        Value::Floats(values) => json!({ "floats": values.iter().map(|value| value.to_bits()).collect::<Vec<_>>() }),
        Value::Texts(values) => json!({ "texts": values }),
    }
}

fn decode_option(option: &Json) -> Option<(String, Value)> {
    let [name, value] = option.as_array()?.as_slice() else { return None };
    let (kind, value) = value.as_object()?.iter().next()?;
    let value = value.clone();
    let floats = |value: Vec<u64>| value.into_iter().map(f64::from_bits).collect();
    let value = match kind.as_str() {
        "boolean" => Value::Boolean(serde_json::from_value(value).ok()?),
        "integer" => Value::Integer(serde_json::from_value(value).ok()?),
        "float" => Value::Float(f64::from_bits(serde_json::from_value(value).ok()?)),
        "text" => Value::Text(serde_json::from_value(value).ok()?),
        "booleans" => Value::Booleans(serde_json::from_value(value).ok()?),
        "integers" => Value::Integers(serde_json::from_value(value).ok()?),
        "floats" => Value::Floats(floats(serde_json::from_value(value).ok()?)),
        "texts" => Value::Texts(serde_json::from_value(value).ok()?),
        _ => return None,
    };
    Some((name.as_str()?.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_decoded_as_they_were_encoded() {
        let options = vec![
            ("b".to_owned(), Value::Boolean(true)),
            ("i".to_owned(), Value::Integer(i64::MIN)),
            ("f".to_owned(), Value::Float(f64::INFINITY)),
            ("t".to_owned(), Value::Text("\0\u{1b}\"".to_owned())),
            ("bs".to_owned(), Value::Booleans(Vec::new())),
            ("is".to_owned(), Value::Integers(vec![1, -1])),
            ("fs".to_owned(), Value::Floats(vec![-0.0, 1e300])),
            ("ts".to_owned(), Value::Texts(vec![String::new()])),
        ];
        let declaration = Declaration { paths: vec!["/a".to_owned()], methods: vec!["GET".to_owned()], options };
        for facts in [ComponentFacts { declaration: Some(declaration), memory: 7 }, ComponentFacts::default()] {
            assert_eq!(ComponentFacts::decode(&facts.encode()).as_ref(), Some(&facts));
        }
    }

    #[test]
    fn what_is_not_an_encoding_of_facts_is_none() {
        for text in ["", "null", "{}", "[]", r#"{"memory":-1,"declaration":null}"#, r#"{"memory":1,"declaration":[]}"#]
        {
            assert_eq!(ComponentFacts::decode(text.as_bytes()), None, "{text}");
        }
    }
}
