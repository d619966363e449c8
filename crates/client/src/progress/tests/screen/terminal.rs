//! A terminal in memory. When its width changes, it wraps again what it shows, as most terminals do.

use std::sync::Arc;

use parking_lot::Mutex;
use unicode_width::UnicodeWidthChar as _;

use crate::output::TerminalSize;
use crate::progress::bars::BarTarget;

/// The second cell of a wide character.
const FILLER: char = '\0';

/// One row of cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ScreenRow {
    cells: Vec<char>,
    /// Whether the text goes on in the next row without a line break.
    goes_on: bool,
}

/// The screen, of any height.
#[derive(Debug)]
struct Screen {
    columns: usize,
    rows: Vec<ScreenRow>,
    row: usize,
    column: usize,
}

/// A terminal that other threads may use, too.
#[derive(Debug, Clone)]
pub(super) struct MemoryTerminal(Arc<Mutex<Screen>>);

impl MemoryTerminal {
    pub(super) fn new(columns: usize) -> Self {
        Self(Arc::new(Mutex::new(Screen {
            columns,
            rows: vec![ScreenRow::default()],
            row: 0,
            column: 0,
        })))
    }

    /// The target that draws on it.
    pub(super) fn target(&self) -> BarTarget {
        let (sized, written) = (self.clone(), self.clone());
        BarTarget {
            size: Box::new(move || TerminalSize {
                columns: sized.0.lock().columns,
                lines: 20,
            }),
            write: Box::new(move |text| written.0.lock().write(text)),
        }
    }

    /// What it shows, without the spaces at the ends of lines and the empty lines at the end.
    pub(super) fn contents(&self) -> String {
        let screen = self.0.lock();
        let rows = screen.rows.iter().map(|row| {
            let text: String = row.cells.iter().filter(|cell| **cell != FILLER).collect();
            text.trim_end().to_owned()
        });
        let rows: Vec<String> = rows.collect();
        rows.join("\n").trim_end_matches('\n').to_owned()
    }

    /// Changes the width.
    pub(super) fn resize(&self, columns: usize) {
        self.0.lock().resize(columns);
    }
}

impl Screen {
    fn write(&mut self, text: &str) {
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\r' => self.column = 0,
                '\n' => self.go_to(self.row + 1),
                '\x1b' => {
                    assert_eq!(chars.next(), Some('['), "{text:?}");
                    let mut number = String::new();
                    let end = chars.by_ref().find(|c| {
                        if c.is_ascii_digit() {
                            number.push(*c);
                        }
                        !c.is_ascii_digit()
                    });
                    match end {
                        Some('A') => self.row = self.row.saturating_sub(number.parse().unwrap()),
                        Some('J') => self.erase_below(),
                        other => panic!("{other:?} is not known: {text:?}"),
                    }
                }
                c => self.put(c),
            }
        }
    }

    fn go_to(&mut self, row: usize) {
        self.row = row;
        if self.rows.len() <= row {
            self.rows.resize(row + 1, ScreenRow::default());
        }
    }

    fn erase_below(&mut self) {
        self.rows.truncate(self.row + 1);
        self.rows[self.row].cells.truncate(self.column);
        self.rows[self.row].goes_on = false;
    }

    fn put(&mut self, c: char) {
        let width = c.width().unwrap_or(0);
        if self.column > 0 && self.column + width > self.columns {
            self.rows[self.row].goes_on = true;
            self.go_to(self.row + 1);
            self.column = 0;
        }
        let cells = &mut self.rows[self.row].cells;
        cells.resize(cells.len().max(self.column + width), ' ');
        for cell in 0..width {
            cells[self.column + cell] = if cell == 0 { c } else { FILLER };
        }
        self.column += width;
    }

    fn resize(&mut self, columns: usize) {
        assert_eq!(self.column, 0, "the cursor is where a line begins");
        let (before, at) = (std::mem::take(&mut self.rows), self.row);
        (self.columns, self.row) = (columns, 0);
        self.go_to(0);
        for (number, row) in before.into_iter().enumerate() {
            if number == at {
                self.column = 0;
                // All that follows is written again below the cursor.
                let cursor = self.row;
                self.write_row(row);
                self.row = cursor;
                return;
            }
            self.write_row(row);
        }
    }

    fn write_row(&mut self, row: ScreenRow) {
        let cells = row.cells.into_iter().filter(|cell| *cell != FILLER);
        cells.for_each(|cell| self.put(cell));
        if !row.goes_on {
            self.go_to(self.row + 1);
            self.column = 0;
        }
    }
}
