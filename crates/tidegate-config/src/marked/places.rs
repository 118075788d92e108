//! From the parser's places to bytes and lines.

use saphyr_parser::Span as ParserSpan;

use crate::diagnostic::{Lines, Span};

/// Translates the parser's character indices into byte offsets.
pub(super) struct Places<'text> {
    text: &'text str,
    lines: Lines,
    /// Byte offset of every character; empty when all are one byte long.
    bytes: Vec<usize>,
}

impl<'text> Places<'text> {
    pub(super) fn new(text: &'text str) -> Self {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(at, _)| at).collect()
        };
        Self {
            text,
            lines: Lines::new(text),
            bytes,
        }
    }

    pub(super) fn byte(&self, index: usize) -> usize {
        if self.bytes.is_empty() {
            return index.min(self.text.len());
        }
        self.bytes.get(index).copied().unwrap_or(self.text.len())
    }

    pub(super) fn span(&self, span: ParserSpan) -> Span {
        let start = self.byte(span.start.index());
        Span::new(start, self.byte(span.end.index()).max(start))
    }

    /// Without blanks at the end: the span of a block reaches into the line behind it.
    pub(super) fn trimmed(&self, span: Span) -> Span {
        let written = self.text.get(span.start..span.end).unwrap_or_default();
        Span::new(span.start, span.start + written.trim_end().len())
    }

    pub(super) fn line(&self, at: usize) -> usize {
        self.lines.place(self.text, at).0
    }

    /// The likeliest cure for a syntax error at `at`.
    pub(super) fn syntax_help(&self, at: usize) -> &'static str {
        let number = self.line(at);
        let mut around = self.text.lines().skip(number.saturating_sub(2)).take(2);
        let mut again = around.clone();
        if around.any(|line| line.trim_start_matches(' ').starts_with('\t')) {
            return "indent with spaces; YAML does not take tabs";
        }
        if again.any(|line| line.matches(": ").count() > 1) {
            return "put a value that contains `: ` in quotes";
        }
        "look at the indentation, quotes and brackets on this line and the one before"
    }
}
