//! Problems for people: the lines of the file with a label at the place, and the cure.

use std::fmt::{self, Write as _};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource,
    Severity as Grade, SourceCode, ThemeCharacters, ThemeStyles,
};

use super::{Problem, Report, Severity};

impl Report {
    /// All problems as text for people, with a closing line that counts them; empty when there
    /// are none. With `colour` it has ANSI escapes and drawn lines, otherwise it is plain ASCII as far
    /// as the file is.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let handler = handler(colour);
        let source = NamedSource::new(&self.file, self.shown.clone());
        let mut out = String::new();
        for problem in &self.problems {
            let shown = Shown {
                problem,
                source: &source,
            };
            if handler.render_report(&mut out, &shown).is_err() {
                // The handler cannot draw the place; the words must still reach the reader.
                let (line, column) = self.place(problem);
                let place = format!("{}:{line}:{column}: {shown}\n", self.file);
                out.push_str(&place);
            }
            out.push('\n');
        }
        let closing = self.closing();
        if !closing.is_empty() {
            out.push_str(&closing);
            out.push('\n');
        }
        trim_lines(&out)
    }

    /// `tidegate.yaml: 2 errors, 1 warning`, empty when there is nothing to say.
    #[must_use]
    pub fn closing(&self) -> String {
        let mut parts = Vec::new();
        for (count, word) in [(self.errors(), "error"), (self.warnings(), "warning")] {
            if count > 0 {
                let plural = if count == 1 { "" } else { "s" };
                parts.push(format!("{count} {word}{plural}"));
            }
        }
        if parts.is_empty() {
            return String::new();
        }
        let mut text = format!("{}: {}", self.file, parts.join(", "));
        if self.more > 0 {
            // Writing to a string cannot fail.
            write!(text, " ({} of them not shown)", self.more).unwrap_or_default();
        }
        text
    }
}

fn handler(colour: bool) -> GraphicalReportHandler {
    let theme = if colour {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme {
            characters: ThemeCharacters::ascii(),
            styles: ThemeStyles::none(),
        }
    };
    GraphicalReportHandler::new_themed(theme)
        // Terminals wrap by themselves, and what is wrapped here cannot be copied whole.
        .with_wrap_lines(false)
        .with_urls(false)
        .with_context_lines(1)
        .without_syntax_highlighting()
}

/// Trailing blanks would make the text differ from what editors save.
fn trim_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A problem together with the text it stands in.
struct Shown<'report> {
    problem: &'report Problem,
    source: &'report NamedSource<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.problem.severity(), self.problem.message)
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.problem.code.id()))
    }

    fn severity(&self) -> Option<Grade> {
        Some(match self.problem.severity() {
            Severity::Error => Grade::Error,
            Severity::Warning => Grade::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.problem.help.is_empty())
            .then(|| Box::new(&self.problem.help) as Box<dyn fmt::Display + 'a>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.problem.span;
        let label = Some(self.problem.label.clone());
        let length = span.end.saturating_sub(span.start);
        Some(Box::new(std::iter::once(LabeledSpan::new(
            label, span.start, length,
        ))))
    }
}
