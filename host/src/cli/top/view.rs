//! Draws what `host top` shows, for whatever size a terminal has.

use clap::ValueEnum;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::details::{self, DetailLine};
use super::state::{State, View};
use super::summary;
use super::table::{Column, TableLayout, fit, rows, wrap};

/// The most lines of figures in all, as long as there is room for a table.
const MAX_SUMMARY: usize = 4;

/// How things look. Without colour they differ by weight alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    pub(super) has_colour: bool,
}

impl Theme {
    fn coloured(self, color: Color) -> Style {
        if self.has_colour { Style::new().fg(color) } else { Style::new() }
    }

    fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn heading(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }
}

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws all of it. The state learns how many lines there is room for.
pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State, theme: Theme) {
    let area = frame.area();
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let mut lines = summary_lines(state, theme, width);
    // A line for the keys, and at least the title and a row of the table.
    lines.truncate((MAX_SUMMARY + 2).min(height.saturating_sub(3)));
    let room = height.saturating_sub(lines.len() + 1);
    let body = match &state.view {
        View::Table | View::Filter => table_lines(state, theme, width, room),
        View::Route(name) => {
            let of_route = details::lines(name, &state.stats, state.figures.as_ref(), state.details.as_ref());
            text_lines(state, theme, width, room, of_route)
        }
        View::Help => text_lines(state, theme, width, room, help()),
    };
    lines.extend(body);
    lines.resize(height.saturating_sub(1), Line::default());
    lines.push(footer(state, width));
    let buffer = frame.buffer_mut();
    for (row, line) in (area.y..area.bottom()).zip(&lines) {
        let place = Rect { y: row, height: 1, ..area };
        buffer.set_style(place, line.style);
        buffer.set_line(place.x, place.y, line, place.width);
    }
}

fn summary_lines(state: &State, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let stats = &state.stats;
    let mut lines = match &state.away {
        Some(why) => {
            let told = format!("The host is away, and is tried each second: {}", host::text::printable(why));
            wrap(&told, width).into_iter().take(2).map(|line| Line::styled(line, theme.bad())).collect()
        }
        None => {
            let told = summary::condition(stats);
            let style = if told == "Serving" { theme.coloured(Color::Green) } else { theme.bad() };
            vec![Line::from(vec![
                Span::styled(told, style.add_modifier(Modifier::BOLD)),
                Span::raw(format!(", {}", summary::identity(stats))),
            ])]
        }
    };
    let mut line = Line::default();
    let mut figures = Vec::new();
    for (name, value) in summary::figures(stats, state.figures.as_ref()) {
        let is_bad =
            name == "errors/s" && state.figures.as_ref().is_some_and(|figures| figures.all.happened.errors > 0);
        let value = Span::styled(value, if is_bad { theme.bad() } else { BOLD });
        let name = Span::raw(format!(" {name}"));
        let wide = value.width() + name.width();
        if line.width() > 0 && line.width() + 2 + wide > width {
            figures.push(std::mem::take(&mut line));
        }
        if line.width() > 0 {
            line.push_span("  ");
        }
        line.push_span(value);
        line.push_span(name);
    }
    figures.push(line);
    figures.truncate(MAX_SUMMARY - 1);
    lines.extend(figures);
    let notes = summary::notes(stats).join("; ");
    if !notes.is_empty() {
        lines.push(Line::styled(fit(&notes, width), theme.coloured(Color::Yellow)));
    }
    lines
}

fn table_lines(state: &mut State, theme: Theme, width: usize, room: usize) -> Vec<Line<'static>> {
    let State { stats, figures, sort, filter, selected, offset, page, .. } = state;
    let rows = rows(stats, figures.as_ref(), *sort, filter);
    let longest = rows.iter().map(|row| row.label().width()).max().unwrap_or(0);
    let layout = TableLayout::fitting(width, longest, sort.column);
    *page = room.saturating_sub(1);
    let index = rows.iter().position(|row| Some(&row.stats.name) == selected.as_ref());
    if let Some(index) = index {
        *offset = (*offset).clamp((index + 1).saturating_sub(*page), index);
    }
    *offset = (*offset).min(rows.len().saturating_sub(*page));
    let arrow = if sort.descending { '▼' } else { '▲' };
    let titled = |column: Column| match column == sort.column {
        true => format!("{arrow}{}", column.title()),
        false => column.title().to_owned(),
    };
    let titles = layout.line(&titled(Column::Name), titled).concat();
    let mut lines = vec![Line::styled(titles, REVERSED)];
    for (place, row) in rows.iter().enumerate().skip(*offset).take(*page) {
        let cells = layout.line(&row.label(), |column| column.cell(row));
        let is_failing = row.figures.is_some_and(|figures| figures.happened.errors > 0);
        let shown = std::iter::once(Column::Name).chain(layout.figures.iter().copied());
        let spans = cells.into_iter().zip(shown).map(|(cell, column)| match column {
            Column::Errors if is_failing => Span::styled(cell, theme.bad()),
            Column::Name if row.is_quarantined => Span::styled(cell, theme.bad()),
            _ => Span::raw(cell),
        });
        let line = Line::from_iter(spans);
        lines.push(if index == Some(place) { line.style(REVERSED) } else { line });
    }
    if rows.is_empty() {
        lines.push(Line::raw(fit("no route has this in its name", width)));
    }
    lines.truncate(room);
    lines
}

