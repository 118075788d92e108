//! What is printed: text for people, JSON for programs.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::cli::{Colour, Global};
use crate::exit::{Failure, Outcome};

/// Columns where nobody looks at a terminal.
const WIDTH_DEFAULT: usize = 100;

const RED: &str = "31;1";
const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// Where a command prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    json: bool,
    colour: bool,
    colour_errors: bool,
    width: usize,
    terminal: bool,
}

/// How a piece of text stands out on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Headings.
    Strong,
    /// What matters less.
    Faint,
    /// All is well.
    Good,
    /// Something is off.
    Warn,
    /// Something is wrong.
    Bad,
}

impl Out {
    pub(crate) fn new(global: &Global) -> Self {
        let terminal = io::stdout().is_terminal();
        let errors = io::stderr().is_terminal();
        let allowed = |terminal: bool| match global.color {
            Colour::Always => true,
            Colour::Never => false,
            // https://no-color.org: set and not empty, whatever it holds.
            Colour::Auto => terminal && crate::source::variable("NO_COLOR").is_none(),
        };
        let size = terminal_size::terminal_size();
        Self {
            json: global.json,
            colour: allowed(terminal),
            colour_errors: allowed(errors),
            width: size.map_or(WIDTH_DEFAULT, |(width, _)| usize::from(width.0)),
            terminal,
        }
    }

    /// Whether programs read along.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Columns of the terminal; no bound where the output goes elsewhere.
    pub(crate) const fn width(&self) -> Option<usize> {
        if self.terminal {
            Some(self.width)
        } else {
            None
        }
    }

    /// Whether what goes to standard error has colours.
    pub(crate) const fn colours_errors(&self) -> bool {
        self.colour_errors
    }

    /// Text, as it is.
    pub(crate) fn text(&self, text: &str) -> Outcome {
        io::stdout()
            .lock()
            .write_all(text.as_bytes())
            .map_err(Failure::from)
    }

    /// A line.
    pub(crate) fn line(&self, line: &str) -> Outcome {
        self.text(&format!("{line}\n"))
    }

    /// A document for programs, indented.
    pub(crate) fn document(&self, value: &impl Serialize) -> Outcome {
        self.line(&serde_json::to_string_pretty(value)?)
    }

    /// One of many documents, on a line of its own.
    pub(crate) fn json_line(&self, value: &impl Serialize) -> Outcome {
        self.line(&serde_json::to_string(value)?)?;
        io::stdout().lock().flush().map_err(Failure::from)
    }

    /// A remark beside the output; says nothing to programs.
    pub(crate) fn remark(&self, remark: &str) {
        if !self.json {
            // Whoever closed it does not want remarks.
            writeln!(io::stderr().lock(), "{remark}").ok();
        }
    }

    /// Text for people beside the output, also when programs read along.
    pub(crate) fn error_text(&self, text: &str) {
        io::stderr().lock().write_all(text.as_bytes()).ok();
    }

    /// Why the command failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.is_closed_pipe() {
            return;
        }
        if self.json {
            return self.error_text(&format!("{}\n", failure.json()));
        }
        let mut text = String::new();
        for (label, line) in failure.lines() {
            let code = if label == "error" { RED } else { BOLD };
            text.push_str(&painted(self.colour_errors, code, &format!("{label}:")));
            text.push(' ');
            text.push_str(&line);
            text.push('\n');
        }
        self.error_text(&text);
    }

    /// The text in a tone, on a terminal.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Strong => BOLD,
            Tone::Faint => DIM,
            Tone::Good => GREEN,
            Tone::Warn => YELLOW,
            Tone::Bad => RED,
        };
        painted(self.colour, code, text)
    }
}

/// ANSI "select graphic rendition" (ECMA-48, 8.3.117).
fn painted(colour: bool, code: &str, text: &str) -> String {
    if colour {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}
