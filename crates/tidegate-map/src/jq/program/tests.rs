use super::*;
use crate::Filter;
use crate::error::{Field, MapErrorKind};
use crate::jq::syntax;

fn jq(text: &str, json: &str) -> Result<Option<String>, Failure> {
    let program = Program::compile(syntax::parse(Field::Filter, text).unwrap()).unwrap();
    let value = crate::json::tree::read(json).unwrap();
    program
        .run(value, json.len())
        .map(|value| value.map(|value| value.to_string()))
}

#[test]
fn threads_can_share_it() {
    fn shared<T: Send + Sync>() {}
    shared::<Program>();
    shared::<Filter>();
    shared::<crate::Mapping>();
}

/// The outputs of jaq as it comes, without fence and meter.
fn plain(text: &str, json: &str) -> Result<Vec<String>, String> {
    use jaq_core::data::JustLut;
    let defs = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs());
    let funs = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(defs)
        .load(
            &arena,
            File {
                code: text,
                path: (),
            },
        )
        .unwrap();
    let filter = Compiler::default()
        .with_funs(funs)
        .compile(modules)
        .unwrap();
    let input = jaq_json::read::parse_single(json.as_bytes()).unwrap();
    let outputs = filter
        .id
        .run((Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new([])), input));
    outputs
        .map(|output| {
            jaq_core::unwrap_valr(output)
                .map(|v| v.to_string())
                .map_err(|e| e.to_string())
        })
        .collect()
}

/// What counting wraps around must not change what jq gives.
#[test]
fn counts_without_changing_outputs() {
    for (text, json, expected) in OUTPUTS {
        assert_eq!(
            plain(text, json),
            Ok(vec![(*expected).to_owned()]),
            "{text}"
        );
        assert_eq!(jq(text, json), Ok(Some((*expected).to_owned())), "{text}");
    }
}

