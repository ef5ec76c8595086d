//! The table as plain text, once.

use unicode_width::UnicodeWidthStr;

use super::figures::HostFigures;
use super::stats::Stats;
use super::summary;
use super::table::{Column, Sort, TableLayout, rows};

/// All of it.
pub(super) fn text(stats: &Stats, figures: Option<&HostFigures>, sort: Sort) -> String {
    let mut text = format!("{}, {}\n", summary::condition(stats), summary::identity(stats));
    let all = summary::figures(stats, figures);
    for line in all.chunks(4) {
        let line: Vec<String> = line.iter().map(|(name, value)| format!("{name} {value}")).collect();
        text += &format!("{}\n", line.join(", "));
    }
    for note in summary::notes(stats) {
        text += &format!("{note}\n");
    }
    let rows = rows(stats, figures, sort, "");
    let longest = rows.iter().map(|row| row.label().width()).max().unwrap_or(0);
    let layout = TableLayout::whole(longest);
    text += &format!("\n{}\n", layout.line(Column::Name.title(), |column| column.title().to_owned()).concat());
    for row in &rows {
        text += &format!("{}\n", layout.line(&row.label(), |column| column.cell(row)).concat());
    }
    text
}
