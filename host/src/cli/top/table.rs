//! The table of routes: its columns, the order of its rows, and its lines for as many columns as a terminal has.

use std::cmp::Ordering;

use clap::ValueEnum;
use host::text::printable;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::figures::{Figures, HostFigures};
use super::format;
use super::stats::{RouteTotals, Stats};

/// The name under which requests are counted that no route has answered.
const NO_ROUTE: &str = "-";

/// The columns for a name: at least, and at most.
const NAME_WIDTH: (usize, usize) = (10, 60);

/// The columns for a figure.
const FIGURE_WIDTH: usize = 10;

/// A column of the table, and an order of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Column {
    /// The name of the route
    Name,
    /// Requests a second
    Requests,
    /// Errors a second: statuses from 500 on, and truncated responses
    Errors,
    /// The latency that half of the requests have at most
    P50,
    /// The latency that 99 of 100 requests have at most
    P99,
    /// Processor time of its handlers, as a share of one core
    Time,
    /// Invocations in flight
    Invocations,
    /// Parked responses and WebSockets
    Parked,
    /// Bytes of --max-memory that it uses
    Memory,
    /// Bytes of responses a second
    Sent,
    /// Seconds a second for which its rates hold bytes back
    Waits,
    /// Requests since the start of the host
    Total,
}

/// The columns from the left, each with its rank: in a narrow terminal those with high numbers are left out.
const FIGURES: [(Column, u8); 11] = [
    (Column::Requests, 0),
    (Column::Errors, 2),
    (Column::P50, 4),
    (Column::P99, 1),
    (Column::Time, 3),
    (Column::Invocations, 6),
    (Column::Parked, 7),
    (Column::Memory, 5),
    (Column::Sent, 8),
    (Column::Waits, 10),
    (Column::Total, 9),
];

/// The order of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) column: Column,
    pub(super) descending: bool,
}

/// A row: what is known of the routes of one name.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableRow<'a> {
    pub(super) stats: &'a RouteTotals,
    pub(super) figures: Option<&'a Figures>,
    pub(super) is_quarantined: bool,
}

/// The columns that are shown, and how wide the names are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TableLayout {
    pub(super) name_width: usize,
    pub(super) figures: Vec<Column>,
}

impl Column {
    /// What stands above it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Name => "Route",
            Self::Requests => "Req/s",
            Self::Errors => "Errors/s",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Time => "Time",
            Self::Invocations => "In flight",
            Self::Parked => "Parked",
            Self::Memory => "Memory",
            Self::Sent => "Sent/s",
            Self::Waits => "Waits",
            Self::Total => "Requests",
        }
    }

    /// The key that sorts by it.
    pub(super) fn key(self) -> char {
        match self {
            Self::Name => 'n',
            Self::Requests => 'r',
            Self::Errors => 'e',
            Self::P50 => '5',
            Self::P99 => '9',
            Self::Time => 't',
            Self::Invocations => 'i',
            Self::Parked => 'p',
            Self::Memory => 'm',
            Self::Sent => 's',
            Self::Waits => 'w',
            Self::Total => 'a',
        }
    }

    /// What it means: the sentence that `--help` has.
    pub(super) fn help(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// The one as many places further to the right.
    pub(super) fn beside(self, places: isize) -> Self {
        let all = Self::value_variants();
        let index = all.iter().position(|column| *column == self).unwrap_or(0);
        let index = index.saturating_add_signed(places).min(all.len() - 1);
        all[index]
    }

    fn value(self, row: &TableRow<'_>) -> Option<f64> {
        let TableRow { stats, figures, .. } = row;
        let now = |figure: fn(&super::stats::MountedStats) -> u64| stats.mounted.as_ref().map(|now| figure(now) as f64);
        match self {
            Self::Name => None,
            Self::Requests => figures.map(|figures| figures.rate),
            Self::Errors => figures.map(|figures| figures.error_rate),
            Self::P50 => figures.and_then(|figures| figures.p50),
            Self::P99 => figures.and_then(|figures| figures.p99),
            Self::Time => figures.map(|figures| figures.cpu),
            Self::Invocations => now(|now| now.invocations),
            Self::Parked => now(|now| now.parked),
            Self::Memory => now(|now| now.memory),
            Self::Sent => figures.map(|figures| figures.sent_rate),
            Self::Waits => figures.map(|figures| figures.waited),
            Self::Total => Some(stats.counters.requests as f64),
        }
    }

    /// The figure of a row, without a space in it: `-` if there is none.
    pub(super) fn cell(self, row: &TableRow<'_>) -> String {
        let write = match self {
            Self::P50 | Self::P99 => format::duration,
            Self::Time | Self::Waits => format::share,
            Self::Memory | Self::Sent => format::bytes,
            _ => format::count as fn(f64) -> String,
        };
        self.value(row).map_or_else(|| "-".to_owned(), |value| write(value).replace(' ', ""))
    }
}

