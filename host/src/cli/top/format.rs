//! Figures as people read them, in the words of the page at `/` of the admin listener.

/// A number of things, or of things a second.
pub(super) fn count(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        ..0.095 => "< 0.1".to_owned(),
        // Without a trailing zero.
        ..10.0 => ((value * 10.0).round() / 10.0).to_string(),
        _ => grouped(value.round()),
    }
}

/// A whole number with a comma before each three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A duration of `seconds`.
pub(super) fn duration(seconds: f64) -> String {
    let digits = |value: f64| format!("{value:.*}", usize::from(value < 9.95));
    match seconds {
        ..0.000_999_5 => format!("{:.0} µs", (seconds * 1e6).round()),
        ..0.9995 => format!("{} ms", digits(seconds * 1e3)),
        _ => format!("{} s", digits(seconds)),
    }
}

/// A number of bytes.
pub(super) fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (value, 0);
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    match unit > 0 && value < 9.95 {
        true => format!("{value:.1} {}", UNITS[unit]),
        false => format!("{:.0} {}", value.round(), UNITS[unit]),
    }
}

/// How long something lasts: `3 h 5 min`.
pub(super) fn age(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{whole} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A share of one processor.
pub(super) fn share(value: f64) -> String {
    let percent = value * 100.0;
    if percent == 0.0 { "0 %".to_owned() } else { format!("{percent:.*} %", usize::from(percent < 9.95)) }
}
