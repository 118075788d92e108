//! Compiles expressions, so that their errors are told with their place in the file.

use tidegate_map::{CompileError, EventSpec, Filter, Mapping};

use super::Decoder;
use super::event::expression;
use crate::diagnostic::{Code, Problem, Span};
use crate::marked::{self, Scalar};
use crate::shape::Fields;

impl Decoder<'_> {
    /// Reports what is wrong with the expressions of a flow.
    pub(super) fn mapping(&mut self, spec: &EventSpec, fields: &Fields) {
        for error in Mapping::compile(spec).err().unwrap_or_default() {
            if let Some((written, span)) = expression(fields, error.field.as_str()) {
                self.jq(&error, written, span);
            }
        }
    }

    /// The filter under `key`, if it is given and compiles.
    pub(super) fn filter(&mut self, fields: &Fields, key: &str) -> Option<String> {
        let (written, span) = expression(fields, key)?;
        match Filter::compile(&written.text) {
            Ok(_) => Some(written.text.clone()),
            Err(errors) => {
                for error in errors {
                    self.jq(&error, written, span);
                }
                None
            }
        }
    }

    pub(super) fn jq(&mut self, error: &CompileError, written: &Scalar, span: Span) {
        let at = |offset| marked::source_offset(self.source, span, written, offset);
        let start = at(error.span.start);
        let inside = Span::new(start, at(error.span.end).max(start));
        self.report(
            Problem::new(Code::Jq, inside, "the jq expression cannot be used")
                .label(error.label.clone())
                .help(error.help.clone()),
        );
    }
}
