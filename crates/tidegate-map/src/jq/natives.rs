//! The filters that are implemented in Rust: those of jaq that are not withheld, and ours that count.

use std::collections::HashSet;
use std::sync::LazyLock;

use jaq_core::box_iter::box_once;
use jaq_core::data::{DataT, HasLut};
use jaq_core::native::{Fun, v};
use jaq_core::{Cv, Error, Exn, Lut, Native, RunPtr, ValX, ValXs};
use jaq_json::{Num, Val};

use super::guard::{Meter, Overrun, string_steps};
use super::meter::{INDEX, TICK, WEIGH, WEIGH_SCALAR};
use crate::json::tree;
use crate::limits::INTEGER_BITS_MAX;

/// The data that natives see: the table of the program and the meter of the run.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) lut: &'a Lut<Fenced>,
    pub(crate) meter: &'a Meter,
}

/// The kind of data that fenced programs work on.
#[derive(Debug)]
pub(crate) struct Fenced;

impl DataT for Fenced {
    type V<'a> = Val;
    type Data<'a> = Run<'a>;
}

impl<'a> HasLut<'a, Fenced> for Run<'a> {
    fn lut(&self) -> &'a Lut<Fenced> {
        self.lut
    }
}

/// Natives of jaq that are not there: they read the environment or the clock, write to the log or end the
/// process. `fromjson` is ours, since that of jaq recurses without limit.
const DROPPED: [&str; 9] = [
    "env",
    "now",
    "localtime",
    "strflocaltime",
    "debug_empty",
    "stderr_empty",
    "halt",
    "input_line_number",
    "fromjson",
];

/// Natives that hand on what their arguments give, which has been counted.
const PASSING: [(&str, usize); 7] = [
    ("first", 1),
    ("last", 1),
    ("limit", 2),
    ("skip", 2),
    ("range", 3),
    ("path", 1),
    ("error_empty", 0),
];

/// Natives that look at a string or at the surface of a container, and give a small value.
const LIGHT: [(&str, usize); 9] = [
    ("length", 0),
    ("utf8bytelength", 0),
    ("startswith", 1),
    ("endswith", 1),
    ("ltrimstr", 1),
    ("rtrimstr", 1),
    ("trim", 0),
    ("ltrim", 0),
    ("rtrim", 0),
];

/// Natives that take more than linear time, or read more than their input, with the native that checks
/// their arguments first.
const GUARDED: [(&str, usize, &str); 7] = [
    ("has", 1, "!has"),
    ("contains", 1, "!product"),
    ("indices", 1, "!product"),
    ("matches", 2, "!regex"),
    ("split_matches", 2, "!regex"),
    ("split_", 2, "!regex"),
    ("strptime", 1, "!time-format"),
];

pub(crate) fn passes_through(name: &str, arity: usize) -> bool {
    PASSING.contains(&(name, arity))
}

pub(crate) fn is_light(name: &str, arity: usize) -> bool {
    LIGHT.contains(&(name, arity))
}

pub(crate) fn guard_of(name: &str, arity: usize) -> Option<&'static str> {
    GUARDED
        .iter()
        .find(|(n, a, _)| *n == name && *a == arity)
        .map(|(_, _, guard)| *guard)
}

pub(crate) fn is_native(name: &str, arity: usize) -> bool {
    SIGNATURES.contains(&(name, arity))
}

/// Names and numbers of arguments of all natives.
pub(crate) static SIGNATURES: LazyLock<HashSet<(&'static str, usize)>> =
    LazyLock::new(|| all().map(|(name, args, _)| (name, args.len())).collect());

/// All natives.
pub(crate) fn all() -> impl Iterator<Item = Fun<Fenced>> {
    let theirs = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs());
    ours()
        .into_iter()
        .chain(theirs.filter(|(name, _, _)| !DROPPED.contains(name)))
}

/// A native that hands on its input, in paths and updates too, or ends the run.
macro_rules! counter {
    ($name:expr, $charge:expr) => {
        (
            $name,
            v(0),
            Native::<Fenced>::new(|cv| charged(cv, $charge))
                .with_paths(|cv| match $charge(cv.0.data().meter, &cv.1.0) {
                    Ok(()) => box_once(Ok(cv.1)),
                    Err(overrun) => box_once(Err(overrun.exn())),
                })
                .with_update(|cv, update| match $charge(cv.0.data().meter, &cv.1) {
                    Ok(()) => update(cv.1),
                    Err(overrun) => box_once(Err(overrun.exn())),
                }),
        )
    };
}

