//! `component` and `poll`: a component in a registry in place of the file beside the route file.

use std::time::Duration;

use super::{COMPONENT, POLL, RouteFileError, RouteFileReader, Table, text};
use crate::oci::RegistryComponent;

/// How often a tag is looked at, unless the file says, and what it can say, in seconds.
const DEFAULT_POLL: u64 = 60;
const POLLS: std::ops::RangeInclusive<i64> = 5..=604_800;

/// What a route file says of its component, whatever else is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::routes) enum NamedComponent {
    /// It is the file beside it.
    Nothing,
    /// It is in a registry, and the file does not say rightly where.
    Mistake,
    /// It is in a registry.
    InRegistry(RegistryComponent),
}

impl NamedComponent {
    /// That of the text of a route file. `None` if it is no TOML.
    pub(in crate::routes) fn of(text: &str) -> Option<Self> {
        let mut table: Table = toml::from_str(text).ok()?;
        if !table.contains_key(COMPONENT) {
            return Some(Self::Nothing);
        }
        let lines = table.keys().map(|key| (key.clone(), 1)).collect();
        let component = RouteFileReader { lines, errors: Vec::new() }.component(&mut table);
        Some(component.map_or(Self::Mistake, Self::InRegistry))
    }
}

impl RouteFileReader {
    /// Takes the component out of the table.
    pub(super) fn component(&mut self, table: &mut Table) -> Option<RegistryComponent> {
        let value = table.remove(COMPONENT)?;
        let poll = table.remove(POLL).map(toml::Spanned::into_inner);
        let line = self.lines[COMPONENT];
        let Some(written) = text(value.into_inner()) else {
            let expected = "text, as in \"oci://registry.example/shop/cart:1.2\"";
            self.errors.push(RouteFileError::Type { line, key: COMPONENT, expected });
            return None;
        };
        let reference: crate::oci::ComponentReference = match written.parse() {
            Ok(reference) => reference,
            Err(error) => {
                self.errors.push(RouteFileError::Component { line, error });
                return None;
            }
        };
        let seconds = match poll {
            None => DEFAULT_POLL,
            Some(_) if !reference.is_tag() => {
                self.errors.push(RouteFileError::NeedlessPoll { line: self.lines[POLL] });
                return None;
            }
            Some(toml::Value::Integer(seconds)) if POLLS.contains(&seconds) => seconds.unsigned_abs(),
            Some(_) => {
                let (line, expected) = (self.lines[POLL], "a number of seconds from 5 to 604800, as in 60");
                self.errors.push(RouteFileError::Type { line, key: POLL, expected });
                return None;
            }
        };
        Some(RegistryComponent { reference, poll: Duration::from_secs(seconds) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::file::RouteFile;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn component(text: &str) -> Result<Option<(String, u64)>, String> {
        let file =
            RouteFile::parse(text).map_err(|errors| errors.iter().map(ToString::to_string).collect::<String>())?;
        Ok(file.component.map(|component| (component.reference.to_string(), component.poll.as_secs())))
    }

    #[test]
    fn a_component_of_a_registry_has_a_digest_or_a_tag_that_is_looked_at() {
        for (text, expected) in [
            ("poll = 'of the handler'", None),
            ("component = 'oci://a/b:c'", Some(("oci://a/b:c".to_owned(), 60))),
            ("component = 'oci://a/b:c'\npoll = 5", Some(("oci://a/b:c".to_owned(), 5))),
            (&format!("component = 'oci://a/b@{DIGEST}'"), Some((format!("oci://a/b@{DIGEST}"), 60))),
        ] {
            assert_eq!(component(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_mistake_in_a_component_is_told_with_its_line() {
        for (text, error) in [
            ("component = 1", "line 1: `component` is something else; expected text, as in"),
            ("\ncomponent = 'a/b:c'", "line 2: `component`: expected a reference"),
            (
                "component = 'oci://a/b:c'\npoll = 4",
                "line 2: `poll` is something else; expected a number of seconds from 5",
            ),
            ("component = 'oci://a/b:c'\npoll = '60'", "line 2: `poll` is something else"),
            (
                &format!("poll = 60\ncomponent = 'oci://a/b@{DIGEST}'"),
                "line 1: `poll` is there, and `component` has a digest",
            ),
        ] {
            let told = component(text).expect_err(text);
            assert!(told.starts_with(error), "{told}");
            assert_eq!(NamedComponent::of(text), Some(NamedComponent::Mistake), "{text}");
        }
        assert_eq!(NamedComponent::of("component"), None);
        assert_eq!(NamedComponent::of(""), Some(NamedComponent::Nothing));
        assert!(matches!(
            NamedComponent::of("component = 'oci://a/b:c'\nmethods = 1"),
            Some(NamedComponent::InRegistry(_))
        ));
    }
}