impl Sort {
    /// By this column: names from A to Z, and of figures the highest first.
    pub(super) fn by(column: Column) -> Self {
        Self { column, descending: column != Column::Name }
    }

    fn compare(self, one: &TableRow<'_>, other: &TableRow<'_>) -> Ordering {
        let by_name = one.stats.name.cmp(&other.stats.name);
        let directed = |ordering: Ordering| if self.descending { ordering.reverse() } else { ordering };
        if self.column == Column::Name {
            return directed(by_name);
        }
        match (self.column.value(one), self.column.value(other)) {
            (Some(one), Some(other)) => directed(one.total_cmp(&other)).then(by_name),
            // What has no figure is last either way.
            (one, other) => other.is_some().cmp(&one.is_some()).then(by_name),
        }
    }
}

/// The rows whose names have `filter` in them, in order.
pub(super) fn rows<'a>(
    stats: &'a Stats,
    figures: Option<&'a HostFigures>,
    sort: Sort,
    filter: &str,
) -> Vec<TableRow<'a>> {
    let wanted = filter.to_lowercase();
    let routes = stats.routes.iter().filter(|route| route.name.to_lowercase().contains(&wanted));
    let mut rows: Vec<TableRow<'_>> = routes
        .map(|route| TableRow {
            stats: route,
            figures: figures.and_then(|figures| figures.routes.get(&route.name)),
            is_quarantined: stats.quarantined.contains(&route.name),
        })
        .collect();
    rows.sort_by(|one, other| sort.compare(one, other));
    rows
}

impl TableRow<'_> {
    /// What a person reads for its name, and what is special about it.
    pub(super) fn label(&self) -> String {
        let name = printable(&self.stats.name);
        match (self.is_quarantined, &self.stats.mounted) {
            (true, _) => format!("{name} (quarantine)"),
            (false, Some(_)) => name,
            (false, None) if self.stats.name == NO_ROUTE => format!("{name} (no route)"),
            (false, None) => format!("{name} (removed)"),
        }
    }
}

impl TableLayout {
    /// What fits into a width: at least the names, then the figures that matter most, among them that of the order.
    pub(super) fn fitting(width: usize, longest_name: usize, sorted: Column) -> Self {
        let needed = longest_name.clamp(NAME_WIDTH.0, NAME_WIDTH.1);
        let room = width.saturating_sub(NAME_WIDTH.0) / FIGURE_WIDTH;
        let mut ranked: Vec<(Column, u8)> = FIGURES.to_vec();
        ranked.sort_by_key(|(column, rank)| (*column != sorted, *rank));
        // A long name is worth more than the last columns.
        let room = room.min((width.saturating_sub(needed) / FIGURE_WIDTH).max(4));
        let shown = &ranked[..room.min(ranked.len())];
        let figures: Vec<Column> = FIGURES.iter().filter(|it| shown.contains(it)).map(|(column, _)| *column).collect();
        let name_width = width.saturating_sub(figures.len() * FIGURE_WIDTH);
        Self { name_width: if figures.len() == FIGURES.len() { name_width.min(needed) } else { name_width }, figures }
    }

    /// Everything, for as wide a name as there is.
    pub(super) fn whole(longest_name: usize) -> Self {
        let figures = FIGURES.iter().map(|(column, _)| *column).collect();
        Self { name_width: longest_name.max(NAME_WIDTH.0), figures }
    }

    /// The cells of a line: a name, and a text for each figure, right-aligned.
    pub(super) fn line(&self, name: &str, figure: impl Fn(Column) -> String) -> Vec<String> {
        let figures = self.figures.iter().map(|column| {
            let text = fit(&figure(*column), FIGURE_WIDTH - 1);
            format!("{}{text}", " ".repeat(FIGURE_WIDTH.saturating_sub(text.width())))
        });
        let name = fit(name, self.name_width);
        let padding = " ".repeat(self.name_width.saturating_sub(name.width()));
        std::iter::once(name + &padding).chain(figures).collect()
    }
}

/// A text that is at most so wide; of a longer one the begin, and `…`.
pub(super) fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut begin = String::new();
    for char in text.chars() {
        begin.push(char);
        // Some characters are wider together than each by itself.
        if begin.width() >= width {
            begin.pop();
            break;
        }
    }
    if width == 0 { String::new() } else { begin + "…" }
}