fn ours() -> Vec<Fun<Fenced>> {
    let native = |name, arity, run: RunPtr<Fenced>| (name, v(arity), Native::<Fenced>::new(run));
    vec![
        counter!(TICK, |meter: &Meter, _: &Val| meter.take(1)),
        counter!(WEIGH, Meter::weigh),
        counter!(WEIGH_SCALAR, Meter::weigh_scalar),
        native("!add", 2, |cv| operate(cv, add_steps, |l, r| l + r)),
        native("!subtract", 2, |cv| operate(cv, both, |l, r| l - r)),
        native("!multiply", 2, |cv| {
            operate(cv, multiply_steps, |l, r| l * r)
        }),
        native("!divide", 2, |cv| operate(cv, both, |l, r| l / r)),
        native("!remainder", 2, |cv| operate(cv, both, |l, r| l % r)),
        native("!lt", 2, |cv| {
            operate(cv, compare_steps, |l, r| Ok((l < r).into()))
        }),
        native("!le", 2, |cv| {
            operate(cv, compare_steps, |l, r| Ok((l <= r).into()))
        }),
        native("!gt", 2, |cv| {
            operate(cv, compare_steps, |l, r| Ok((l > r).into()))
        }),
        native("!ge", 2, |cv| {
            operate(cv, compare_steps, |l, r| Ok((l >= r).into()))
        }),
        native("!eq", 2, |cv| {
            operate(cv, compare_steps, |l, r| Ok((l == r).into()))
        }),
        native("!ne", 2, |cv| {
            operate(cv, compare_steps, |l, r| Ok((l != r).into()))
        }),
        native(INDEX, 0, |cv| {
            box_once(index(cv.0.data().meter, &cv.1).map(|()| cv.1))
        }),
        native("!has", 1, |mut cv| {
            let key = cv.0.pop_var();
            box_once(index(cv.0.data().meter, &key).map(|()| cv.1))
        }),
        native("!product", 1, |mut cv| {
            let argument = cv.0.pop_var();
            charged(cv, |meter, input| meter.weigh_product(input, &argument))
        }),
        native("!regex", 2, |mut cv| {
            let (_flags, regex) = (cv.0.pop_var(), cv.0.pop_var());
            charged(cv, |meter, input| meter.take(regex_steps(input, &regex)))
        }),
        native("!time-format", 1, |mut cv| {
            box_once(time_format(&cv.0.pop_var()).map(|()| cv.1))
        }),
        native("fromjson", 0, |cv| box_once(from_json(&cv.1))),
    ]
}

fn charged<'a>(
    cv: Cv<'a, Fenced>,
    charge: impl FnOnce(&Meter, &Val) -> Result<(), Overrun>,
) -> ValXs<'a, Val> {
    let result = charge(cv.0.data().meter, &cv.1);
    box_once(result.map(|()| cv.1).map_err(Overrun::exn))
}

/// Runs an operator on its two operands, once their steps have been taken.
fn operate<'a>(
    mut cv: Cv<'a, Fenced>,
    charge: fn(&Meter, &Val, &Val) -> Result<(), Overrun>,
    run: fn(Val, Val) -> Result<Val, Error<Val>>,
) -> ValXs<'a, Val> {
    let right = cv.0.pop_var();
    let left = cv.0.pop_var();
    let done = charge(cv.0.data().meter, &left, &right)
        .map_err(Overrun::exn)
        .and_then(|()| run(left, right).map_err(Exn::from));
    box_once(done)
}

/// An array as an index would look for it in another, which takes the product of their sizes.
fn index<'a>(meter: &Meter, key: &Val) -> Result<(), Exn<'a, Val>> {
    if matches!(key, Val::Arr(_)) {
        return Err(Exn::from(Error::str(
            "cannot index with an array; use indices(…)",
        )));
    }
    meter.weigh(key).map_err(Overrun::exn)
}

