//! What `host top` knows and shows, and what keys change of it. It draws nothing, and asks nobody.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::details::Details;
use super::figures::{HostFigures, Sample, Window};
use super::stats::Stats;
use super::table::{Column, Sort, rows};
use clap::ValueEnum;

/// The most characters of a filter.
const MAX_FILTER: usize = 200;

/// What is shown, and what it is made of.
#[derive(Debug)]
pub(super) struct State {
    window: Window,
    pub(super) stats: Stats,
    pub(super) figures: Option<HostFigures>,
    pub(super) details: Option<Details>,
    /// Why the host has not answered.
    pub(super) away: Option<String>,
    pub(super) sort: Sort,
    pub(super) filter: String,
    pub(super) view: View,
    /// The name of the row that keys have chosen.
    pub(super) selected: Option<String>,
    /// The first line that is shown, and how many there is room for.
    pub(super) offset: usize,
    pub(super) page: usize,
}

/// What is shown below the figures in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum View {
    Table,
    /// The table, while a filter is typed.
    Filter,
    /// The details of the route of this name.
    Route(String),
    Help,
}

/// What a key asks for beyond what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyEffect {
    Stay,
    Quit,
}

impl State {
    pub(super) fn new(stats: Stats, sort: Sort) -> Self {
        let mut state = Self {
            window: Window::default(),
            stats: Stats::default(),
            figures: None,
            details: None,
            away: None,
            sort,
            filter: String::new(),
            view: View::Table,
            selected: None,
            offset: 0,
            page: 1,
        };
        state.take(stats);
        state
    }

    /// Takes the figures of one moment.
    pub(super) fn take(&mut self, stats: Stats) {
        self.figures = self.window.take(Sample::of(&stats));
        if self.stats.started != stats.started {
            self.details = None;
        }
        self.stats = stats;
        self.away = None;
    }

    /// Whether the view shows more than figures, which has to be asked for.
    pub(super) fn wants_details(&self) -> bool {
        matches!(self.view, View::Route(_))
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> KeyEffect {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if matches!(key.code, KeyCode::Char('c' | 'd')) { KeyEffect::Quit } else { KeyEffect::Stay };
        }
        match self.view {
            View::Filter => self.press_in_filter(key.code),
            View::Table => return self.press_in_table(key.code),
            View::Route(_) | View::Help => return self.press_in_text(key.code),
        }
        KeyEffect::Stay
    }

    fn press_in_filter(&mut self, key: KeyCode) {
        match key {
            KeyCode::Char(char) if self.filter.chars().count() < MAX_FILTER => self.filter.push(char),
            KeyCode::Backspace => _ = self.filter.pop(),
            KeyCode::Enter => self.view = View::Table,
            KeyCode::Esc => {
                self.filter.clear();
                self.view = View::Table;
            }
            _ => {}
        }
        self.offset = 0;
    }

