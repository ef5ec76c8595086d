//! The form of a report.

use super::*;

#[test]
fn a_report_names_file_reason_and_remedy() {
    for (severity, word) in [(Severity::Error, "error"), (Severity::Warning, "warning")] {
        let diagnostic = Diagnostic {
            severity,
            location: "routes/x.wasm".into(),
            reason: "it is not a component".to_owned(),
            explanation: String::new(),
            remedy: "build it for wasm32-wasip2".to_owned(),
        };
        let expected = "routes/x.wasm: it is not a component\n  remedy: build it for wasm32-wasip2";
        assert_eq!(diagnostic.to_string(), format!("{word}: {expected}"));
        assert_eq!(diagnostic.unlabelled().to_string(), expected);
    }
}

#[test]
fn a_name_cannot_forge_a_report_nor_drive_a_terminal() {
    let diagnostic = Diagnostic {
        severity: Severity::Error,
        location: "routes/a\nerror: b\u{1b}[2J.wasm".into(),
        reason: "it imports `c\nd`".to_owned(),
        explanation: "error: e\r\n\u{1b}[2J".to_owned(),
        remedy: "to allow it, set it in e\r.toml".to_owned(),
    };
    let expected = "error: routes/a\\nerror: b\\u{1b}[2J.wasm: it imports `c\\nd`\n    error: e\n    \\u{1b}[2J\n  remedy: to allow it, set it in e\\r.toml";
    assert_eq!(diagnostic.to_string(), expected);
}