/// Expression, input and the one output.
const OUTPUTS: &[(&str, &str, &str)] = &[
    (
        "[range(1000) | tostring * 40] | join(\", \") | length",
        "null",
        "117598",
    ),
    (
        ". as {(\"a\", \"b\"): $x} | select($x == 2) | $x",
        r#"{"a":1,"b":2}"#,
        "2",
    ),
    (
        "[has(\"a\"), (.a | has(0)), .[\"a\" + \"\"]]",
        r#"{"a":[1]}"#,
        "[true,true,[1]]",
    ),
    ("[.[] | . * 2]", "[1,2,3]", "[2,4,6]"),
    ("map(select(. > 1)) | add", "[1,2,3]", "5"),
    (
        "[.[] as [$a, {b: $c}] | $a, $c]",
        r#"[[1,{"b":2}]]"#,
        "[1,2]",
    ),
    ("reduce .[] as $x (0; . + $x)", "[1,2,3]", "6"),
    (
        "[foreach .[] as $x (0; . + $x; [$x, .])]",
        "[1,2]",
        "[[1,1],[2,3]]",
    ),
    ("[limit(2; .[])]", "[1,2,3]", "[1,2]"),
    (
        "[first(range(10; 0; -1)), last(range(3))]",
        "null",
        "[10,2]",
    ),
    ("[range(0; 10; 3)]", "null", "[0,3,6,9]"),
    (".a.b |= . + 1", r#"{"a":{"b":1}}"#, r#"{"a":{"b":2}}"#),
    (
        ".a += 1 | .b //= 7 | .c = .a",
        r#"{"a":1,"b":null}"#,
        r#"{"a":2,"b":7,"c":2}"#,
    ),
    (".[1:] = [9]", "[1,2,3]", "[1,9]"),
    ("del(.a, .b[0])", r#"{"a":1,"b":[1,2]}"#, r#"{"b":[2]}"#),
    ("[paths]", r#"{"a":[1]}"#, r#"[["a"],["a",0]]"#),
    ("[path(..)]", r#"{"a":1}"#, r#"[[],["a"]]"#),
    ("[path(first(.a, .b))]", r#"{"a":1}"#, r#"[["a"]]"#),
    (
        "walk(if type == \"number\" then . + 1 else . end)",
        r#"{"a":[1,{"b":2}]}"#,
        r#"{"a":[2,{"b":3}]}"#,
    ),
    ("to_entries", r#"{"a":1}"#, r#"[{"key":"a","value":1}]"#),
    ("with_entries(.value += 1)", r#"{"a":1}"#, r#"{"a":2}"#),
    (
        "[.[] | tostring]",
        r#"[1,"a",[1],null]"#,
        r#"["1","a","[1]","null"]"#,
    ),
    (
        "[.[] | ascii_downcase | ltrimstr(\"a\")]",
        r#"["AB"]"#,
        r#"["b"]"#,
    ),
    ("[splits(\", *\")]", r#""a, b,c""#, r#"["a","b","c"]"#),
    (
        "gsub(\"(?<x>[0-9])\"; \"<\\(.x)>\")",
        r#""a1b2""#,
        r#""a<1>b<2>""#,
    ),
    ("test(\"^a\") and (test(\"b$\") | not)", r#""ac""#, "true"),
    (
        "[.[] | tojson | fromjson]",
        r#"[1.10,"x",{"a":null}]"#,
        r#"[1.10,"x",{"a":null}]"#,
    ),
    (
        "@base64 \"x\\(.)\", @uri \"\\(.)\" | select(startswith(\"x\"))",
        r#""a b""#,
        r#""xYSBi""#,
    ),
    (
        "strptime(\"%Y-%m-%dT%H:%M:%SZ\") | mktime",
        r#""2026-11-21T10:00:00Z""#,
        "1795255200",
    ),
    ("todate", "1795255200", r#""2026-11-21T10:00:00Z""#),
    ("flatten", "[1,[2,[3]]]", "[1,2,3]"),
    ("[recurse | scalars]", "[1,[2]]", "[1,2]"),
    (
        "group_by(.a) | map(length)",
        r#"[{"a":1},{"a":2},{"a":1}]"#,
        "[2,1]",
    ),
    ("sort_by(-.a) | .[0].a", r#"[{"a":1},{"a":2}]"#, "2"),
    ("[.[] | try error(\"x\") catch .]", "[1]", r#"["x"]"#),
    (
        "[label $out | .[] | if . > 1 then break $out else . end]",
        "[1,2,3]",
        "[1]",
    ),
    ("def f(x): x * 2; [.[] | f(.)]", "[1,2]", "[2,4]"),
    ("def f($a; $b): $a + $b; f(1; 2)", "null", "3"),
    ("[1, 2 | (., 10)]", "null", "[1,10,2,10]"),
    ("[(1, 2) + (10, 20)]", "null", "[11,21,12,22]"),
    (
        "\"\\(1, 2)-\\(3)\" | select(startswith(\"2\"))",
        "null",
        r#""2-3""#,
    ),
    (
        "[contains({a: [1]}), ({a: [1]} | inside({a: [1, 2]}))]",
        r#"{"a":[1,2]}"#,
        "[true,true]",
    ),
    ("indices(\", \")", r#""a, b, c""#, "[1,4]"),
    ("limit(-1; 1), 7", "null", "7"),
    ("isempty(.[])", "[]", "true"),
    ("[.[:2], .[-1:]]", r#""abcé""#, r#"["ab","é"]"#),
    ("getpath([\"a\", \"b\"])", r#"{"a":{"b":3}}"#, "3"),
    ("[combinations]", "[[1,2],[3]]", "[[1,3],[2,3]]"),
    ("{a: (1, 2)} | select(.a == 2)", "null", r#"{"a":2}"#),
    (
        "{(\"a\", \"b\"): 1} | keys[0] | select(. == \"b\")",
        "null",
        r#""b""#,
    ),
];

#[test]
fn overruns_end() {
    let numbers = format!(
        "[{}]",
        (0..3000)
            .map(|i| i.to_string())
            .collect::<Vec<_>>()
            .join(",")
    );
    let text = format!("\"{}\"", "ab".repeat(100_000));
    for (program, json, kind) in OVERRUNS {
        let json = match *json {
            NUMBERS => &numbers,
            TEXT => &text,
            other => other,
        };
        assert_eq!(jq(program, json).unwrap_err().kind, *kind, "{program}");
    }
}

/// Stands for the array of the first 3000 numbers.
const NUMBERS: &str = "numbers";
/// Stands for a string of 200,000 characters.
const TEXT: &str = "text";

/// Expression, input and how it ends.
const OVERRUNS: &[(&str, &str, MapErrorKind)] = &[
    (
        "[range(4000) | 0] as $a | first(range(100000) | $a | indices($a[2000:]) | select(false))",
        "null",
        MapErrorKind::Overrun,
    ),
    (
        "[range(4000) | 0] as $a | $a[$a[2000:]]",
        "null",
        MapErrorKind::Raised,
    ),
    (
        "[range(4000) | 0] as $a | $a | has($a)",
        "null",
        MapErrorKind::Raised,
    ),
    (
        "[range(4000) | 0] as $a | {} | . as {($a): $x} | 1",
        "null",
        MapErrorKind::Raised,
    ),
    (
        ". as $s | [range(100000) | $s + \"x\"] | length",
        TEXT,
        MapErrorKind::Overrun,
    ),
    ("[range(1e12)] | length", "null", MapErrorKind::Overrun),
    ("[range(0; 1; 0)]", "null", MapErrorKind::Overrun),
    ("last(range(1e15))", "null", MapErrorKind::Overrun),
    (
        "[limit(1e12; range(1e12))] | length",
        "null",
        MapErrorKind::Overrun,
    ),
    (
        "reduce range(100) as $i (\"x\"; . + .) | length",
        "null",
        MapErrorKind::Overrun,
    ),
    (
        "reduce range(100) as $i ([1]; . + .) | length",
        "null",
        MapErrorKind::Overrun,
    ),
    (
        "reduce range(100) as $i (null; [., .]) | length",
        "null",
        MapErrorKind::Overrun,
    ),
    (
        "reduce range(100) as $i ({}; {a: ., b: .}) | length",
        "null",
        MapErrorKind::Overrun,
    ),
    (
        "reduce range(60) as $i ([[0], [0]]; [[.[0], .[0]], [.[1], .[1]]]) | .[0] == .[1]",
        "null",
        MapErrorKind::Overrun,
    ),
    ("\"x\" * 1000000000 | length", "null", MapErrorKind::Overrun),
    (
        "[.[] as $a | .[] as $b | .[] as $c | $a + $b + $c] | length",
        NUMBERS,
        MapErrorKind::Overrun,
    ),
    (
        "[.[] | . as $x | 1] | combinations(9) | select(false)",
        NUMBERS,
        MapErrorKind::Overrun,
    ),
    (
        "first(.[] as $a | .[] as $b | .[] as $c | select(false))",
        NUMBERS,
        MapErrorKind::Overrun,
    ),
    (
        "[\"\\(.[])\\(.[])\\(.[])\"] | length",
        NUMBERS,
        MapErrorKind::Overrun,
    ),
    (
        "def a: (., .); def b: a | a | a; def c: b | b | b; def d: c | c | c; [d] | length",
        "null",
        MapErrorKind::Overrun,
    ),
    (
        "def a: (., .); def b: (a, a); def c: (b, b, b, b); def d: (c, c, c, c); def e: (d, d, d, d); def f: (e, e, e, e); def g: (f, f, f, f); def h: (g, g, g, g); def i: (h, h, h, h, h, h, h, h); def j: (i, i, i, i, i, i, i, i, i, i); [j] | length",
        "null",
        MapErrorKind::Overrun,
    ),
    (". as $x | contains($x)", NUMBERS, MapErrorKind::Overrun),
    (
        "[range(100000) as $i | .[$i:]] | length",
        TEXT,
        MapErrorKind::Overrun,
    ),
    (
        "[range(100000)] as $a | reduce range(100000) as $i (0; . + ($a | sort | length))",
        "null",
        MapErrorKind::Overrun,
    ),
    ("test(\"(a{100}){100}\")", TEXT, MapErrorKind::Overrun),
    (
        "[try range(1e12) catch 1] | length",
        "null",
        MapErrorKind::Overrun,
    ),
    ("[range(1e12)?] | length", "null", MapErrorKind::Overrun),
    (
        "isempty(range(1e12) | select(false))",
        "null",
        MapErrorKind::Overrun,
    ),
    (
        "[paths(range(1e12) > 1e13)]",
        NUMBERS,
        MapErrorKind::Overrun,
    ),
    ("any(range(1e12); . < 0)", "null", MapErrorKind::Overrun),
    (
        ".[] |= (reduce range(1e9) as $i (0; . + $i))",
        NUMBERS,
        MapErrorKind::Overrun,
    ),
    (
        "map_values(range(1e9) | select(. < 0))",
        NUMBERS,
        MapErrorKind::Overrun,
    ),
    (
        "reduce range(1000) as $i (null; [.])",
        "null",
        MapErrorKind::TooLarge,
    ),
    (
        "reduce range(1000) as $i ({a: 1}; .a = .)",
        "null",
        MapErrorKind::TooLarge,
    ),
    (
        "reduce range(1000) as $i ([1]; group_by(.))",
        "null",
        MapErrorKind::TooLarge,
    ),
    (
        "reduce range(60) as $i (10; . * .)",
        "null",
        MapErrorKind::TooLarge,
    ),
    (
        "reduce range(60) as $i (100000000000000000000; . * .)",
        "null",
        MapErrorKind::TooLarge,
    ),
    ("(\"[\" * 100000) | fromjson", "null", MapErrorKind::Raised),
];

/// A program that nests loops over deep values ends with an error instead of overflowing the stack.
#[test]
fn deep_values_in_nested_loops_do_not_overflow() {
    let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
    let mut text = ".".to_owned();
    for _ in 0..30 {
        text = format!("walk($r | {text})");
    }
    let text = format!(". as $r | {text}");
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let outcome = thread
        .spawn(move || jq(&text, &deep).map(|_| ()).map_err(|f| f.kind))
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(outcome, Err(MapErrorKind::Overrun));
}

#[test]
fn takes_the_same_steps_each_time() {
    let program = "[range(200000)] | length";
    let results: Vec<_> = (0..3).map(|_| jq(program, "null")).collect();
    assert!(
        results.windows(2).all(|pair| pair[0] == pair[1]),
        "{results:?}"
    );
}

#[test]
fn says_what_jq_says() {
    let failure = jq(".a.b", r#"{"a":"s"}"#).unwrap_err();
    assert_eq!(
        (failure.kind, failure.text.as_str()),
        (MapErrorKind::Raised, "cannot index \"s\" with \"b\"")
    );
    assert_eq!(
        jq("error(\"bad order\")", "null").unwrap_err().text,
        "bad order"
    );
    assert_eq!(jq("1, 2", "null").unwrap_err().kind, MapErrorKind::Several);
    assert_eq!(
        jq("\"x\" | strptime(\"%Q\")", "null").unwrap_err().kind,
        MapErrorKind::Raised
    );
}
