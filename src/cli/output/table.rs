// SPDX-License-Identifier: GPL-2.0

//! Columns that are as wide as what is in them.

use std::fmt;

enum Line {
    Cells(Vec<String>),
    /// A line of its own under the row before it.
    Text(String),
}

/// A table with a heading.
pub struct Table {
    head: Vec<String>,
    lines: Vec<Line>,
    indent: usize,
}

impl Table {
    /// A table with these columns.
    pub fn new(head: &[&str]) -> Self {
        Self {
            head: head.iter().map(ToString::to_string).collect(),
            lines: Vec::new(),
            indent: 0,
        }
    }

    /// Moves the whole table to the right.
    #[must_use]
    pub fn indented(mut self, spaces: usize) -> Self {
        self.indent = spaces;
        self
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.lines.push(Line::Cells(cells.into()));
    }

    /// Adds a line that is not divided into columns.
    pub fn line(&mut self, text: String) {
        self.lines.push(Line::Text(text));
    }
}

/// Width of a text on the screen: colours take none.
fn width(text: &str) -> usize {
    let mut count = 0;
    let mut escape = false;
    for c in text.chars() {
        match (escape, c) {
            (false, '\x1b') => escape = true,
            (true, 'm') => escape = false,
            (false, _) => count += 1,
            (true, _) => {}
        }
    }
    count
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.lines.iter().filter_map(|line| match line {
            Line::Cells(cells) => Some(cells),
            Line::Text(_) => None,
        });
        let mut widths: Vec<usize> = self.head.iter().map(|h| width(h)).collect();
        for row in rows {
            for (w, cell) in widths.iter_mut().zip(row) {
                *w = (*w).max(width(cell));
            }
        }
        let write = |f: &mut fmt::Formatter<'_>, cells: &[String]| {
            let mut line = " ".repeat(self.indent);
            for (cell, w) in cells.iter().zip(&widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(w - width(cell) + 2));
            }
            writeln!(f, "{}", line.trim_end())
        };
        write(f, &self.head)?;
        for line in &self.lines {
            match line {
                Line::Cells(cells) => write(f, cells)?,
                Line::Text(text) => writeln!(f, "{}{text}", " ".repeat(self.indent))?,
            }
        }
        Ok(())
    }
}
