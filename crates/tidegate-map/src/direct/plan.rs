//! From a term to a plan, if the extractor can do all that the term does.

use jaq_core::ValT;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::ops::{Cmp, Math};
use jaq_core::path::{Opt, Part};
use jaq_json::Val;

use super::walk::{NodeId, Step, Trie};
use crate::json::scan;

/// An expression that gives at most one output, over the parts that a walk has found.
#[derive(Debug)]
pub(crate) enum Plan {
    /// A part of the body.
    Path(Place),
    /// A header by name.
    Header(String),
    /// A parameter of the query by name.
    Query(String),
    /// A value that does not depend on the input, as canonical JSON text.
    Literal(String),
    /// A string that does not depend on the input.
    Text(String),
    /// `"a\(b)c"`
    Join(Vec<Self>),
    /// `a + b`
    Add(Box<Self>, Box<Self>),
    /// `a // b`
    Alternative(Box<Self>, Box<Self>),
    /// `{ a: b }`, keys all different.
    Object(Vec<(String, Self)>),
    /// `[a, b]`
    Array(Vec<Self>),
    /// `tostring`
    ToText(Box<Self>),
    /// `a == b` and the other comparisons.
    Compare(Box<Self>, Cmp, Box<Self>),
    /// `a and b`, `a or b`: the value of the left that decides, and both.
    Logic(Box<Self>, bool, Box<Self>),
    /// `not`
    Not(Box<Self>),
    /// `a?`
    Try(Box<Self>),
    /// `a | b` where `a` is a path: `b` already looks from there, `a` only has to exist.
    Then(Place, Box<Self>),
}

/// A path into the body, with what is needed to tell how it fails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) steps: Vec<PlaceStep>,
}

/// One step of a [`Place`].
#[derive(Clone, Debug)]
pub(crate) struct PlaceStep {
    pub(crate) node: NodeId,
    pub(crate) step: Step,
    /// With `?`: no output instead of an error.
    pub(crate) optional: bool,
}

/// What `.` is at some point of an expression.
#[derive(Clone, Debug)]
enum Base {
    /// The request: `{ headers, query, body }`.
    Request,
    /// Its headers.
    Headers,
    /// Its query.
    Query,
    /// A part of the body.
    Body(Place),
    /// Something else, of which nothing more can be asked.
    Leaf,
}

/// What the expressions look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// `.` is `{ headers, query, body }`, and the body is walked.
    Request,
    /// `.` is the document that is walked.
    Document,
}

/// The plan of a term, its paths added to `trie`; `None` if the interpreter has to run it.
pub(crate) fn plan(term: &Term<&str>, root: Root, trie: &mut Trie) -> Option<Plan> {
    let base = match root {
        Root::Request => Base::Request,
        Root::Document => Base::Body(Place::default()),
    };
    let mut grown = trie.clone();
    let plan = Planner { trie: &mut grown }.plan(term, &base)?;
    *trie = grown;
    Some(plan)
}

/// Largest index of an array that is looked for directly.
const INDEX_MAX: usize = 1_000_000;

/// Recursion follows the term, whose depth the parser has limited.
struct Planner<'t> {
    trie: &'t mut Trie,
}

