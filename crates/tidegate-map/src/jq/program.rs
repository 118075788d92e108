//! A compiled expression and how it is run.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jaq_core::load::parse::{Def, Term};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, compile};
use jaq_json::Val;

use super::guard::{Meter, Overrun};
use super::natives::{self, Fenced, Run};
use super::{meter, prelude};
use crate::error::{Failure, MapErrorKind};

/// The definition that holds the expression. It begins with two underscores, and [`super::fence`] knows
/// no library filter of this name, so no expression calls it.
const MAIN: &str = "__main";

/// An expression, ready to run. It holds no value, so threads can share it.
pub(crate) struct Program(compile::Filter<jaq_core::Native<Fenced>>);

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Program")
    }
}

impl Program {
    /// Compiles a term that has passed the fence. Fails with a text only if the fence let something
    /// through that jaq does not take.
    pub(crate) fn compile(term: Term<&str>) -> Result<Self, String> {
        let mut defs = prelude::needed_by(&term);
        // Rewriting brings in no call of a definition, so what the term needs can be found before.
        defs.push(meter::definition(Def {
            name: MAIN,
            args: Vec::new(),
            body: term,
        }));
        let arena = Arena::default();
        let modules = Loader::new(defs)
            .load(
                &arena,
                File {
                    code: MAIN,
                    path: (),
                },
            )
            .map_err(|_| "jaq does not load the expression".to_owned())?;
        let compiled = Compiler::default()
            .with_funs(natives::all())
            .compile(modules);
        compiled.map(Self).map_err(|errors| {
            let undefined = errors.iter().flat_map(|(_, list)| list);
            let names: Vec<_> = undefined
                .map(|(name, kind)| format!("{} `{name}`", kind.as_str()))
                .collect();
            format!("jaq does not know {}", names.join(", "))
        })
    }

    /// Runs the expression on `input` and gives its one output; `None` if it gives none.
    ///
    /// `body_bytes` is the size of what the input was made of: a larger one may take more steps.
    pub(crate) fn run(&self, input: Val, body_bytes: usize) -> Result<Option<Val>, Failure> {
        // A panic is a defect of the interpreter. It must not take the thread down; the values it was
        // working on are dropped, and the meter with them.
        catch_unwind(AssertUnwindSafe(|| self.run_metered(input, body_bytes))).unwrap_or_else(
            |_| {
                Err(Failure::new(
                    MapErrorKind::Internal,
                    "the interpreter panicked",
                ))
            },
        )
    }

    fn run_metered(&self, input: Val, body_bytes: usize) -> Result<Option<Val>, Failure> {
        let meter = Meter::new(body_bytes);
        let run = Run {
            lut: &self.0.lut,
            meter: &meter,
        };
        let mut outputs = self
            .0
            .id
            .run((Ctx::<Fenced>::new(run, Vars::new([])), input));
        let Some(first) = outputs.next() else {
            return Ok(None);
        };
        let value = first.map_err(failure)?;
        match outputs.next() {
            None => Ok(Some(value)),
            Some(Ok(_)) => Err(Failure::new(MapErrorKind::Several, "more than one output")),
            Some(Err(exn)) => Err(failure(exn)),
        }
    }
}

fn failure(exn: jaq_core::Exn<'_, Val>) -> Failure {
    match exn.get_err() {
        // A text that the expression raised stands without quotes.
        Ok(error) => Failure::raised(match error.into_val() {
            Val::TStr(text) => String::from_utf8_lossy(&text).into_owned(),
            other => other.to_string(),
        }),
        Err(exn) => exn.get_halt().map_or_else(
            |_| Failure::new(MapErrorKind::Internal, "the interpreter left a jump behind"),
            Overrun::failure,
        ),
    }
}

#[cfg(test)]
mod tests;
