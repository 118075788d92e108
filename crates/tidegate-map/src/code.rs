//! One compiled expression, in the quickest form that does all it says.

use bytes::Bytes;
use jaq_json::Val;

use crate::direct::eval::Scene;
use crate::direct::plan::{Plan, Root, plan};
use crate::direct::value::{Value, unwritable};
use crate::direct::walk::{Found, Trie};
use crate::error::{CompileError, Failure, Field};
use crate::input::Input;
use crate::jq::program::Program;
use crate::jq::{fence, syntax};
use crate::json::write;

/// A compiled expression.
#[derive(Debug)]
pub(crate) enum Code {
    /// Taken from the body as it is walked.
    Direct(Plan),
    /// Run by the interpreter.
    Jq(Program),
}

/// Room for the output of a usual mapping, so that it is seldom moved while it grows; in bytes.
const OUTPUT_BYTES: usize = 512;

/// What a compiled expression runs on.
pub(crate) struct Subject<'a, 'f> {
    pub(crate) found: &'f Found<'a>,
    pub(crate) input: Option<&'f Input<'a>>,
    /// The input as a tree; there if an expression needs it.
    pub(crate) tree: Option<&'f Val>,
    /// Size of what the tree was made of.
    pub(crate) body_bytes: usize,
    pub(crate) bytes_max: usize,
}

impl Code {
    /// Compiles `text`, and adds the paths that it wants to `trie` if it is direct.
    pub(crate) fn compile(
        field: Field,
        text: &str,
        root: Root,
        trie: &mut Trie,
    ) -> Result<Self, Vec<CompileError>> {
        let term = syntax::parse(field, text)?;
        let mut errors = Vec::new();
        fence::check(field, text, &term, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        if let Some(plan) = plan(&term, root, trie) {
            return Ok(Self::Direct(plan));
        }
        Program::compile(term).map(Self::Jq).map_err(|label| {
            let help = "write it in another way".to_owned();
            vec![CompileError {
                field,
                span: 0..text.len(),
                label,
                help,
            }]
        })
    }

    pub(crate) const fn is_direct(&self) -> bool {
        matches!(self, Self::Direct(_))
    }

    /// The one output, if there is one.
    pub(crate) fn run<'a, 'p: 'a>(
        &'p self,
        on: &Subject<'a, '_>,
    ) -> Result<Option<Value<'a>>, Failure> {
        match self {
            Self::Direct(plan) => on.scene().eval(plan),
            Self::Jq(program) => Ok(on.jq(program)?.map(Value::Tree)),
        }
    }

    /// The JSON text of the one output, if there is one.
    pub(crate) fn run_to_json<'a, 'p: 'a>(
        &'p self,
        on: &Subject<'a, '_>,
    ) -> Result<Option<Bytes>, Failure> {
        let mut out = Vec::with_capacity(OUTPUT_BYTES);
        let made = match self {
            Self::Direct(plan) => on.scene().write(plan, &mut out)?,
            Self::Jq(program) => match on.jq(program)? {
                Some(value) => {
                    write::write(&value, &mut out, on.bytes_max)
                        .map_err(|why| unwritable(why, on.bytes_max))?;
                    true
                }
                None => false,
            },
        };
        Ok(made.then(|| Bytes::from(out)))
    }
}

impl<'a> Subject<'a, '_> {
    fn scene(&self) -> Scene<'a, '_> {
        Scene {
            found: self.found,
            input: self.input,
            bytes_max: self.bytes_max,
        }
    }

    fn jq(&self, program: &Program) -> Result<Option<Val>, Failure> {
        program.run(self.tree.cloned().unwrap_or_default(), self.body_bytes)
    }
}
