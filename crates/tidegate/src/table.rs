//! Tables for people: aligned columns, the last one cut at the edge of the terminal.

use crate::exit::Outcome;
use crate::output::{Out, Tone};

/// Columns narrower than this are not cut, however small the terminal.
const LAST_COLUMN_MIN: usize = 20;

/// Blanks between two columns.
const GAP: usize = 2;

/// Rows under headings.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    /// One more row, with a cell for every heading. Control characters are shown as blanks, so
    /// that what came from outside cannot steer a terminal.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows
            .push(cells.into_iter().map(|cell| plain(&cell)).collect());
    }

    /// Prints it, or `empty` if it has no rows.
    pub(crate) fn print(&self, out: &Out, empty: &str) -> Outcome {
        if self.rows.is_empty() {
            return out.line(empty);
        }
        let mut lines = self.lines(out.width()).into_iter();
        if let Some(headings) = lines.next() {
            out.line(&out.paint(Tone::Strong, &headings))?;
        }
        lines.try_for_each(|line| out.line(&line))
    }

    fn lines(&self, width: Option<usize>) -> Vec<String> {
        let headings: Vec<String> = self.headings.iter().map(|&it| it.to_owned()).collect();
        let rows: Vec<&Vec<String>> = std::iter::once(&headings).chain(&self.rows).collect();
        let last = self.headings.len().saturating_sub(1);
        let widths: Vec<usize> = (0..self.headings.len())
            .map(|column| {
                rows.iter()
                    .map(|row| cell_width(row, column))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let before: usize = widths.iter().take(last).map(|width| width + GAP).sum();
        let room = width.map(|width| width.saturating_sub(before).max(LAST_COLUMN_MIN));
        rows.iter()
            .map(|row| {
                let mut line = String::new();
                for (column, cell) in row.iter().enumerate() {
                    if column == last {
                        line.push_str(&cut(cell, room));
                    } else {
                        let width = widths.get(column).copied().unwrap_or(0) + GAP;
                        line.push_str(cell);
                        let blanks = width.saturating_sub(cell.chars().count());
                        line.extend(std::iter::repeat_n(' ', blanks));
                    }
                }
                line.trim_end().to_owned()
            })
            .collect()
    }
}

fn cell_width(row: &[String], column: usize) -> usize {
    row.get(column).map_or(0, |cell| cell.chars().count())
}

/// The text without control characters.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// At most `room` characters, with a sign if some are missing.
pub(crate) fn cut(text: &str, room: Option<usize>) -> String {
    match room {
        Some(room) if text.chars().count() > room => {
            let kept: String = text.chars().take(room.saturating_sub(1)).collect();
            format!("{kept}…")
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_the_last_is_cut() {
        let mut table = Table::new(&["TIME", "TYPE", "DATA"]);
        table.row(["10:00".to_owned(), "a".to_owned(), "x".repeat(40)]);
        table.row(["9".to_owned(), "longer".to_owned(), "\u{1b}[2J".to_owned()]);
        let expected = [
            "TIME   TYPE    DATA".to_owned(),
            format!("10:00  a       {}…", "x".repeat(19)),
            "9      longer   [2J".to_owned(),
        ];
        assert_eq!(table.lines(Some(10)), expected);
        assert_eq!(
            table.lines(None)[1],
            format!("10:00  a       {}", "x".repeat(40))
        );
    }
}