impl Planner<'_> {
    fn plan(&mut self, term: &Term<&str>, base: &Base) -> Option<Plan> {
        match term {
            Term::Id => leaf(base),
            Term::Path(..) => {
                let (base, plan) = self.path(term, base)?;
                plan.or_else(|| leaf(&base))
            }
            Term::Num(number) => literal_number(number),
            Term::Str(None, parts) => self.string(parts, base),
            Term::Arr(None) => Some(Plan::Array(Vec::new())),
            Term::Arr(Some(items)) => {
                let mut plans = Vec::new();
                self.items(items, base, &mut plans)?;
                Some(Plan::Array(plans))
            }
            Term::Obj(entries) => self.object(entries, base),
            Term::BinOp(left, op, right) => self.operation(left, op, right, base),
            Term::TryCatch(inner, None) => Some(Plan::Try(Box::new(self.plan(inner, base)?))),
            Term::Call(name, args) if args.is_empty() => match *name {
                "null" | "true" | "false" => Some(Plan::Literal((*name).to_owned())),
                "tostring" => Some(Plan::ToText(Box::new(leaf(base)?))),
                "not" => Some(Plan::Not(Box::new(leaf(base)?))),
                _ => None,
            },
            _ => None,
        }
    }

    /// A path: what it leads to, and a plan if that is not a part of the body.
    fn path(&mut self, term: &Term<&str>, base: &Base) -> Option<(Base, Option<Plan>)> {
        let Term::Path(head, path) = term else {
            return None;
        };
        let mut at = match head.as_ref() {
            Term::Id => base.clone(),
            inner @ Term::Path(..) => match self.path(inner, base)? {
                (at, None) => at,
                (_, Some(_)) => return None,
            },
            _ => return None,
        };
        let mut plan = None;
        for (part, opt) in &path.0 {
            let Part::Index(index) = part else {
                return None;
            };
            let step = step(index)?;
            let optional = matches!(opt, Opt::Optional);
            (at, plan) = match (at, step) {
                (Base::Request, Step::Key(key)) => match key.as_str() {
                    "headers" => (Base::Headers, None),
                    "query" => (Base::Query, None),
                    "body" => (Base::Body(Place::default()), None),
                    _ => return None,
                },
                (Base::Headers, Step::Key(name)) => (Base::Leaf, Some(Plan::Header(name))),
                (Base::Query, Step::Key(name)) => (Base::Leaf, Some(Plan::Query(name))),
                (Base::Body(place), step) => {
                    (Base::Body(self.descend(place, step, optional)), None)
                }
                _ => return None,
            };
        }
        Some((at, plan))
    }

    fn descend(&mut self, mut place: Place, step: Step, optional: bool) -> Place {
        let parent = place.steps.last().map_or(Trie::ROOT, |last| last.node);
        let node = self.trie.child(parent, &step);
        place.steps.push(PlaceStep {
            node,
            step,
            optional,
        });
        place
    }

    fn string(&mut self, parts: &[StrPart<&str, Term<&str>>], base: &Base) -> Option<Plan> {
        if let Some(text) = literal_text(parts) {
            return Some(Plan::Text(text));
        }
        let plans = parts.iter().map(|part| match part {
            StrPart::Str(text) => Some(Plan::Text((*text).to_owned())),
            StrPart::Char(c) => Some(Plan::Text(c.to_string())),
            StrPart::Term(term) => Some(Plan::ToText(Box::new(self.plan(term, base)?))),
        });
        Some(Plan::Join(plans.collect::<Option<_>>()?))
    }

    /// The items of an array, which stand between commas.
    fn items(&mut self, term: &Term<&str>, base: &Base, plans: &mut Vec<Plan>) -> Option<()> {
        if let Term::BinOp(left, BinaryOp::Comma, right) = term {
            self.items(left, base, plans)?;
            return self.items(right, base, plans);
        }
        plans.push(self.plan(term, base)?);
        Some(())
    }

    fn object(
        &mut self,
        entries: &[(Term<&str>, Option<Term<&str>>)],
        base: &Base,
    ) -> Option<Plan> {
        let mut members: Vec<(String, Plan)> = Vec::with_capacity(entries.len());
        for (key_term, value) in entries {
            let Term::Str(None, parts) = key_term else {
                return None;
            };
            let key = literal_text(parts)?;
            if members.iter().any(|(other, _)| *other == key) {
                return None;
            }
            let plan = match value {
                Some(value) => self.plan(value, base)?,
                None => {
                    let part = (Part::Index(key_term.clone()), Opt::Essential);
                    let path = Term::Path(Box::new(Term::Id), jaq_core::path::Path(vec![part]));
                    self.plan(&path, base)?
                }
            };
            members.push((key, plan));
        }
        Some(Plan::Object(members))
    }

    fn operation(
        &mut self,
        left: &Term<&str>,
        op: &BinaryOp<&str>,
        right: &Term<&str>,
        base: &Base,
    ) -> Option<Plan> {
        if let BinaryOp::Pipe(None) = op {
            return self.pipe(left, right, base);
        }
        let mut both = |make: fn(Box<Plan>, Box<Plan>) -> Plan| {
            Some(make(
                Box::new(self.plan(left, base)?),
                Box::new(self.plan(right, base)?),
            ))
        };
        match op {
            BinaryOp::Math(Math::Add) => both(Plan::Add),
            BinaryOp::Alt => both(Plan::Alternative),
            BinaryOp::And => both(|left, right| Plan::Logic(left, false, right)),
            BinaryOp::Or => both(|left, right| Plan::Logic(left, true, right)),
            BinaryOp::Cmp(cmp) => {
                let (left, right) = (self.plan(left, base)?, self.plan(right, base)?);
                Some(Plan::Compare(Box::new(left), *cmp, Box::new(right)))
            }
            _ => None,
        }
    }

    fn pipe(&mut self, left: &Term<&str>, right: &Term<&str>, base: &Base) -> Option<Plan> {
        // `x | tostring` and `x | not` for any x.
        if let Term::Call(name @ ("tostring" | "not"), args) = right
            && args.is_empty()
        {
            let inner = Box::new(self.plan(left, base)?);
            return Some(if *name == "not" {
                Plan::Not(inner)
            } else {
                Plan::ToText(inner)
            });
        }
        let at = match left {
            Term::Id => base.clone(),
            path => match self.path(path, base)? {
                (at, None) => at,
                (_, Some(_)) => return None,
            },
        };
        let inner = self.plan(right, &at)?;
        Some(match at {
            Base::Body(place) => Plan::Then(place, Box::new(inner)),
            _ => inner,
        })
    }
}

/// The plan of `.` where it is a part of the body.
fn leaf(base: &Base) -> Option<Plan> {
    match base {
        Base::Body(place) => Some(Plan::Path(place.clone())),
        _ => None,
    }
}

fn step(index: &Term<&str>) -> Option<Step> {
    match index {
        Term::Str(None, parts) => literal_text(parts).map(Step::Key),
        Term::Num(number) => number
            .parse()
            .ok()
            .filter(|index| *index <= INDEX_MAX)
            .map(Step::Index),
        _ => None,
    }
}

/// The text of a string without interpolation.
fn literal_text(parts: &[StrPart<&str, Term<&str>>]) -> Option<String> {
    let mut text = String::new();
    for part in parts {
        match part {
            StrPart::Str(str) => text.push_str(str),
            StrPart::Char(c) => text.push(*c),
            StrPart::Term(_) => return None,
        }
    }
    Some(text)
}

/// A number that JSON can say, spelled as the interpreter spells it.
fn literal_number(number: &str) -> Option<Plan> {
    let spelled = match number.parse::<isize>() {
        Ok(int) => int.to_string(),
        Err(_) => Val::from_num(number).ok()?.to_string(),
    };
    scan::check(&spelled).ok()?;
    Some(Plan::Literal(spelled))
}