/// A text in pieces that are at most so wide, at least one.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for char in text.chars() {
        let wide = char.width().unwrap_or(0);
        if used + wide > width.max(1) && used > 0 {
            lines.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(line) = lines.last_mut() {
            line.push(char);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::figures::Counters;
    use super::super::stats::MountedStats;
    use super::*;

    fn route(name: &str, memory: Option<u64>) -> RouteTotals {
        let mounted = memory.map(|memory| MountedStats { memory, ..MountedStats::default() });
        let counters = Counters { requests: name.len() as u64, ..Counters::default() };
        RouteTotals { name: name.to_owned(), mounted, counters, ..RouteTotals::default() }
    }

    fn stats() -> Stats {
        let routes = vec![route("-", None), route("bb", Some(10)), route("aaa", Some(30)), route("Cold", Some(20))];
        Stats { routes, quarantined: vec!["bb".to_owned()], ..Stats::default() }
    }

    fn names(sort: Sort, filter: &str) -> Vec<String> {
        rows(&stats(), None, sort, filter).iter().map(TableRow::label).collect()
    }

    #[test]
    fn rows_are_in_the_order_of_a_column_and_what_has_no_figure_is_last_either_way() {
        let by_memory = Sort::by(Column::Memory);
        assert_eq!(names(by_memory, ""), ["aaa", "Cold", "bb (quarantine)", "- (no route)"]);
        let reverse = Sort { descending: false, ..by_memory };
        assert_eq!(names(reverse, ""), ["bb (quarantine)", "Cold", "aaa", "- (no route)"]);
        assert_eq!(names(Sort::by(Column::Name), ""), ["- (no route)", "Cold", "aaa", "bb (quarantine)"]);
        assert_eq!(names(Sort::by(Column::Total), ""), ["Cold", "aaa", "bb (quarantine)", "- (no route)"]);
        // Without figures all are the same, and names decide.
        assert_eq!(names(Sort::by(Column::P99), ""), ["- (no route)", "Cold", "aaa", "bb (quarantine)"]);
        assert_eq!(names(by_memory, "cO"), ["Cold"]);
        assert_eq!(names(by_memory, "none"), Vec::<String>::new());
    }

    #[test]
    fn a_narrow_table_has_the_columns_that_matter_most_and_that_of_its_order() {
        let columns = |width, sort| TableLayout::fitting(width, 10, sort).figures;
        assert_eq!(columns(40, Column::Requests), [Column::Requests, Column::Errors, Column::P99]);
        assert_eq!(columns(40, Column::Total), [Column::Requests, Column::P99, Column::Total]);
        assert_eq!(columns(20, Column::Waits), [Column::Waits]);
        assert_eq!(columns(19, Column::Waits), []);
        assert_eq!(columns(200, Column::Name).len(), FIGURES.len());
        for width in 0..200 {
            for name in [0, 5, 50, 500] {
                let layout = TableLayout::fitting(width, name, Column::Requests);
                let line = layout.line("a name that is longer than most", |_| "1,234,567,890".to_owned()).concat();
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn texts_fit_by_what_a_terminal_shows_and_are_escaped() {
        assert_eq!(
            (fit("abc", 3), fit("abcd", 3), fit("abcd", 1), fit("abcd", 0)),
            ("abc".into(), "ab…".into(), "…".into(), String::new())
        );
        assert_eq!(
            (fit("日本語", 6), fit("日本語", 5), fit("日本語", 4)),
            ("日本語".into(), "日本…".into(), "日…".into())
        );
        // A heart is one column wide, and two as an emoji.
        let hearts = "\u{2764}\u{fe0f}".repeat(40);
        assert!(fit(&hearts, 40).width() <= 40, "{}", fit(&hearts, 40));
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!((wrap("", 4), wrap("abc", 0)), (vec![String::new()], vec!["a".into(), "b".into(), "c".into()]));
        let hostile = route("\u{1b}[2Jx\n\u{202e}", Some(0));
        let row = TableRow { stats: &hostile, figures: None, is_quarantined: false };
        assert_eq!(row.label(), "\\u{1b}[2Jx\\n\\u{202e}");
    }

    #[test]
    fn each_column_has_a_key_of_its_own_a_title_that_fits_and_a_meaning() {
        let all = Column::value_variants();
        assert_eq!(all.len(), FIGURES.len() + 1);
        for column in all {
            assert_eq!(all.iter().filter(|other| other.key() == column.key()).count(), 1, "{column:?}");
            assert!(column.title().len() < FIGURE_WIDTH && !column.help().is_empty(), "{column:?}");
        }
        assert_eq!((Column::Name.beside(-1), Column::Name.beside(1)), (Column::Name, Column::Requests));
        assert_eq!(Column::Total.beside(1), Column::Total);
    }
}
