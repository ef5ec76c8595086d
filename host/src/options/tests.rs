//! What each source of options may set, and which source wins.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use super::*;
use crate::http1::encoder::ChunkedCoding;
use crate::push::{History, Overflow, QueueBounds, Quotas};
use crate::rate::RateScope;
use crate::share::Share;

type Given<'a> = &'a [(&'a str, Value)];

fn resolve(flags: Given, component: Given, file: Given) -> Result<Options, Vec<OptionError>> {
    let owned = |given: Given| -> Vec<(String, Value)> {
        given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    Options::resolve(&owned(flags), &owned(component), &owned(file))
}

fn resolved(flags: Given, component: Given, file: Given) -> Options {
    resolve(flags, component, file).expect("the options of this test are valid")
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

use Value::{Boolean, Float, Integer};

#[test]
fn without_any_source_every_built_in_has_its_default() {
    let options = resolved(&[], &[], &[]);
    let expected = Settings {
        chunked: ChunkedCoding::Preferred,
        rate: None,
        upload_rate: None,
        buffer_size: 16_384,
        status: 200,
        content_type: "text/html; charset=utf-8".to_owned(),
        stream: true,
        max_body: 67_108_864,
        websocket: false,
        max_message: 65_536,
        timeout: Duration::from_secs(30),
        cpu: Duration::from_secs(10),
        memory: 134_217_728,
        log_rate: 131_072,
        quarantine: 20,
        concurrency: None,
        share: Share::DEFAULT,
        reuse: 1,
        rate_scope: RateScope::Client,
        burst: 16_384,
        upload_burst: 16_384,
        push: QueueBounds { bytes: 65_536, overflow: Overflow::Disconnect },
        push_quotas: Quotas {
            topics: NonZeroUsize::new(10_000),
            subscribers: None,
            publish_rate: NonZeroU64::new(16_777_216),
        },
        history: History::default(),
        ends_on_gap: false,
        park_timeout: None,
        heartbeat: None,
    };
    assert_eq!(options.settings, expected);
    let names: Vec<&str> = options.all().iter().map(|entry| entry.name.as_str()).collect();
    let preset: Vec<&str> = BUILTINS.iter().filter(|it| it.default.is_some()).map(|it| it.name).collect();
    assert_eq!(names, preset);
}

#[test]
fn a_later_source_wins_and_each_value_keeps_its_source() {
    let options = resolved(
        &[("status", Integer(201)), ("stream", Boolean(false)), ("chunked", Boolean(true))],
        &[("status", Integer(202)), ("stream", Boolean(true)), ("greeting", text("hi"))],
        &[("status", Integer(203))],
    );
    let source = |name: &str| options.all().iter().find(|entry| entry.name == name).map(|entry| entry.source);
    assert_eq!(options.get("status"), Some(&Integer(203)));
    assert_eq!(source("status"), Some(OptionSource::File));
    assert_eq!(source("stream"), Some(OptionSource::Component));
    assert_eq!(source("chunked"), Some(OptionSource::Flag));
    assert_eq!(source("timeout"), Some(OptionSource::Default));
    assert_eq!(options.get("greeting"), Some(&text("hi")));
    assert_eq!(options.get("absent"), None);
    assert_eq!((options.settings.status, options.settings.chunked), (203, ChunkedCoding::Preferred));
    assert!(options.all().is_sorted_by_key(|entry| &entry.name));
}

#[test]
fn a_component_lowers_the_operators_limits_and_never_raises_them() {
    for (name, flag, declared, granted) in [
        ("rate", Integer(1000), Integer(500), Integer(500)),
        ("rate", Integer(1000), Integer(1000), Integer(1000)),
        ("rate", Integer(1000), Integer(2000), Integer(1000)),
        ("rate", Integer(1000), Integer(0), Integer(1000)),
        ("rate", Integer(0), Integer(2000), Integer(2000)),
        ("upload_rate", Integer(7), Integer(8), Integer(7)),
        ("concurrency", Integer(4), Integer(0), Integer(4)),
        ("concurrency", Integer(4), Integer(2), Integer(2)),
        ("concurrency", Integer(0), Integer(9), Integer(9)),
        ("max_body", Integer(10), Integer(0), Integer(0)),
        ("max_body", Integer(10), Integer(11), Integer(10)),
        ("memory", Integer(1_000_000), Integer(2_000_000), Integer(1_000_000)),
        ("timeout", Integer(2), Float(2.5), Integer(2)),
        ("timeout", Float(2.5), Integer(2), Integer(2)),
        ("timeout", Float(0.5), Integer(1), Float(0.5)),
        ("share", Integer(20), Integer(30), Integer(20)),
        ("buffer_size", Integer(1000), Integer(2000), Integer(1000)),
        ("buffer_size", Integer(100_000), Integer(90_000), Integer(90_000)),
        ("share", Integer(80), Integer(60), Integer(60)),
    ] {
        let options = resolved(&[(name, flag.clone())], &[(name, declared.clone())], &[]);
        assert_eq!(options.get(name), Some(&granted), "{name}: {flag} by flag, {declared} by the component");
        let lowered = match declared == granted {
            true => vec![],
            false => vec![Clamped { name: name.to_owned(), declared, granted }],
        };
        assert_eq!(options.lowered(), lowered);
    }
}

#[test]
fn a_component_is_held_to_the_defaults_too() {
    let options = resolved(&[], &[("timeout", Integer(60))], &[]);
    assert_eq!(options.settings.timeout, Duration::from_secs(30));
    let note = "option `timeout` is 60 in the component and is held to the operator's 30";
    assert_eq!(options.lowered()[0].to_string(), note);
    let options = resolved(&[], &[("share", Integer(51))], &[]);
    assert_eq!((options.settings.share, options.lowered().len()), (Share::DEFAULT, 1));
    assert_eq!(resolved(&[], &[("share", Integer(20))], &[]).settings.share, Share::new(20));
    assert_eq!(resolved(&[], &[("buffer_size", Integer(1_048_576))], &[]).settings.buffer_size, 65_536);
    assert_eq!(resolved(&[], &[("buffer_size", Integer(32_768))], &[]).settings.buffer_size, 32_768);
}

#[test]
fn the_operators_file_raises_a_limit_above_flag_and_component() {
    let options = resolved(&[("timeout", Integer(2))], &[("timeout", Integer(90))], &[("timeout", Integer(60))]);
    assert_eq!(options.settings.timeout, Duration::from_secs(60));
    assert_eq!(options.lowered(), []);
}

#[test]
fn a_component_cannot_slip_past_a_rate_that_the_operator_set() {
    let rate = ("rate", Integer(1_000_000));
    let connection = ("rate_scope", text("connection"));
    for (flags, component, file, scope, burst) in [
        (vec![rate.clone()], vec![connection.clone()], vec![], RateScope::Client, 16_384),
        (vec![], vec![connection.clone()], vec![rate.clone()], RateScope::Client, 16_384),
        (vec![], vec![rate.clone(), connection.clone()], vec![], RateScope::Connection, 16_384),
        (
            vec![rate.clone(), connection.clone()],
            vec![("rate_scope", text("client"))],
            vec![],
            RateScope::Client,
            16_384,
        ),
        (vec![rate.clone()], vec![("burst", Integer(1_000_000))], vec![], RateScope::Client, 16_384),
        (vec![rate.clone()], vec![("burst", Integer(100))], vec![], RateScope::Client, 100),
        (vec![rate.clone()], vec![("buffer_size", Integer(1_048_576))], vec![], RateScope::Client, 16_384),
        (vec![rate.clone()], vec![("buffer_size", Integer(1))], vec![], RateScope::Client, 10_000),
        (
            vec![rate.clone(), ("burst", Integer(90_000))],
            vec![("burst", Integer(80_000))],
            vec![],
            RateScope::Client,
            80_000,
        ),
        (
            vec![rate.clone(), ("burst", Integer(90_000))],
            vec![("burst", Integer(95_000))],
            vec![],
            RateScope::Client,
            90_000,
        ),
        (
            vec![rate.clone()],
            vec![("burst", Integer(100))],
            vec![("burst", Integer(95_000))],
            RateScope::Client,
            95_000,
        ),
        (vec![], vec![rate.clone(), ("burst", Integer(500_000))], vec![], RateScope::Client, 500_000),
    ] {
        let options = resolved(&flags, &component, &file);
        let got = (options.settings.rate_scope, options.settings.burst);
        assert_eq!(got, (scope, burst), "{flags:?}, {component:?}, {file:?}");
    }
}

#[test]
fn a_burst_is_one_buffer_or_ten_milliseconds_of_rate_whichever_is_more() {
    for (given, burst, upload_burst) in [
        (vec![("rate", Integer(2_097_152))], 20_971, 16_384),
        (vec![("rate", Integer(1000))], 16_384, 16_384),
        (vec![("upload_rate", Integer(10_000_000)), ("buffer_size", Integer(10))], 10, 100_000),
        (vec![("rate", Integer(2_097_152)), ("burst", Integer(1))], 1, 1),
    ] {
        let settings = resolved(&given, &[], &[]).settings;
        assert_eq!((settings.burst, settings.upload_burst), (burst, upload_burst), "{given:?}");
    }
}

#[test]
fn unlimited_is_none_in_the_settings() {
    let given = [("rate", Integer(5)), ("upload_rate", Integer(0)), ("concurrency", Integer(i64::MAX))];
    let settings = resolved(&given, &[], &[]).settings;
    assert_eq!(settings.rate, NonZeroU64::new(5));
    assert_eq!(settings.upload_rate, None);
    assert_eq!(settings.concurrency, NonZeroU32::new(u32::MAX));
}

#[test]
fn a_value_of_the_wrong_type_or_range_says_what_is_expected() {
    for (name, value, message) in [
        ("rate", text("fast"), "option `rate` is \"fast\"; expected a whole number, 0 or more; 0 is unlimited"),
        ("rate", Integer(-1), "option `rate` is -1; expected a whole number, 0 or more; 0 is unlimited"),
        ("rate", Float(1.5), "option `rate` is 1.5; expected a whole number, 0 or more; 0 is unlimited"),
        ("buffer_size", Integer(0), "option `buffer_size` is 0; expected a whole number from 1 to 1048576"),
        ("status", Integer(101), "option `status` is 101; expected a whole number from 200 to 599"),
        ("stream", Integer(1), "option `stream` is 1; expected true or false"),
        ("rate_scope", text("route"), "option `rate_scope` is \"route\"; expected \"client\" or \"connection\""),
        (
            "content_type",
            text("a\r\nb: c"),
            "option `content_type` is \"a\\r\\nb: c\"; expected a field value: ASCII text, not empty, without control \
             characters",
        ),
        ("timeout", Integer(0), "option `timeout` is 0; expected a number of seconds above 0 and up to 86400"),
        ("timeout", Float(1e-10), "option `timeout` is 1e-10; expected a number of seconds above 0 and up to 86400"),
        ("timeout", Float(f64::NAN), "option `timeout` is NaN; expected a number of seconds above 0 and up to 86400"),
        (
            "timeout",
            Float(86_400.5),
            "option `timeout` is 86400.5; expected a number of seconds above 0 and up to 86400",
        ),
    ] {
        let errors = resolve(&[], &[], &[(name, value)]).expect_err("the value is not accepted");
        let messages: Vec<String> = errors.iter().map(OptionError::to_string).collect();
        assert_eq!(messages, [message]);
        assert_eq!(errors[0].set_by, OptionSource::File);
    }
}

#[test]
fn all_mistakes_of_all_sources_are_reported_at_once() {
    let errors = resolve(
        &[("rate", Boolean(true))],
        &[("status", Integer(7)), ("a b", Integer(1)), ("x", Integer(1)), ("x", Integer(2))],
        &[("", Integer(1)), ("burst", Integer(0))],
    )
    .expect_err("every source has a mistake");
    let got: Vec<(OptionSource, &str)> = errors.iter().map(|error| (error.set_by, error.name.as_str())).collect();
    let component = ["status", "a b", "x"].map(|name| (OptionSource::Component, name));
    assert_eq!(got[0], (OptionSource::Flag, "rate"));
    assert_eq!(got[1..4], component);
    assert_eq!(got[4..], [(OptionSource::File, ""), (OptionSource::File, "burst")]);
    assert_eq!(errors[3].fault, Fault::Twice);
}

#[test]
fn names_values_and_their_number_are_bounded() {
    let long = "n".repeat(MAX_NAME_BYTES + 1);
    for (name, value, fault) in [
        (long.as_str(), Integer(1), Some(Fault::Name)),
        (&long[1..], Integer(1), None),
        ("1st", Integer(1), Some(Fault::Name)),
        ("_first-1", Integer(1), None),
        ("t", text(&"t".repeat(MAX_TEXT_BYTES + 1)), Some(Fault::Value(ValueError::TooLong))),
        ("t", text(&"t".repeat(MAX_TEXT_BYTES)), None),
        ("t", Value::Texts(vec!["t".repeat(MAX_TEXT_BYTES / 2 + 1); 2]), Some(Fault::Value(ValueError::TooLong))),
        ("t", Value::Integers(vec![1; MAX_ITEMS + 1]), Some(Fault::Value(ValueError::TooManyItems))),
        ("t", Value::Integers(vec![1; MAX_ITEMS]), None),
    ] {
        let found = resolve(&[], &[(name, value)], &[]).err().map(|mut errors| errors.remove(0).fault);
        assert_eq!(found, fault, "{name}");
    }
    let many: Vec<(String, Value)> = (0..100_000).map(|n| (format!("n{n}"), Integer(n))).collect();
    let number = |component: usize, file: usize| {
        let errors = Options::resolve(&[], &many[..component], &many[component..component + file]).err()?;
        Some(errors.into_iter().map(|error| (error.set_by, error.fault)).collect::<Vec<_>>())
    };
    let preset = resolved(&[], &[], &[]).all().len();
    assert_eq!(number(100_000, 0), Some(vec![(OptionSource::Component, Fault::TooMany)]));
    assert_eq!(number(MAX_OPTIONS - preset, 0), None);
    assert_eq!(number(MAX_OPTIONS - preset, 1), Some(vec![(OptionSource::File, Fault::TooMany)]));
}

#[test]
fn a_message_abbreviates_and_escapes_what_it_quotes() {
    let error = OptionError {
        set_by: OptionSource::Component,
        name: format!("\x1b[2J{}", "n".repeat(100)),
        fault: Fault::Name,
    };
    let shown = error.to_string();
    assert!(shown.starts_with("option `\\u{1b}[2Jnnn"), "{shown}");
    assert!(shown.contains("n...` has no proper name"), "{shown}");
}

#[test]
fn toml_values_become_option_values() {
    for (toml, expected) in [
        ("true", Ok(Boolean(true))),
        ("1", Ok(Integer(1))),
        ("2.5", Ok(Float(2.5))),
        ("\"text\"", Ok(text("text"))),
        ("[]", Ok(Value::Texts(vec![]))),
        ("[true, false]", Ok(Value::Booleans(vec![true, false]))),
        ("[1, 2]", Ok(Value::Integers(vec![1, 2]))),
        ("[1, 2.5]", Ok(Value::Floats(vec![1.0, 2.5]))),
        ("[\"a\", \"b\"]", Ok(Value::Texts(vec!["a".to_owned(), "b".to_owned()]))),
        ("[1, \"b\"]", Err(ValueError::Mixed)),
        ("[true, 1]", Err(ValueError::Mixed)),
        ("[[1]]", Err(ValueError::Nested)),
        ("[{}]", Err(ValueError::Table)),
        ("{ a = 1 }", Err(ValueError::Table)),
        ("1979-05-27", Err(ValueError::Date)),
        ("[07:32:00]", Err(ValueError::Date)),
    ] {
        let table: toml::Table = format!("value = {toml}").parse().expect("this is TOML");
        assert_eq!(Value::try_from(&table["value"]), expected, "{toml}");
    }
}

#[test]
fn values_are_written_as_text_and_as_json() {
    for (value, shown, json) in [
        (Boolean(true), "true", "true"),
        (Integer(-1), "-1", "-1"),
        (Float(2.0), "2.0", "2.0"),
        (Float(f64::NAN), "NaN", "null"),
        (text("a \"b\"\n\x1b"), "a \"b\"\\n\\u{1b}", "\"a \\\"b\\\"\\n\\u001b\""),
        (Value::Integers(vec![1, 2]), "[1, 2]", "[1,2]"),
        (Value::Floats(vec![1.0, 2.5]), "[1.0, 2.5]", "[1.0,2.5]"),
        (Value::Booleans(vec![true]), "[true]", "[true]"),
        (Value::Texts(vec![]), "[]", "[]"),
        (Value::Texts(vec!["a".to_owned(), "b".to_owned()]), "[a, b]", "[\"a\",\"b\"]"),
    ] {
        assert_eq!(value.to_string(), shown);
        assert_eq!(serde_json::Value::from(&value).to_string(), json);
    }
}

#[test]
fn the_text_of_a_flag_is_read_by_its_option() {
    for (name, given, value) in [
        ("rate", "2097152", Integer(2_097_152)),
        ("rate", "2M", text("2M")),
        ("timeout", "30", Integer(30)),
        ("timeout", "0.5", Float(0.5)),
        ("stream", "false", Boolean(false)),
        ("content_type", "true", text("true")),
    ] {
        assert_eq!(parse(find(name).expect("it is in the table"), given), value);
    }
}

#[test]
fn another_default_of_the_buffer_size_goes_behind_every_source_and_changes_no_burst() {
    let with_default = |flags: Given, file: Given| {
        let mut options = resolved(flags, &[], file);
        options.set_default_buffer_size(65_536);
        (options.settings.buffer_size, options.settings.burst, options.get("buffer_size").cloned())
    };
    assert_eq!(with_default(&[], &[]), (65_536, 16_384, Some(Integer(65_536))));
    let own = [("buffer_size", Integer(10))];
    assert_eq!(with_default(&own, &[]), (10, 10, Some(Integer(10))));
    assert_eq!(with_default(&[], &own), (10, 10, Some(Integer(10))));
}
