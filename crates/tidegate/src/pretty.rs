//! JSON on several lines, with its keys in their order and its numbers as they are.

use serde::de::IgnoredAny;

use crate::table::plain;

/// JSON on several lines, anything else as it is; each line set in, without what steers a terminal.
pub(crate) fn indented(text: &str) -> String {
    let pretty = indent(text);
    let text = pretty.as_deref().unwrap_or(text);
    let lines: Vec<String> = text
        .lines()
        .map(|line| format!("  {}", plain(line)))
        .collect();
    lines.join("\n")
}

/// The JSON text with a line for every member and element; `None` if it is no JSON.
pub(crate) fn indent(text: &str) -> Option<String> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => {
                out.push(c);
                string(&mut rest, &mut out);
            }
            '{' | '[' => {
                out.push(c);
                while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
                if let Some(close) = rest.next_if(|c| matches!(c, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => out.push(c),
        }
    }
    Some(out)
}

/// The rest of a string, its closing quote included.
fn string(rest: &mut impl Iterator<Item = char>, out: &mut String) {
    while let Some(c) = rest.next() {
        out.push(c);
        match c {
            '\\' => out.extend(rest.next()),
            '"' => return,
            _ => {}
        }
    }
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_numbers_stay() {
        let text = r#"{"b":1.00,"a":[12345678901234567890,{ }, [] ],"s":"x\"{,:\\"}"#;
        let expected = "{\n  \"b\": 1.00,\n  \"a\": [\n    12345678901234567890,\n    {},\n    []\n  ],\n  \"s\": \"x\\\"{,:\\\\\"\n}";
        assert_eq!(indent(text).as_deref(), Some(expected));
        assert_eq!(indent("7").as_deref(), Some("7"));
        assert_eq!(indent("{"), None);
        assert_eq!(indent("ref=1&x"), None);
    }
}
