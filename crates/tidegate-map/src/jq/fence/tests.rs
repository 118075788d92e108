use crate::error::Field;
use crate::{EventSpec, Filter, Mapping};

/// The part of `text` that the one error points at, its label and its help.
#[track_caller]
fn refused(text: &str) -> (String, String, String) {
    let errors = Filter::compile(text).expect_err(text);
    assert_eq!(errors.len(), 1, "{text}: {errors:?}");
    let error = &errors[0];
    assert!(!error.help.is_empty(), "{text}");
    (
        text.get(error.span.clone()).unwrap().to_owned(),
        error.label.clone(),
        error.help.clone(),
    )
}

#[test]
fn withholds_what_is_not_the_event() {
    for (text, at) in [
        ("env", "env"),
        (".a | env.HOME", "env"),
        ("$ENV.HOME", "$ENV"),
        ("$__prog_args", "$__prog_args"),
        ("[now]", "now"),
        ("{a: localtime}", "localtime"),
        (".t | strflocaltime(\"%H\")", "strflocaltime"),
        ("input", "input"),
        ("[inputs]", "inputs"),
        ("debug", "debug"),
        ("debug(\"x\")", "debug"),
        ("stderr", "stderr"),
        ("halt", "halt"),
        ("halt_error", "halt_error"),
        ("halt_error(1)", "halt_error"),
        ("input_filename", "input_filename"),
        ("input_line_number", "input_line_number"),
        ("$__loc__", "$__loc__"),
        ("repeat(.)", "repeat"),
        ("recurse(.a)", "recurse"),
        ("recurse(.a; true)", "recurse"),
        ("while(true; .)", "while"),
        ("until(false; .)", "until"),
        ("\"a\\(now)\"", "now"),
        (".[now:]", "now"),
        ("reduce .a as {(env): $x} (0; 1)", "env"),
        ("if . then now else 1 end", "now"),
        ("try now catch 1", "now"),
        ("label $f | env", "env"),
    ] {
        assert_eq!(refused(text).0, at, "{text}");
    }
}

#[test]
fn refuses_modules_unknown_names_and_wrong_arguments() {
    for (text, at) in [
        ("import \"a\" as a; 1", "import"),
        ("include \"a\"; 1", "include"),
        ("a::b", "a::b"),
        ("nosuch", "nosuch"),
        ("map", "map"),
        ("@nosuch", "@nosuch"),
        ("$x", "$x"),
        ("break $x", "$x"),
        ("(1 as $x | 2) | $x", "$x"),
        ("__main", "__main"),
    ] {
        assert_eq!(refused(text).0, at, "{text}");
    }
    assert!(refused("map").2.contains("takes 1 arguments"));
}

#[test]
fn refuses_recursion_only() {
    for (text, at) in [
        ("def f: f; f", "f"),
        ("def f: 1 + (. | f); f", "f"),
        ("def f(g): f(g); f(.)", "f"),
        ("def f: def g: f; g; f", "f"),
        ("def f($x): [f($x)]; f(1)", "f"),
    ] {
        let errors = Filter::compile(text).expect_err(text);
        assert_eq!(text.get(errors[0].span.clone()), Some(at), "{text}");
        assert!(errors[0].label.contains("recursion"), "{text}");
    }
    for text in [
        "def f: 1; def g: f; g",
        "def f: 1; def f: f + 1; f(1)?",
        "def f(f): f; f(1)",
        "def f: def f: 1; f; f",
        "def f(x): 1; def g: f(f(.)); g",
        "def now: 1; now",
        "def f: 1; (def f(x): f; f(2))",
    ] {
        let errors = Filter::compile(text).err().unwrap_or_default();
        assert!(
            errors
                .iter()
                .all(|e| !e.label.contains("recursion") || text.contains("f: f + 1")),
            "{text}: {errors:?}"
        );
    }
}

