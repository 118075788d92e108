use super::*;
use proptest::prelude::*;

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn takes_what_the_standard_takes() {
    for good in [
        "null",
        " true ",
        "[]",
        "{}",
        "[1,2]",
        "{\"a\":{\"b\":[]}}",
        "-0",
        "0.5e-3",
        "1E+9",
        "\"\\u00e9\\n\"",
        "\"\\ud800\"",
        "\"\u{7f}\"",
        "[[],{},\"\"]",
        "\t{ \"a\" : 1 , \"b\" : [ ] }\r\n",
    ] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
}

#[test]
fn refuses_the_rest_and_says_where() {
    #[track_caller]
    fn refuses(text: &str, at: usize) {
        assert_eq!(check(text).map_err(|e| e.at), Err(at), "{text}");
    }
    refuses("", 0);
    refuses("nul", 0);
    refuses("01", 1);
    refuses("1.", 2);
    refuses("+1", 0);
    refuses(".5", 0);
    refuses("[1,]", 3);
    refuses("[1 2]", 3);
    refuses("{\"a\":1,}", 7);
    refuses("{a:1}", 1);
    refuses("{\"a\" 1}", 5);
    refuses("[1}", 2);
    refuses("\"a", 2);
    refuses("\"\n\"", 1);
    refuses("\"\\x\"", 2);
    refuses("\"\\u12g4\"", 5);
    refuses("1 2", 2);
    refuses("NaN", 0);
    refuses("# no\n1", 0);
    refuses(&nested(129), 128);
    refuses(&format!("[{}]", "1".repeat(NUMBER_BYTES_MAX + 1)), 1);
}

#[test]
fn takes_the_deepest_and_the_longest() {
    assert_eq!(check(&nested(128)), Ok(()));
    assert_eq!(check(&"1".repeat(NUMBER_BYTES_MAX)), Ok(()));
    assert!(check(&"[".repeat(1_000_000)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The judge is another parser. It is told not to build anything, so it takes lone surrogates and
    /// numbers beyond the range of a float, as we do.
    #[test]
    fn agrees_with_serde_json(text in "[\\[\\]{}:,\" \\\\u0-9a-fEe.+\\-truefalsn\\n]{0,12}|\\[(-?[0-9]{1,3}(\\.[0-9]+)?(e[+-]?[0-9]+)?,? ?){0,3}\\]|\\{(\"[a-c\\\\n\"]{0,3}\":[0-9tnul\\[\\]{}]{0,4},?){0,3}\\}") {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(check(&text).is_ok(), theirs, "{}", text);
    }

    #[test]
    fn finds_special_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40), at in 0_usize..40) {
        let end = bytes.len().max(at);
        let naive = (at..end).find(|i| matches!(bytes[*i], b'"' | b'\\' | 0..0x20)).unwrap_or(end);
        prop_assert_eq!(special(&bytes, at), naive);
    }
}
