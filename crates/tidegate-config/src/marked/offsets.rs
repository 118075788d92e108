//! From a place inside a scalar's text back to the place in the file.

use super::{Scalar, Style};
use crate::diagnostic::Span;

/// The byte offset in `source` of byte `offset` of the scalar's text.
///
/// Exact for scalars on one line, quoted or not, and for literal blocks; for folded text and
/// unusual escapes it is the best guess, never outside the scalar.
pub(crate) fn source_offset(source: &str, span: Span, scalar: &Scalar, offset: usize) -> usize {
    let written = source.get(span.start..span.end).unwrap_or_default();
    let wanted = scalar
        .text
        .char_indices()
        .take_while(|(at, _)| *at < offset);
    let mut walker = Walker {
        rest: written.char_indices().peekable(),
        style: scalar.style,
    };
    if matches!(scalar.style, Style::SingleQuoted | Style::DoubleQuoted) {
        walker.rest.next();
    }
    for (_, c) in wanted {
        walker.advance(c);
    }
    if !offset_is_at_line_end(&scalar.text, offset) {
        walker.skip_indent();
    }
    let inside = walker.rest.peek().map_or(written.len(), |(at, _)| *at);
    span.start + inside
}

fn offset_is_at_line_end(text: &str, offset: usize) -> bool {
    text.get(offset..)
        .is_none_or(|rest| rest.is_empty() || rest.starts_with(['\n', ' ']))
}

struct Walker<'source> {
    rest: std::iter::Peekable<std::str::CharIndices<'source>>,
    style: Style,
}

impl Walker<'_> {
    /// Moves past what was written for the one character `wanted` of the text.
    fn advance(&mut self, wanted: char) {
        match self.style {
            Style::SingleQuoted => self.single_quoted(wanted),
            Style::DoubleQuoted => self.double_quoted(wanted),
            Style::Plain | Style::Literal | Style::Folded => self.unquoted(wanted),
        }
    }

    fn single_quoted(&mut self, wanted: char) {
        if wanted == '\'' {
            self.rest.next();
            self.rest.next();
        } else {
            self.unquoted(wanted);
        }
    }

    fn double_quoted(&mut self, wanted: char) {
        if self.rest.peek().is_none_or(|(_, c)| *c != '\\') {
            return self.unquoted(wanted);
        }
        self.rest.next();
        // Escapes with digits: `\x` has two of them, `\u` four, `\U` eight.
        let digits = match self.rest.next().map(|(_, c)| c) {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => 0,
        };
        for _ in 0..digits {
            self.rest.next();
        }
    }

    /// A character that stands for itself, or a line break with the indentation behind it.
    fn unquoted(&mut self, wanted: char) {
        if wanted != '\n' {
            self.skip_indent_unless(wanted);
        }
        if self.rest.next().is_some_and(|(_, c)| c == '\r') {
            self.rest.next_if(|(_, c)| *c == '\n');
        }
    }

    fn skip_indent_unless(&mut self, wanted: char) {
        if self.rest.peek().is_some_and(|(_, c)| *c != wanted) && wanted != ' ' {
            self.skip_indent();
        }
    }

    fn skip_indent(&mut self) {
        while self
            .rest
            .next_if(|(_, c)| matches!(c, ' ' | '\t' | '\n' | '\r'))
            .is_some()
        {}
    }
}
