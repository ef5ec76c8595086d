//! `--lang`: the names of the languages, and what is meant by other names of them.

use std::ffi::OsStr;

use clap::builder::{EnumValueParser, PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command, Error, ValueEnum};

use super::ProjectLanguage;

/// Names that are no value, with the value to choose.
const OTHER_NAMES: [(&str, &str); 11] = [
    ("c++", "c"),
    ("cpp", "c"),
    ("ecmascript", "js"),
    ("golang", "go"),
    ("javascript", "js"),
    ("node", "js"),
    ("nodejs", "js"),
    ("py", "python"),
    ("python3", "python"),
    ("rs", "rust"),
    ("typescript", "ts"),
];

/// Parses the value of `--lang`.
#[derive(Debug, Clone)]
pub(super) struct Parser;

impl TypedValueParser for Parser {
    type Value = ProjectLanguage;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<ProjectLanguage, Error> {
        let typed = value.to_string_lossy().to_ascii_lowercase();
        let Some((_, meant)) = OTHER_NAMES.iter().find(|(name, ..)| *name == typed) else {
            return EnumValueParser::new().parse_ref(command, argument, value);
        };
        let text = format!("invalid value '{typed}' for '--lang <LANG>': choose `--lang {meant}`\n");
        Err(Error::raw(ErrorKind::InvalidValue, text).with_cmd(command))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(ProjectLanguage::value_variants().iter().filter_map(ValueEnum::to_possible_value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_other_name_leads_to_a_value() {
        for (name, meant) in OTHER_NAMES {
            assert!(
                ProjectLanguage::from_str(meant, false).is_ok() && ProjectLanguage::from_str(name, false).is_err(),
                "{name}"
            );
        }
    }
}
