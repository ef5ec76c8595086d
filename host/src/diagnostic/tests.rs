//! The form of a report.

use super::*;

#[test]
fn a_report_names_file_reason_and_remedy() {
    for (severity, word) in [(Severity::Error, "error"), (Severity::Warning, "warning")] {
        let diagnostic = Diagnostic {
            severity,
            file: "routes/x.wasm".into(),
            reason: "it is not a component".to_owned(),
            remedy: "build it for wasm32-wasip2".to_owned(),
        };
        let expected = "routes/x.wasm: it is not a component\n  remedy: build it for wasm32-wasip2";
        assert_eq!(diagnostic.to_string(), format!("{word}: {expected}"));
    }
}
