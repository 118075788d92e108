//! Evaluating a plan over what a walk has found.

use std::borrow::Cow;

use jaq_core::ops::Cmp;
use jaq_json::{Map, Val};

use super::plan::{Place, Plan};
use super::value::{Value, kind_of, unwritable};
use super::walk::{Found, Step, Trie};
use crate::error::{Failure, MapErrorKind};
use crate::input::Input;
use crate::json::text;
use crate::json::write::Unwritable;

/// What a plan gives: one output, or none.
pub(crate) type Output<'a> = Result<Option<Value<'a>>, Failure>;

/// What plans look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a, 'f> {
    pub(crate) found: &'f Found<'a>,
    /// The request; `None` when the document stands by itself.
    pub(crate) input: Option<&'f Input<'a>>,
    /// Longest text that a plan may make, in bytes.
    pub(crate) bytes_max: usize,
}

impl<'a> Scene<'a, '_> {
    /// Recursion follows the plan, whose depth the parser has limited.
    pub(crate) fn eval<'p: 'a>(&self, plan: &'p Plan) -> Output<'a> {
        match plan {
            Plan::Path(place) => self.place(place),
            Plan::Header(name) => {
                let value = self.input.and_then(|input| input.header(name));
                Ok(Some(value.map_or(Value::NULL, Value::Text)))
            }
            Plan::Query(name) => {
                let json = self.input.and_then(|input| input.query_json(name));
                Ok(Some(
                    json.map_or(Value::NULL, |json| Value::Json(Cow::Owned(json))),
                ))
            }
            Plan::Literal(json) => Ok(Some(Value::Json(Cow::Borrowed(json)))),
            Plan::Text(string) => Ok(Some(Value::Text(Cow::Borrowed(string)))),
            Plan::Join(parts) => self.join(parts),
            Plan::Add(left, right) => self.both(left, right, |left, right| self.add(left, right)),
            Plan::Alternative(left, right) => match self.eval(left)? {
                Some(value) if value.is_truthy() => Ok(Some(value)),
                _ => self.eval(right),
            },
            Plan::Object(_) | Plan::Array(_) => {
                let mut out = Vec::new();
                match self.write(plan, &mut out) {
                    Ok(false) => Ok(None),
                    Ok(true) => {
                        let json = String::from_utf8(out).expect("JSON was written");
                        Ok(Some(Value::Json(Cow::Owned(json))))
                    }
                    // An infinite number cannot be written, but it can be compared or made into text.
                    Err(failure) if failure.kind == MapErrorKind::Unsuitable => self.tree(plan),
                    Err(failure) => Err(failure),
                }
            }
            Plan::ToText(inner) => match self.eval(inner)? {
                Some(value) => Ok(Some(Value::Text(value.into_text(self.bytes_max)?))),
                None => Ok(None),
            },
            Plan::Compare(left, op, right) => {
                self.both(left, right, |left, right| compare(left, *op, right))
            }
            Plan::Logic(left, decides, right) => match self.eval(left)? {
                None => Ok(None),
                Some(value) if value.is_truthy() == *decides => Ok(Some(Value::bool(*decides))),
                Some(_) => Ok(self
                    .eval(right)?
                    .map(|value| Value::bool(value.is_truthy()))),
            },
            Plan::Not(inner) => Ok(self
                .eval(inner)?
                .map(|value| Value::bool(!value.is_truthy()))),
            Plan::Try(inner) => match self.eval(inner) {
                Err(failure) if failure.kind == MapErrorKind::Raised => Ok(None),
                other => other,
            },
            Plan::Then(place, inner) => match self.place(place)? {
                Some(_) => self.eval(inner),
                None => Ok(None),
            },
        }
    }

    /// Evaluates a plan and appends the JSON text of its output; `false` if it gives none.
    pub(crate) fn write<'p: 'a>(&self, plan: &'p Plan, out: &mut Vec<u8>) -> Result<bool, Failure> {
        match plan {
            Plan::Object(members) => self.write_object(members, out),
            Plan::Array(items) => self.write_array(items, out),
            Plan::Then(place, inner) => match self.place(place)? {
                Some(_) => self.write(inner, out),
                None => Ok(false),
            },
            other => match self.eval(other)? {
                Some(value) => value.write(out, self.bytes_max).map(|()| true),
                None => Ok(false),
            },
        }
    }

    /// An object is a sum of its members: one without output leaves no object, even if another fails.
    fn write_object<'p: 'a>(
        &self,
        members: &'p [(String, Plan)],
        out: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        let mut failed = None;
        out.push(b'{');
        for (i, (key, plan)) in members.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            text::write(key, out);
            out.push(b':');
            match self.write(plan, out) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(failure) => failed = failed.or(Some(failure)),
            }
            self.fits(out)?;
        }
        out.push(b'}');
        failed.map_or(Ok(true), Err)
    }

    /// An array gathers outputs: an item without one is left out.
    fn write_array<'p: 'a>(&self, items: &'p [Plan], out: &mut Vec<u8>) -> Result<bool, Failure> {
        out.push(b'[');
        let mut empty = true;
        for plan in items {
            let before = out.len();
            if !empty {
                out.push(b',');
            }
            if self.write(plan, out)? {
                empty = false;
            } else {
                out.truncate(before);
            }
            self.fits(out)?;
        }
        out.push(b']');
        Ok(true)
    }

    /// The output of an object or array as a value of the interpreter.
    fn tree<'p: 'a>(&self, plan: &'p Plan) -> Output<'a> {
        let tree = |plan: &'p Plan| self.eval(plan)?.map(Value::into_tree).transpose();
        Ok(match plan {
            Plan::Object(members) => {
                let mut map = Map::default();
                let mut failed = None;
                for (key, plan) in members {
                    match tree(plan) {
                        Ok(Some(value)) => {
                            map.insert(Val::from(key.clone()), value);
                        }
                        Ok(None) => return Ok(None),
                        Err(failure) => failed = failed.or(Some(failure)),
                    }
                }
                failed.map_or(Ok(()), Err)?;
                Some(Value::Tree(Val::obj(map)))
            }
            Plan::Array(items) => {
                let items = items.iter().filter_map(|plan| tree(plan).transpose());
                Some(Value::Tree(items.collect::<Result<_, _>>()?))
            }
            other => self.eval(other)?,
        })
    }

    fn fits(&self, out: &[u8]) -> Result<(), Failure> {
        if out.len() > self.bytes_max {
            Err(unwritable(Unwritable::Long, self.bytes_max))
        } else {
            Ok(())
        }
    }

    /// Follows a path from the root, failing where the interpreter would fail.
    fn place(&self, place: &Place) -> Output<'a> {
        let mut at = self.found.get(Trie::ROOT);
        for step in &place.steps {
            let Some(json) = at else { continue };
            at = match (json.as_bytes().first(), &step.step) {
                (Some(b'n'), _) => None,
                (Some(b'{'), _) | (Some(b'['), Step::Index(_)) => self.found.get(step.node),
                _ if step.optional => return Ok(None),
                (_, wanted) => return Err(cannot_index(json, wanted)),
            };
        }
        Ok(Some(at.map_or(Value::NULL, |json| {
            Value::Json(Cow::Borrowed(json))
        })))
    }

    /// A sum of strings, like [`Self::write_object`].
    fn join<'p: 'a>(&self, parts: &'p [Plan]) -> Output<'a> {
        let mut failed = None;
        let mut joined = String::new();
        for part in parts {
            match self.eval(part).and_then(|value| {
                value
                    .map(|value| value.into_text(self.bytes_max))
                    .transpose()
            }) {
                Ok(Some(text)) => joined.push_str(&text),
                Ok(None) => return Ok(None),
                Err(failure) => failed = failed.or(Some(failure)),
            }
            self.fits(joined.as_bytes())?;
        }
        failed.map_or(Ok(Some(Value::Text(Cow::Owned(joined)))), Err)
    }

    fn both<'p: 'a>(
        &self,
        left: &'p Plan,
        right: &'p Plan,
        run: impl FnOnce(Value<'a>, Value<'a>) -> Result<Value<'a>, Failure>,
    ) -> Output<'a> {
        let Some(left) = self.eval(left)? else {
            return Ok(None);
        };
        let Some(right) = self.eval(right)? else {
            return Ok(None);
        };
        run(left, right).map(Some)
    }

    fn add(&self, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>, Failure> {
        if left.is_null() {
            return Ok(right);
        }
        if right.is_null() {
            return Ok(left);
        }
        match (left.into_string(), right.into_string()) {
            (Ok(left), Ok(right)) => {
                let mut sum = left.into_owned();
                sum.push_str(&right);
                self.fits(sum.as_bytes())?;
                Ok(Value::Text(Cow::Owned(sum)))
            }
            (left, right) => {
                let sum = whole(left)?.into_tree()? + whole(right)?.into_tree()?;
                sum.map(Value::Tree)
                    .map_err(|error| Failure::raised(error.to_string()))
            }
        }
    }
}

/// Puts back together what [`Value::into_string`] has looked at.
fn whole<'a>(value: Result<Cow<'a, str>, Value<'a>>) -> Result<Value<'a>, Failure> {
    Ok(value.map_or_else(|value| value, Value::Text))
}

fn compare<'a>(left: Value<'a>, op: Cmp, right: Value<'a>) -> Result<Value<'a>, Failure> {
    let holds = match (left.into_string(), right.into_string()) {
        (Ok(left), Ok(right)) => op.run(&left, &right),
        (left, right) => op.run(&whole(left)?.into_tree()?, &whole(right)?.into_tree()?),
    };
    Ok(Value::bool(holds))
}

fn cannot_index(json: &str, step: &Step) -> Failure {
    let kind = kind_of(json);
    Failure::raised(match step {
        Step::Key(key) => format!("cannot index {kind} with \"{key}\""),
        Step::Index(index) => format!("cannot index {kind} with {index}"),
    })
}