fn text_lines(state: &mut State, theme: Theme, width: usize, room: usize, text: Vec<DetailLine>) -> Vec<Line<'static>> {
    let title = match &state.view {
        View::Route(name) => format!("Route {}", host::text::printable(name)),
        _ => "Keys and columns".to_owned(),
    };
    let title = fit(&title, width);
    let padding = " ".repeat(width.saturating_sub(title.width()));
    let mut lines = vec![Line::styled(title + &padding, REVERSED)];
    let wrapped: Vec<Line<'static>> = text
        .into_iter()
        .flat_map(|line| {
            let (text, style) = match line {
                DetailLine::Heading(text) => (text, theme.heading()),
                DetailLine::Text(text) => (text, Style::new()),
            };
            wrap(&text, width).into_iter().map(move |line| Line::styled(line, style))
        })
        .collect();
    state.page = room.saturating_sub(1);
    state.offset = state.offset.min(wrapped.len().saturating_sub(state.page));
    lines.extend(wrapped.into_iter().skip(state.offset).take(state.page));
    lines.truncate(room);
    lines
}

fn help() -> Vec<DetailLine> {
    let keys = [
        ("Up, Down, PgUp, PgDn, Home, End", "choose a route, or scroll"),
        ("Enter", "how the route is set up, its cost and its last failures; Esc leads back"),
        ("/", "show only routes with a text in their names; Esc ends that"),
        ("Left, Right", "sort by another column"),
        ("v", "turn the order around, as does the key of the column"),
        ("?", "this help"),
        ("q, Ctrl-C", "quit"),
    ];
    let mut lines = vec![DetailLine::Heading("Keys".to_owned())];
    lines.extend(keys.map(|(key, what)| DetailLine::Text(format!("  {key}: {what}"))));
    lines.push(DetailLine::Heading("Columns, each with the key that sorts by it".to_owned()));
    lines.extend(
        Column::value_variants()
            .iter()
            .map(|column| DetailLine::Text(format!("  {} {}: {}", column.key(), column.title(), column.help()))),
    );
    lines.push(DetailLine::Text("Figures for a second are of the last 10 seconds.".to_owned()));
    lines
}

