//! What expressions may not use, found before they run: the environment and the clock, endless loops,
//! recursion, and names that do not exist.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::Part;

use super::prelude;
use super::syntax::span;
use crate::error::{CompileError, Field};

/// A group of names that are withheld: the reason, the cure, and the names with the number of their
/// arguments (`None`: any).
struct Withheld {
    names: &'static [(&'static str, Option<usize>)],
    reason: &'static str,
    help: &'static str,
}

const WITHHELD: &[Withheld] = &[
    Withheld {
        names: &[("env", None), ("$ENV", None), ("$__prog_args", None)],
        reason: "would read the environment of the gateway",
        help: "write the value itself, or send it in a header",
    },
    Withheld {
        names: &[
            ("now", None),
            ("localtime", None),
            ("strflocaltime", None),
            ("input_line_number", None),
            ("rand", None),
        ],
        reason: "would give another result each time or on each machine",
        help: "take the time from the event; what has none is stamped when it is received. `gmtime`, `mktime`, \
               `strptime` and `strftime` work in UTC",
    },
    Withheld {
        names: &[
            ("input", None),
            ("inputs", None),
            ("input_filename", None),
            ("get_search_list", None),
            ("$__loc__", None),
        ],
        reason: "has no meaning here: there is one input, the request",
        help: "use `.headers`, `.query` and `.body`",
    },
    Withheld {
        names: &[("debug", None), ("stderr", None)],
        reason: "would write the event into the log",
        help: "leave it out; what a mapping makes of an event can be seen in the stored event",
    },
    Withheld {
        names: &[("halt", None), ("halt_error", None)],
        reason: "would end the gateway",
        help: "use `error(\"…\")`: the event is then kept as a fault with this message",
    },
    Withheld {
        names: &[
            ("repeat", None),
            ("while", Some(2)),
            ("until", Some(2)),
            ("recurse", Some(1)),
            ("recurse", Some(2)),
        ],
        reason: "may never end",
        help: "use `..` or `recurse` to visit all values, `range` to count, `reduce` or `foreach` to gather",
    },
];

/// Checks the term of the expression `text`; what it finds is appended to `errors`.
pub(crate) fn check(field: Field, text: &str, term: &Term<&str>, errors: &mut Vec<CompileError>) {
    let mut checker = Checker {
        field,
        text,
        scope: Vec::new(),
        variables: Vec::new(),
        errors,
    };
    checker.term(term);
}

/// What a name stands for inside the expression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A definition whose body we are in.
    Open,
    /// A finished definition, or a parameter.
    Done,
}

/// Recursion follows the term, whose depth the parser has limited.
struct Checker<'s, 'e> {
    field: Field,
    text: &'s str,
    /// Definitions and parameters in scope: name, number of arguments, state.
    scope: Vec<(&'s str, usize, Kind)>,
    /// Variables and labels in scope.
    variables: Vec<&'s str>,
    errors: &'e mut Vec<CompileError>,
}

impl<'s> Checker<'s, '_> {
    fn error(&mut self, part: &str, label: String, help: &str) {
        let span = span(self.text, part);
        self.errors.push(CompileError {
            field: self.field,
            span,
            label,
            help: help.to_owned(),
        });
    }