    fn press_in_table(&mut self, key: KeyCode) -> KeyEffect {
        let page = self.page.max(1) as isize;
        match key {
            KeyCode::Char('q') => return KeyEffect::Quit,
            KeyCode::Char('?' | 'h') => self.show(View::Help),
            KeyCode::Char('/') => self.view = View::Filter,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('v') => self.sort.descending = !self.sort.descending,
            KeyCode::Left | KeyCode::Char('<') => self.sort = Sort::by(self.sort.column.beside(-1)),
            KeyCode::Right | KeyCode::Char('>') => self.sort = Sort::by(self.sort.column.beside(1)),
            KeyCode::Up | KeyCode::Char('k') => self.select(-1),
            KeyCode::Down | KeyCode::Char('j') => self.select(1),
            KeyCode::PageUp => self.select(-page),
            KeyCode::PageDown => self.select(page),
            KeyCode::Home | KeyCode::Char('g') => self.select(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.select(isize::MAX),
            KeyCode::Enter => {
                if self.selected.is_none() {
                    self.select(0);
                }
                if let Some(name) = self.selected.clone() {
                    self.show(View::Route(name));
                }
            }
            KeyCode::Char(key) => self.sort_by_key(key),
            _ => {}
        }
        KeyEffect::Stay
    }

    /// The same key again turns the order around.
    fn sort_by_key(&mut self, key: char) {
        let Some(column) = Column::value_variants().iter().find(|column| column.key() == key) else { return };
        match self.sort.column == *column {
            true => self.sort.descending = !self.sort.descending,
            false => self.sort = Sort::by(*column),
        }
    }

    fn press_in_text(&mut self, key: KeyCode) -> KeyEffect {
        let page = self.page.max(1);
        // What is shown bounds it.
        self.offset = match key {
            KeyCode::Char('q') => return KeyEffect::Quit,
            KeyCode::Esc | KeyCode::Enter | KeyCode::Backspace | KeyCode::Left => {
                self.show(View::Table);
                return KeyEffect::Stay;
            }
            KeyCode::Char('?' | 'h') if self.view == View::Help => {
                self.show(View::Table);
                return KeyEffect::Stay;
            }
            KeyCode::Char('?' | 'h') => {
                self.show(View::Help);
                return KeyEffect::Stay;
            }
            KeyCode::Up | KeyCode::Char('k') => self.offset.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.offset.saturating_add(1),
            KeyCode::PageUp => self.offset.saturating_sub(page),
            KeyCode::PageDown | KeyCode::Char(' ') => self.offset.saturating_add(page),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => usize::MAX,
            _ => self.offset,
        };
        KeyEffect::Stay
    }

    fn show(&mut self, view: View) {
        self.view = view;
        self.offset = 0;
    }

    /// Selects the row that is `places` below the selected one. If none is selected, it is the first.
    fn select(&mut self, places: isize) {
        let rows = rows(&self.stats, self.figures.as_ref(), self.sort, &self.filter);
        let index = rows.iter().position(|row| Some(&row.stats.name) == self.selected.as_ref());
        let index = match index {
            Some(index) => index.saturating_add_signed(places),
            None if places == isize::MAX => usize::MAX,
            None => 0,
        };
        let row = rows.get(index.min(rows.len().saturating_sub(1)));
        self.selected = row.map(|row| row.stats.name.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::stats::RouteTotals;
    use super::*;

    fn state() -> State {
        let routes = ["a", "b", "c", "d"].map(|name| RouteTotals { name: name.to_owned(), ..RouteTotals::default() });
        State::new(Stats { routes: routes.into(), time: 1.0, ..Stats::default() }, Sort::by(Column::Requests))
    }

    fn press(state: &mut State, keys: &[KeyCode]) -> KeyEffect {
        keys.iter().map(|key| state.press(KeyEvent::from(*key))).last().expect("there is one")
    }

    fn typed(state: &mut State, keys: &str) -> KeyEffect {
        press(state, &keys.chars().map(KeyCode::Char).collect::<Vec<_>>())
    }

    #[test]
    fn keys_sort_and_the_same_key_again_turns_the_order_around() {
        let mut state = state();
        typed(&mut state, "e");
        assert_eq!(state.sort, Sort::by(Column::Errors));
        typed(&mut state, "e");
        assert_eq!(state.sort, Sort { column: Column::Errors, descending: false });
        typed(&mut state, "v");
        assert_eq!(state.sort, Sort::by(Column::Errors));
        press(&mut state, &[KeyCode::Left, KeyCode::Left]);
        assert_eq!(state.sort, Sort::by(Column::Name));
        press(&mut state, &[KeyCode::Right]);
        assert_eq!(state.sort.column, Column::Requests);
    }

    #[test]
    fn arrows_choose_a_row_within_the_table_and_enter_shows_it() {
        let mut state = state();
        press(&mut state, &[KeyCode::Down, KeyCode::Down]);
        assert_eq!(state.selected.as_deref(), Some("b"));
        press(&mut state, &[KeyCode::PageDown, KeyCode::End]);
        assert_eq!(state.selected.as_deref(), Some("d"));
        press(&mut state, &[KeyCode::Down, KeyCode::Up]);
        assert_eq!(state.selected.as_deref(), Some("c"));
        press(&mut state, &[KeyCode::Home, KeyCode::Up]);
        assert_eq!(state.selected.as_deref(), Some("a"));
        press(&mut state, &[KeyCode::Enter]);
        assert_eq!(state.view, View::Route("a".to_owned()));
        assert!(state.wants_details());
        press(&mut state, &[KeyCode::Down, KeyCode::Char('?')]);
        assert_eq!((&state.view, state.offset), (&View::Help, 0));
        press(&mut state, &[KeyCode::Esc]);
        assert_eq!(state.view, View::Table);
    }

    #[test]
    fn letters_of_a_filter_are_no_keys() {
        let mut state = state();
        typed(&mut state, "/qB");
        assert_eq!((state.filter.as_str(), &state.view), ("qB", &View::Filter));
        press(&mut state, &[KeyCode::Home, KeyCode::Backspace, KeyCode::Backspace, KeyCode::Char('b'), KeyCode::Enter]);
        press(&mut state, &[KeyCode::End]);
        assert_eq!((state.filter.as_str(), state.selected.as_deref()), ("b", Some("b")));
        typed(&mut state, &format!("/{}", "x".repeat(1000)));
        assert_eq!(state.filter.len(), MAX_FILTER);
        press(&mut state, &[KeyCode::Esc]);
        assert_eq!((state.filter.as_str(), &state.view), ("", &View::Table));
    }

    #[test]
    fn q_and_control_c_quit_everywhere_but_q_in_a_filter() {
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        for keys in ["", "?", "/"] {
            let mut state = state();
            if !keys.is_empty() {
                typed(&mut state, keys);
            }
            assert_eq!(typed(&mut state, "q"), if keys == "/" { KeyEffect::Stay } else { KeyEffect::Quit }, "{keys}");
            assert_eq!(state.press(control_c), KeyEffect::Quit, "{keys}");
        }
    }
}
