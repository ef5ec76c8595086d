//! Reaches for what may be granted, as the steps of its query say: those of `reach_steps`, and `config=NAME`, `configs`,
//! `secret=NAME`, `print=TEXT`. It answers with a line for each.

#[path = "reach_steps/mod.rs"]
mod reach_steps;

use guest_sdk::{Request, config, handler};

#[handler(path = "/reach", content_type = "text/plain; charset=utf-8")]
fn reach(request: Request) -> String {
    let mut report = String::new();
    for (step, argument) in request.query_params() {
        let line = match step.as_str() {
            "config" => format!("config: {}", config::get(&argument).unwrap_or_else(|| "none".to_owned())),
            "configs" => format!("configs: {:?}", config::all()),
            "secret" => format!("secret: {:?}", config::secret(&argument)),
            "print" => {
                println!("{argument}");
                "print: ok".to_owned()
            }
            _ => reach_steps::run(&step, &argument).unwrap_or_else(|| format!("{step}: no step")),
        };
        report += &line;
        report.push('\n');
    }
    report
}
