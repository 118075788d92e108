//! What is wrong with a configuration, where, and what cures it.

mod codes;
mod lines;
mod mask;
mod render;

use std::fmt;

use serde_json::json;

pub use codes::{CODES, Code, CodeRow};
pub(crate) use lines::Lines;
pub(crate) use mask::masked;

/// The most problems kept of one file; further ones are counted. Nobody reads more at a time.
pub const PROBLEMS_MAX: usize = 200;

/// A place in the file: bytes from `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    pub(crate) const fn point(at: usize) -> Self {
        Self { start: at, end: at }
    }
}

/// How grave a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, but likely does not do what was meant, or is unsafe.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One problem: what, where, and what cures it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which kind of problem; see [`CODES`].
    pub code: Code,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// Where it stands.
    pub span: Span,
    /// A few words at the place itself.
    pub label: String,
    /// What cures it.
    pub help: String,
}

impl Problem {
    pub(crate) fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            span,
            label: "here".to_owned(),
            help: String::new(),
        }
    }

    pub(crate) fn label(self, label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..self
        }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: help.into(),
            ..self
        }
    }

    /// Whether the configuration can be used in spite of it.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.row().severity
    }
}

/// Collects problems while a file is read, up to [`PROBLEMS_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    /// Places whose text must not be shown: secrets written literally.
    masks: Vec<Span>,
    errors: usize,
    /// The first of [`Code::NotRun`], which counts also when the list is full.
    not_run: Option<String>,
    more: usize,
}

impl Problems {
    pub(crate) fn push(&mut self, problem: Problem) {
        let error = problem.severity() == Severity::Error;
        self.errors += usize::from(error);
        if problem.code == Code::NotRun && self.not_run.is_none() {
            self.not_run = Some(problem.message.clone());
        }
        if self.list.len() < PROBLEMS_MAX {
            self.list.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// Keeps what stands at `span` out of everything that is shown.
    pub(crate) fn mask(&mut self, span: Span) {
        self.masks.push(span);
    }

    /// Whether nothing found so far forbids the use of the configuration.
    pub(crate) fn usable(&self) -> bool {
        self.errors == 0
    }
}

/// All problems of one file, sorted by place, with what is needed to show them.
#[derive(Clone, Debug)]
pub struct Report {
    file: String,
    /// The text with secrets masked.
    shown: String,
    lines: Lines,
    problems: Vec<Problem>,
    errors: usize,
    not_run: Option<String>,
    more: usize,
}

impl Report {
    pub(crate) fn new(file: &str, text: &str, found: Problems) -> Self {
        let Problems {
            mut list,
            masks,
            errors,
            not_run,
            more,
        } = found;
        list.sort_by_key(|problem| (problem.span.start, problem.code));
        Self {
            file: file.to_owned(),
            shown: masked(text, &masks),
            lines: Lines::new(text),
            problems: list,
            errors,
            not_run,
            more,
        }
    }

    /// Name of the file, as the caller gave it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The problems, sorted by place.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many errors there are, also those beyond [`PROBLEMS_MAX`].
    #[must_use]
    pub const fn errors(&self) -> usize {
        self.errors
    }

    /// Why a node of this version must not run the configuration although it is right, if there is
    /// such a reason: the first problem of [`Code::NotRun`].
    #[must_use]
    pub fn not_run(&self) -> Option<&str> {
        self.not_run.as_deref()
    }

    /// How many warnings there are.
    #[must_use]
    pub fn warnings(&self) -> usize {
        (self.problems.len() + self.more).saturating_sub(self.errors)
    }

    /// Line and column of a problem, both from 1 on; the column counts characters.
    #[must_use]
    pub fn place(&self, problem: &Problem) -> (usize, usize) {
        self.lines.place(&self.shown, problem.span.start)
    }

    /// The problems for programs: an array of objects with `code`, `severity`, `message`, `file`,
    /// `line`, `column`, `label` and `help`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.problems
            .iter()
            .map(|problem| {
                let (line, column) = self.place(problem);
                json!({
                    "code": problem.code.id(),
                    "severity": problem.severity().to_string(),
                    "message": problem.message,
                    "file": self.file,
                    "line": line,
                    "column": column,
                    "label": problem.label,
                    "help": problem.help,
                })
            })
            .collect()
    }
}