#[test]
fn points_at_mistakes() {
    #[track_caller]
    fn check(text: &str, at: &str, label: &str) {
        let (got, said, _) = refused(text);
        assert_eq!((got.as_str(), said.as_str()), (at, label), "{text}");
    }
    check("", "", "term is expected here");
    check(".a |", "", "term is expected here");
    check(".a b", "b", "nothing more is expected here");
    check("{a: 1", "", "a closing brace is expected here");
    check("\"abc", "", "a closing quote is expected here");
    check(r#""\d""#, "d", "no escape that jq knows");
    check(".é", "é", "no character that can stand here");
    check("if . then 1", "", "else or end is expected here");
}

#[test]
fn reports_the_problems_of_all_expressions() {
    let spec = EventSpec {
        id: Some(".a |".to_owned()),
        kind: "now + nosuch".to_owned(),
        data: Some("{ a: env, b: $x }".to_owned()),
        ..EventSpec::default()
    };
    let errors = Mapping::compile(&spec).unwrap_err();
    let count = |field| errors.iter().filter(|error| error.field == field).count();
    assert_eq!(
        (count(Field::Id), count(Field::Type), count(Field::Data)),
        (1, 2, 2),
        "{errors:?}"
    );
}

/// What a thread has by default; frames without optimisation take four times as much and more.
const STACK: usize = if cfg!(debug_assertions) {
    8 << 20
} else {
    2 << 20
};

#[test]
fn hostile_programs_are_refused_without_overflow() {
    let bombs: Vec<String> = [
        "(",
        "[",
        "{a:",
        "-",
        "try ",
        "not|",
        ".+",
        "1 as $x|",
        "if 1 then ",
        "def f: ",
        "label $x|",
        "\"\\(",
        ".[",
        "reduce ",
    ]
    .iter()
    .flat_map(|unit| {
        [
            unit.repeat(10),
            unit.repeat(300),
            unit.repeat(16 * 1024 / unit.len()),
            unit.repeat(100_000),
        ]
    })
    .collect();
    for bomb in bombs {
        for text in [
            bomb.clone(),
            format!("{bomb}1"),
            format!("# \\\n{bomb}"),
            format!("\"\\({bomb}1)\""),
        ] {
            let thread = std::thread::Builder::new().stack_size(STACK);
            let result = thread
                .spawn(move || Filter::compile(&text).map(|_| ()))
                .unwrap()
                .join();
            assert!(result.is_ok(), "the thread ended by a panic");
        }
    }
}

/// Programs at the limit of depth that are right: they compile, run and are dropped on the stack of a thread.
#[test]
fn the_deepest_programs_fit_in_the_stack() {
    let n = crate::limits::PROGRAM_DEPTH_MAX;
    let nested =
        |open: &str, close: &str, n: usize| format!("{}.{}", open.repeat(n), close.repeat(n));
    let programs = [
        nested("[", "]", n),
        nested("(", ")", n),
        nested("{a:", "}", n / 2),
        nested("map(", ")", n),
        nested("\"\\(", ")\"", n / 2),
        nested("if . then ", " end", n / 2),
        format!(".{}", "|.".repeat(n)),
        format!("1{}", "+1".repeat(n)),
        format!(".{}", " as $x | .".repeat(n / 2)),
        format!(
            "{{{}}}",
            (0..n - 2)
                .map(|i| format!("k{i}:1"))
                .collect::<Vec<_>>()
                .join(",")
        ),
        format!("{}1", "try ".repeat(n)),
        format!("{}1{}", "[.[]|".repeat(n / 2 - 1), "]".repeat(n / 2 - 1)),
    ];
    for text in programs {
        let shown = text.clone();
        let thread = std::thread::Builder::new().stack_size(STACK);
        let outcome = thread
            .spawn(move || Filter::compile(&text).map(|filter| filter.apply(b"[1]").map(|_| ())));
        let outcome = outcome.unwrap().join().unwrap();
        assert!(outcome.is_ok(), "{shown}: {outcome:?}");
    }
}