    fn term(&mut self, term: &Term<&'s str>) {
        match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Arr(None) => {}
            Term::Str(format, parts) => self.string(*format, parts),
            Term::Arr(Some(inner)) | Term::Neg(inner) => self.term(inner),
            Term::Obj(entries) => {
                for (key, value) in entries {
                    self.term(key);
                    value.iter().for_each(|value| self.term(value));
                }
            }
            Term::BinOp(left, op, right) => self.operation(left, op, right),
            Term::Label(name, inner) => self.with(&[name], |checker| checker.term(inner)),
            Term::Break(name) | Term::Var(name) => self.variable(name),
            Term::Fold(_, xs, pattern, args) => {
                self.term(xs);
                let names = self.pattern(pattern);
                if let Some((init, rest)) = args.split_first() {
                    self.term(init);
                    self.with(&names, |checker| {
                        rest.iter().for_each(|term| checker.term(term))
                    });
                }
            }
            Term::TryCatch(inner, catch) => {
                self.term(inner);
                catch.iter().for_each(|catch| self.term(catch));
            }
            Term::IfThenElse(branches, otherwise) => {
                for (condition, then) in branches {
                    self.term(condition);
                    self.term(then);
                }
                otherwise.iter().for_each(|otherwise| self.term(otherwise));
            }
            Term::Def(defs, inner) => {
                let outer = self.scope.len();
                defs.iter().for_each(|def| self.definition(def));
                self.term(inner);
                self.scope.truncate(outer);
            }
            Term::Call(name, args) => {
                self.call(name, args.len());
                args.iter().for_each(|arg| self.term(arg));
            }
            Term::Path(inner, path) => {
                self.term(inner);
                for (part, _) in &path.0 {
                    match part {
                        Part::Index(index) => self.term(index),
                        Part::Range(from, to) => {
                            from.iter().chain(to).for_each(|bound| self.term(bound))
                        }
                    }
                }
            }
        }
    }

    fn string(&mut self, format: Option<&'s str>, parts: &[StrPart<&'s str, Term<&'s str>>]) {
        if let Some(format) = format {
            self.call(format, 0);
        }
        for part in parts {
            if let StrPart::Term(term) = part {
                self.term(term);
            }
        }
    }

    fn operation(&mut self, left: &Term<&'s str>, op: &BinaryOp<&'s str>, right: &Term<&'s str>) {
        self.term(left);
        let names = match op {
            BinaryOp::Pipe(Some(pattern)) => self.pattern(pattern),
            _ => Vec::new(),
        };
        self.with(&names, |checker| checker.term(right));
    }

    /// Checks the expressions in a pattern and gives the variables that it binds.
    fn pattern(&mut self, pattern: &Pattern<&'s str>) -> Vec<&'s str> {
        match pattern {
            Pattern::Var(name) => vec![name],
            Pattern::Arr(items) => items.iter().flat_map(|item| self.pattern(item)).collect(),
            Pattern::Obj(members) => {
                let mut names = Vec::new();
                for (key, member) in members {
                    self.term(key);
                    names.extend(self.pattern(member));
                }
                names
            }
        }
    }

    fn with(&mut self, names: &[&'s str], check: impl FnOnce(&mut Self)) {
        let outer = self.variables.len();
        self.variables.extend(names);
        check(self);
        self.variables.truncate(outer);
    }

    fn definition(&mut self, def: &Def<&'s str>) {
        let outer = (self.scope.len(), self.variables.len());
        self.scope.push((def.name, def.args.len(), Kind::Open));
        for arg in &def.args {
            if arg.starts_with('$') {
                self.variables.push(arg);
            } else {
                self.scope.push((arg, 0, Kind::Done));
            }
        }
        self.term(&def.body);
        self.scope.truncate(outer.0);
        self.variables.truncate(outer.1);
        self.scope.push((def.name, def.args.len(), Kind::Done));
    }

    fn call(&mut self, name: &'s str, arity: usize) {
        let found = self
            .scope
            .iter()
            .rev()
            .find(|(n, a, _)| *n == name && *a == arity);
        match found {
            Some((_, _, Kind::Done)) => {}
            Some((_, _, Kind::Open)) => {
                let help =
                    "use `..`, `range`, `reduce` or `foreach`: a mapping must end for every event";
                self.error(
                    name,
                    format!("`{name}` calls itself, and recursion may never end"),
                    help,
                );
            }
            None if name.contains("::") => {
                self.error(
                    name,
                    format!("`{name}` is in a module"),
                    "there are no modules; write out what is needed",
                );
            }
            None => self.library_call(name, arity),
        }
    }

    fn library_call(&mut self, name: &'s str, arity: usize) {
        if self.withheld(name, Some(arity)) || prelude::knows(name, arity) {
            return;
        }
        let arities = prelude::arities(name);
        if arities.is_empty() {
            let text =
                "quote it if it is meant as text, put a dot in front if it is meant as a key";
            self.error(name, format!("there is no `{name}` in jq"), text);
        } else {
            let counts: Vec<_> = arities.iter().map(ToString::to_string).collect();
            let help = format!(
                "`{name}` takes {} arguments, separated by semicolons",
                counts.join(" or ")
            );
            self.error(
                name,
                format!("`{name}` does not take {arity} arguments"),
                &help,
            );
        }
    }

    fn variable(&mut self, name: &'s str) {
        if !self.variables.contains(&name) && !self.withheld(name, None) {
            let help = format!("bind it first: `… as {name} | …`");
            self.error(name, format!("there is no `{name}` here"), &help);
        }
    }

    fn withheld(&mut self, name: &str, arity: Option<usize>) -> bool {
        let matches = |(n, a): &(&str, Option<usize>)| *n == name && (a.is_none() || *a == arity);
        let Some(group) = WITHHELD
            .iter()
            .find(|group| group.names.iter().any(matches))
        else {
            return false;
        };
        self.error(name, format!("`{name}` {}", group.reason), group.help);
        true
    }
}

#[cfg(test)]
mod tests;
