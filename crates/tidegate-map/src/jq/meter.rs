//! Rewriting a term so that everything it does is counted.
//!
//! A step is taken where work can multiply: at the body of a definition, behind each `|` and `,`, at each
//! output of a generator, at each round of a fold. Operators become calls of natives that weigh their
//! operands first, and what makes a value is followed by weighing it, so no value grows unseen. The
//! natives of the standard library are weighed by their input and output; those that take more than
//! linear time by the product with their argument.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::ops::{Cmp, Math};
use jaq_core::path::{Opt, Part, Path};

use super::natives;

/// Names of the natives that only count. No expression can call them: the lexer does not take a `!`.
pub(crate) const TICK: &str = "!tick";
pub(crate) const WEIGH: &str = "!weigh";
pub(crate) const WEIGH_SCALAR: &str = "!weigh-scalar";
pub(crate) const INDEX: &str = "!index";

/// Variables that hold the arguments of a guarded native.
const ARGUMENTS: [&str; 2] = ["$!1", "$!2"];

/// A definition, with its body counted.
pub(crate) fn definition(def: Def<&str>) -> Def<&str> {
    Def {
        name: def.name,
        args: def.args,
        body: pipe(call(TICK), term(def.body)),
    }
}

/// A term that gives the same outputs and counts. Recursion follows the term, whose depth the parser has limited.
pub(crate) fn term(source: Term<&str>) -> Term<&str> {
    match source {
        Term::Id | Term::Num(_) | Term::Arr(None) | Term::Var(_) | Term::Break(_) => source,
        Term::Recurse => pipe(Term::Recurse, call(TICK)),
        Term::Str(format, parts) => string(format, parts),
        Term::Arr(Some(inner)) => pipe(Term::Arr(Some(boxed(*inner))), call(WEIGH)),
        Term::Obj(entries) => {
            let entries = entries
                .into_iter()
                .map(|(key, value)| (term(key), value.map(term)))
                .collect();
            pipe(Term::Obj(entries), call(WEIGH))
        }
        Term::Neg(inner) => Term::Neg(boxed(*inner)),
        Term::BinOp(left, op, right) => operation(*left, op, *right),
        Term::Label(name, inner) => Term::Label(name, boxed(*inner)),
        Term::Fold(name, xs, variables, args) => {
            let mut args = args.into_iter();
            let init = args.next().map(term);
            let rounds = args.map(|round| pipe(call(TICK), term(round)));
            Term::Fold(
                name,
                boxed(*xs),
                pattern(variables),
                init.into_iter().chain(rounds).collect(),
            )
        }
        Term::TryCatch(inner, catch) => {
            Term::TryCatch(boxed(*inner), catch.map(|catch| boxed(*catch)))
        }
        Term::IfThenElse(branches, otherwise) => {
            let branches = branches
                .into_iter()
                .map(|(condition, then)| (term(condition), term(then)))
                .collect();
            Term::IfThenElse(branches, otherwise.map(|otherwise| boxed(*otherwise)))
        }
        Term::Def(defs, inner) => {
            Term::Def(defs.into_iter().map(definition).collect(), boxed(*inner))
        }
        Term::Call(name, args) => library_call(name, args.into_iter().map(term).collect()),
        Term::Path(inner, path) => counted_path(term(*inner), path),
    }
}

fn boxed(inner: Term<&str>) -> Box<Term<&str>> {
    Box::new(term(inner))
}

fn call(name: &'static str) -> Term<&'static str> {
    Term::Call(name, Vec::new())
}

fn pipe<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}

fn string<'s>(
    format: Option<&'s str>,
    parts: Vec<StrPart<&'s str, Term<&'s str>>>,
) -> Term<&'s str> {
    if parts.iter().all(|part| !matches!(part, StrPart::Term(_))) {
        return Term::Str(format, parts);
    }
    let parts = parts.into_iter().map(|part| match part {
        StrPart::Term(inner) => StrPart::Term(term(inner)),
        other => other,
    });
    pipe(Term::Str(format, parts.collect()), call(WEIGH))
}

fn pattern(source: Pattern<&str>) -> Pattern<&str> {
    match source {
        Pattern::Var(name) => Pattern::Var(name),
        Pattern::Arr(items) => Pattern::Arr(items.into_iter().map(pattern).collect()),
        Pattern::Obj(members) => Pattern::Obj(
            members
                .into_iter()
                .map(|(key, member)| (counted_index(key), pattern(member)))
                .collect(),
        ),
    }
}

