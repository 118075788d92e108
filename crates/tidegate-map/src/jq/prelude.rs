//! The standard library: what of jaq's definitions an expression calls, counted like the expression itself.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::Part;

use super::{meter, natives};

/// Definitions that are not there, beside those that the fence withholds from expressions only.
const DROPPED: [&str; 4] = ["debug", "stderr", "halt", "halt_error"];

/// A definition with the names that its body calls.
struct Entry {
    def: Def<&'static str>,
    calls: HashSet<&'static str>,
}

/// Made once, of text that is part of the program.
static LIBRARY: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let defs = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs());
    defs.filter(|def| !DROPPED.contains(&def.name))
        .map(|def| {
            let mut calls = HashSet::new();
            collect(&def.body, &mut calls);
            Entry {
                def: meter::definition(def),
                calls,
            }
        })
        .collect()
});

/// Whether there is a filter of this name that takes this many arguments.
pub(crate) fn knows(name: &str, arity: usize) -> bool {
    arities(name).contains(&arity)
}

/// The numbers of arguments that filters of this name take.
pub(crate) fn arities(name: &str) -> BTreeSet<usize> {
    let defined = LIBRARY
        .iter()
        .filter(|entry| entry.def.name == name)
        .map(|entry| entry.def.args.len());
    let native = natives::SIGNATURES
        .iter()
        .filter(|(n, _)| *n == name)
        .map(|(_, arity)| *arity);
    // Natives that are parts of definitions have names with a hidden mark, or end so.
    defined.chain(native).collect()
}

/// The definitions that `term` calls, directly or not, in the order in which they must stand.
pub(crate) fn needed_by<'s>(term: &Term<&'s str>) -> Vec<Def<&'s str>> {
    let mut wanted: HashSet<&str> = HashSet::new();
    collect(term, &mut wanted);
    let mut marked = vec![false; LIBRARY.len()];
    // A definition calls only what stands before it, so one pass from the end finds all.
    for (entry, mark) in LIBRARY.iter().zip(&mut marked).rev() {
        if wanted.contains(entry.def.name) {
            *mark = true;
            wanted.extend(&entry.calls);
        }
    }
    let entries = LIBRARY.iter().zip(marked).filter(|(_, mark)| *mark);
    entries.map(|(entry, _)| entry.def.clone()).collect()
}

/// Adds the names that `term` calls. Recursion follows the term, whose depth the parser has limited.
fn collect<'s>(term: &Term<&'s str>, names: &mut HashSet<&'s str>) {
    match term {
        Term::Id
        | Term::Recurse
        | Term::Num(_)
        | Term::Arr(None)
        | Term::Break(_)
        | Term::Var(_) => {}
        Term::Str(format, parts) => {
            names.extend(format);
            for part in parts {
                if let StrPart::Term(inner) = part {
                    collect(inner, names);
                }
            }
        }
        Term::Arr(Some(inner)) | Term::Neg(inner) | Term::Label(_, inner) => collect(inner, names),
        Term::Obj(entries) => {
            for (key, value) in entries {
                collect(key, names);
                value.iter().for_each(|value| collect(value, names));
            }
        }
        Term::BinOp(left, op, right) => {
            collect(left, names);
            collect(right, names);
            if let BinaryOp::Pipe(Some(pattern)) = op {
                collect_pattern(pattern, names);
            }
        }
        Term::Fold(_, xs, pattern, args) => {
            collect(xs, names);
            collect_pattern(pattern, names);
            args.iter().for_each(|arg| collect(arg, names));
        }
        Term::TryCatch(inner, catch) => {
            collect(inner, names);
            catch.iter().for_each(|catch| collect(catch, names));
        }
        Term::IfThenElse(branches, otherwise) => {
            for (condition, then) in branches {
                collect(condition, names);
                collect(then, names);
            }
            otherwise
                .iter()
                .for_each(|otherwise| collect(otherwise, names));
        }
        Term::Def(defs, inner) => {
            defs.iter().for_each(|def| collect(&def.body, names));
            collect(inner, names);
        }
        Term::Call(name, args) => {
            names.insert(name);
            args.iter().for_each(|arg| collect(arg, names));
        }
        Term::Path(inner, path) => {
            collect(inner, names);
            for (part, _) in &path.0 {
                match part {
                    Part::Index(index) => collect(index, names),
                    Part::Range(from, to) => from
                        .iter()
                        .chain(to)
                        .for_each(|bound| collect(bound, names)),
                }
            }
        }
    }
}

fn collect_pattern<'s>(pattern: &Pattern<&'s str>, names: &mut HashSet<&'s str>) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(items) => items.iter().for_each(|item| collect_pattern(item, names)),
        Pattern::Obj(members) => {
            for (key, member) in members {
                collect(key, names);
                collect_pattern(member, names);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_what_is_not_called() {
        let names = |text: &'static str| -> Vec<&str> {
            let term = jaq_core::load::parse(text, |p| p.term()).unwrap();
            needed_by(&term).iter().map(|def| def.name).collect()
        };
        assert_eq!(names(".a.b"), Vec::<&str>::new());
        assert_eq!(names("map(.a)"), ["map"]);
        assert!(names("gsub(\"a\"; \"b\")").contains(&"capture_of_match"));
    }

    #[test]
    fn knows_what_is_there() {
        assert!(knows("map", 1) && knows("length", 0) && knows("@base64", 0) && knows("todate", 0));
        assert!(!knows("map", 0) && !knows("env", 0) && !knows("now", 0) && !knows("halt", 1));
    }
}