/// Adding appends the right operand to the left, which is copied at once where it is still needed.
fn add_steps(meter: &Meter, left: &Val, right: &Val) -> Result<(), Overrun> {
    match (left, right) {
        (Val::Arr(l), Val::Arr(r)) => meter.take(appended(l.len() / 8, r.len())),
        (Val::Obj(l), Val::Obj(r)) => meter.take(appended(l.len() / 8, r.len())),
        (Val::TStr(l), Val::TStr(r)) => meter.take(appended(l.len() / 64, r.len() / 16)),
        (Val::Arr(_) | Val::Obj(_), _) | (_, Val::Arr(_) | Val::Obj(_)) => meter.take(1),
        _ => both(meter, left, right),
    }
}

fn appended(copied: usize, added: usize) -> u64 {
    u64::try_from(copied.saturating_add(added))
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}

/// Operators that may look at all of both operands.
fn both(meter: &Meter, left: &Val, right: &Val) -> Result<(), Overrun> {
    meter.weigh(left)?;
    meter.weigh(right)
}

/// Comparing values of different kinds looks at neither.
fn compare_steps(meter: &Meter, left: &Val, right: &Val) -> Result<(), Overrun> {
    match (left, right) {
        (Val::Arr(_), Val::Arr(_)) | (Val::Obj(_), Val::Obj(_)) => both(meter, left, right),
        (Val::Arr(_) | Val::Obj(_), _) | (_, Val::Arr(_) | Val::Obj(_)) => meter.take(1),
        _ => both(meter, left, right),
    }
}

/// Multiplying repeats strings, merges objects and lets integers grow.
fn multiply_steps(meter: &Meter, left: &Val, right: &Val) -> Result<(), Overrun> {
    match (left, right) {
        (Val::TStr(text) | Val::BStr(text), Val::Num(times))
        | (Val::Num(times), Val::TStr(text) | Val::BStr(text)) => {
            let times = match times {
                Num::Int(times) => usize::try_from(*times).unwrap_or(0),
                Num::BigInt(_) => usize::MAX,
                _ => 0,
            };
            meter.take(string_steps(text.len().max(16).saturating_mul(times)).saturating_add(1))
        }
        (Val::Num(Num::BigInt(l)), Val::Num(Num::BigInt(r)))
            if l.bits() + r.bits() > INTEGER_BITS_MAX =>
        {
            Err(Overrun::Integer)
        }
        _ => both(meter, left, right),
    }
}

/// An upper estimate: the states of the expression, its repetitions written out, for each byte of the input.
fn regex_steps(input: &Val, regex: &Val) -> u64 {
    let (Val::TStr(input), Val::TStr(regex)) = (input, regex) else {
        return 1;
    };
    let mut states = u64::try_from(regex.len()).unwrap_or(u64::MAX).max(1);
    for counted in regex.split(|byte| *byte == b'{').skip(1) {
        let numbers = counted
            .split(|byte| *byte == b'}')
            .next()
            .unwrap_or_default();
        let most = numbers
            .split(|byte| *byte == b',')
            .filter_map(|n| std::str::from_utf8(n).ok()?.trim().parse().ok());
        states = states.saturating_mul(most.max().unwrap_or(1_u64).max(1));
    }
    states
        .saturating_mul(string_steps(input.len()).saturating_add(1))
        .saturating_add(1)
}

/// A time zone by name is looked up in the files of the machine, so that it may mean another time elsewhere.
fn time_format<'a>(format: &Val) -> Result<(), Exn<'a, Val>> {
    match format {
        Val::TStr(format) if format.contains(&b'Q') => Err(Exn::from(Error::str(
            "strptime does not take a time zone by name (%Q); use an offset (%z)",
        ))),
        _ => Ok(()),
    }
}

/// Reads strict JSON, with the limits on depth and numbers.
fn from_json<'a>(input: &Val) -> ValX<'a, Val> {
    let Val::TStr(bytes) = input else {
        return Err(Exn::from(Error::typ(input.clone(), "string")));
    };
    let json = std::str::from_utf8(bytes)
        .map_err(|_| Exn::from(Error::str("cannot parse as JSON: not UTF-8")))?;
    tree::read(json)
        .map_err(|error| Exn::from(Error::str(format_args!("cannot parse as JSON: {error}"))))
}