fn operation<'s>(
    left: Term<&'s str>,
    op: BinaryOp<&'s str>,
    right: Term<&'s str>,
) -> Term<&'s str> {
    let left = term(left);
    let right = term(right);
    let plain = |left, op, right| Term::BinOp(Box::new(left), op, Box::new(right));
    match op {
        BinaryOp::Pipe(variables) => plain(
            left,
            BinaryOp::Pipe(variables.map(pattern)),
            pipe(call(TICK), right),
        ),
        BinaryOp::Comma => plain(left, BinaryOp::Comma, pipe(call(TICK), right)),
        BinaryOp::Alt | BinaryOp::Or | BinaryOp::And => plain(left, op, right),
        BinaryOp::Math(math) => Term::Call(math_name(math), vec![left, right]),
        BinaryOp::Cmp(cmp) => Term::Call(cmp_name(cmp), vec![left, right]),
        BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateAlt => {
            pipe(plain(left, op, right), call(WEIGH))
        }
        // `f op= g` is `g as $x | f |= (. op $x)`.
        BinaryOp::UpdateMath(math) => {
            let value = Term::Call(math_name(math), vec![Term::Id, Term::Var(ARGUMENTS[0])]);
            let update = pipe(plain(left, BinaryOp::Update, value), call(WEIGH));
            plain(
                right,
                BinaryOp::Pipe(Some(Pattern::Var(ARGUMENTS[0]))),
                update,
            )
        }
    }
}

const fn math_name(math: Math) -> &'static str {
    match math {
        Math::Add => "!add",
        Math::Sub => "!subtract",
        Math::Mul => "!multiply",
        Math::Div => "!divide",
        Math::Rem => "!remainder",
    }
}

const fn cmp_name(cmp: Cmp) -> &'static str {
    match cmp {
        Cmp::Lt => "!lt",
        Cmp::Le => "!le",
        Cmp::Gt => "!gt",
        Cmp::Ge => "!ge",
        Cmp::Eq => "!eq",
        Cmp::Ne => "!ne",
    }
}

/// What stands in brackets: a literal, or a value that is looked at before it is used.
fn counted_index(index: Term<&str>) -> Term<&str> {
    match index {
        Term::Num(_) => index,
        Term::Str(None, parts) if !parts.iter().any(|part| matches!(part, StrPart::Term(_))) => {
            Term::Str(None, parts)
        }
        other => pipe(term(other), call(INDEX)),
    }
}

/// A path, taken apart behind each `[]` so that its outputs are counted, and before each slice so that
/// the string it may cut is weighed.
fn counted_path<'s>(inner: Term<&'s str>, path: Path<Term<&'s str>>) -> Term<&'s str> {
    let mut sofar = inner;
    let mut indices: Vec<(Part<Term<&'s str>>, Opt)> = Vec::new();
    for (part, opt) in path.0 {
        match part {
            Part::Index(index) => indices.push((Part::Index(counted_index(index)), opt)),
            Part::Range(None, None) => {
                indices.push((Part::Range(None, None), opt));
                sofar = pipe(joined(sofar, &mut indices), call(TICK));
            }
            Part::Range(from, to) => {
                sofar = pipe(joined(sofar, &mut indices), call(WEIGH_SCALAR));
                indices.push((Part::Range(from.map(term), to.map(term)), opt));
            }
        }
    }
    joined(sofar, &mut indices)
}

fn joined<'s>(inner: Term<&'s str>, parts: &mut Vec<(Part<Term<&'s str>>, Opt)>) -> Term<&'s str> {
    if parts.is_empty() {
        return inner;
    }
    Term::Path(Box::new(inner), Path(std::mem::take(parts)))
}

/// A call; one of a native is weighed.
fn library_call<'s>(name: &'s str, args: Vec<Term<&'s str>>) -> Term<&'s str> {
    let arity = args.len();
    if natives::passes_through(name, arity) {
        return pipe(Term::Call(name, args), call(TICK));
    }
    if let Some(guard) = natives::guard_of(name, arity) {
        return guarded(name, args, guard);
    }
    if natives::is_light(name, arity) {
        return pipe(call(WEIGH_SCALAR), Term::Call(name, args));
    }
    if natives::is_native(name, arity) {
        return pipe(pipe(call(WEIGH), Term::Call(name, args)), call(WEIGH));
    }
    Term::Call(name, args)
}

/// `a as $1 | b as $2 | guard($1; $2) | name($1; $2)`
fn guarded<'s>(name: &'s str, args: Vec<Term<&'s str>>, guard: &'static str) -> Term<&'s str> {
    let variables = || {
        ARGUMENTS
            .iter()
            .take(args.len())
            .map(|name| Term::Var(*name))
            .collect::<Vec<_>>()
    };
    let checked = pipe(
        Term::Call(guard, variables()),
        pipe(Term::Call(name, variables()), call(WEIGH)),
    );
    args.into_iter()
        .zip(ARGUMENTS)
        .rev()
        .fold(checked, |inner, (arg, name)| {
            Term::BinOp(
                Box::new(arg),
                BinaryOp::Pipe(Some(Pattern::Var(name))),
                Box::new(inner),
            )
        })
}