fn footer(state: &State, width: usize) -> Line<'static> {
    let text = match &state.view {
        View::Filter => format!("/{}_", host::text::printable(&state.filter)),
        View::Table if !state.filter.is_empty() => {
            format!("filter: {}  Esc: all routes", host::text::printable(&state.filter))
        }
        View::Table => "q quit  ? help  / filter  Enter details".to_owned(),
        View::Route(_) | View::Help => "q quit  Esc back  Up Down scroll".to_owned(),
    };
    Line::raw(fit(&text, width))
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{KeyCode, KeyEvent};
    use serde_json::json;

    use super::super::details::Details;
    use super::super::stats::Stats;
    use super::super::table::Sort;
    use super::*;

    /// A name that clears a screen if it is printed.
    const HOSTILE: &str = "x\u{1b}[2J";

    fn stats(time: f64, requests: u64, name: &str) -> Stats {
        let json = json!({
            "version": "1.2.3", "time": time, "started": 0.0, "workers": 2, "requests": requests, "invocations": 3, "parked": 4,
            "connections": { "open": 5 }, "memory": { "used": 1024, "limit": 2048 }, "latency_bounds": [0.001, 0.01],
            "quarantined": [], "routes": [
                { "route": "hello", "mounted": { "invocations": 1, "parked": 0, "memory": 4096 }, "requests": [["GET", "200", requests]],
                  "latency": { "buckets": [requests, 0, 0] }, "sent_bytes": requests * 100, "ends": { "complete": requests } },
                { "route": name, "mounted": { "invocations": 0, "parked": 0, "memory": 0 }, "requests": [["GET", "500", 1]],
                  "latency": { "buckets": [0, 1, 0] }, "ends": { "complete": 1 } },
            ],
        });
        Stats::of(&json).expect("it has figures")
    }

    fn state() -> State {
        let mut state = State::new(stats(10.0, 0, HOSTILE), Sort::by(Column::Requests));
        state.take(stats(12.0, 84, HOSTILE));
        state
    }

    fn details() -> Details {
        Details {
            routes: json!({ "routes": [{ "name": HOSTILE, "patterns": ["/x"], "methods": [], "file": "x.wasm", "world": "vibrato",
                "middleware": [{ "name": "auth", "partial": true }], "grants": { "config": ["key"] },
                "options": { "timeout": { "value": 30, "source": "file" } } }] }),
            failures: json!({ "failures": [{ "time": 3661.0, "route": HOSTILE, "request": 7, "text": "it \u{1b}[31mfailed\nat line 2" }] }),
        }
    }

    fn screen(state: &mut State, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("it is memory");
        let theme = Theme { has_colour: true };
        terminal.draw(|frame| draw(frame, state, theme)).expect("it is memory");
        let buffer = terminal.backend().buffer();
        let cells: Vec<&str> = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
        cells.chunks(usize::from(width.max(1))).map(|line| line.concat() + "\n").collect()
    }

    fn press(state: &mut State, keys: &[KeyCode]) {
        keys.iter().for_each(|key| _ = state.press(KeyEvent::from(*key)));
    }

    #[test]
    fn it_shows_figures_in_all_and_by_route() {
        let screen = screen(&mut state(), 120, 12);
        for told in [
            "Serving, up 12 s, 2 workers, version 1.2.3",
            "42 requests/s",
            "0 errors/s",
            "1.0 KiB of 2.0 KiB memory",
            "3 in flight",
            "4 parked",
            "5 connections",
            "▼Req/s",
        ] {
            assert!(screen.contains(told), "{told}: {screen}");
        }
        let row = screen.lines().find(|line| line.starts_with("hello")).expect("there is a row");
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells[..5], ["hello", "42", "0", "500µs", "990µs"], "{screen}");
        assert!(screen.contains("x\\u{1b}[2J"), "{screen}");
    }

    #[test]
    fn forty_columns_have_the_figures_that_matter_most() {
        let screen = screen(&mut state(), 40, 14);
        let titles = screen.lines().find(|line| line.starts_with("Route")).expect("there are titles");
        assert_eq!(titles.split_whitespace().collect::<Vec<_>>(), ["Route", "▼Req/s", "Errors/s", "p99"], "{screen}");
    }

    #[test]
    fn details_have_options_grants_the_chain_and_the_last_failure_and_no_control_characters() {
        let mut state = state();
        press(&mut state, &[KeyCode::Char('n'), KeyCode::End, KeyCode::Enter]);
        assert!(screen(&mut state, 80, 24).contains("is being asked for"));
        state.details = Some(details());
        let screen = screen(&mut state, 80, 50);
        for told in [
            "Route x\\u{1b}[2J",
            "any method",
            "auth (some paths)",
            "config: key",
            "timeout = 30 (file)",
            "Failure at 01:01:01 UTC, request 7",
            "it \\u{1b}[31mfailed",
            "at line 2",
            "GET 500: 1",
        ] {
            assert!(screen.contains(told), "{told}: {screen}");
        }
    }

    #[test]
    fn a_host_that_is_away_is_told_with_the_reason() {
        let mut state = state();
        state.away = Some("cannot connect: refused".to_owned());
        assert!(
            screen(&mut state, 100, 12).contains("The host is away, and is tried each second: cannot connect: refused")
        );
        state.take(stats(13.0, 90, HOSTILE));
        assert!(!screen(&mut state, 100, 12).contains("away"));
    }

    #[test]
    fn a_chosen_row_stays_in_view() {
        let mut all = stats(10.0, 1, "x");
        let route = all.routes[0].clone();
        all.routes = (0..100)
            .map(|number| super::super::stats::RouteTotals { name: format!("route{number:02}"), ..route.clone() })
            .collect();
        let mut state = State::new(all, Sort::by(Column::Name));
        assert!(screen(&mut state, 80, 10).contains("route00"));
        press(&mut state, &[KeyCode::End]);
        assert!(screen(&mut state, 80, 10).contains("route99"));
        press(&mut state, &[KeyCode::PageUp, KeyCode::PageUp]);
        let chosen = state.selected.clone().expect("one is chosen");
        assert!(chosen != "route99" && screen(&mut state, 80, 10).contains(&chosen));
        // With a filter that leaves fewer rows, there is no empty page.
        press(&mut state, &[KeyCode::Char('/'), KeyCode::Char('0'), KeyCode::Char('7')]);
        assert!(screen(&mut state, 80, 10).contains("route07"));
    }

    #[test]
    fn no_size_of_a_terminal_is_too_small() {
        let long = "a long reason ".repeat(20);
        for keys in [
            &[][..],
            &[KeyCode::Char('?'), KeyCode::End],
            &[KeyCode::Enter, KeyCode::End],
            &[KeyCode::Char('/'), KeyCode::Char('日')],
        ] {
            for away in [None, Some(long.clone())] {
                let mut state = state();
                state.details = Some(details());
                state.away = away;
                press(&mut state, keys);
                for (width, height) in (0..45).flat_map(|width| (0..12).map(move |height| (width, height))) {
                    screen(&mut state, width, height);
                }
            }
        }
    }
}
