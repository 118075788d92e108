//! Paths with expressions in braces: `/orders/{.data.id}?notify={.data.notify}`.

use std::ops::Range;

use crate::error::{CompileError, Field};
use crate::limits::PROGRAM_BYTES_MAX;

/// Expressions of one path at most; each is another lookup for every request.
const EXPRESSIONS_MAX: usize = 16;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    /// Text as it stands.
    Literal(&'t str),
    /// An expression, and where it begins in the template.
    Expression {
        /// The text between the braces.
        text: &'t str,
        /// Its first byte in the template.
        at: usize,
    },
}

/// Takes a template apart.
pub(crate) fn pieces(template: &str) -> Result<Vec<Piece<'_>>, CompileError> {
    if template.len() > PROGRAM_BYTES_MAX {
        let label = format!("longer than {PROGRAM_BYTES_MAX} bytes");
        return Err(problem(0..template.len(), label, "shorten it"));
    }
    let mut pieces = Vec::new();
    let (mut rest, mut at) = (template, 0);
    while let Some(open) = rest.find(['{', '}']) {
        let (literal, behind) = rest.split_at(open);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        let begin = at + open;
        if behind.starts_with('}') {
            let help = "write %7D for a brace in a path";
            return Err(problem(
                begin..begin + 1,
                "a brace that closes nothing",
                help,
            ));
        }
        let inner = behind.get(1..).unwrap_or_default();
        let Some(length) = closing(inner) else {
            let help = "write the expression between `{` and `}`, for example `/orders/{.data.id}`";
            return Err(problem(
                begin..begin + 1,
                "a brace that is not closed",
                help,
            ));
        };
        let (text, behind) = inner.split_at(length);
        if text.trim().is_empty() {
            let span = begin..begin + length + 2;
            return Err(problem(
                span,
                "no expression between the braces",
                "write one, for example `{.data.id}`",
            ));
        }
        pieces.push(Piece::Expression {
            text,
            at: begin + 1,
        });
        rest = behind.get(1..).unwrap_or_default();
        at = begin + length + 2;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    let expressions = pieces
        .iter()
        .filter(|it| matches!(it, Piece::Expression { .. }));
    if expressions.count() > EXPRESSIONS_MAX {
        let label = format!("more than {EXPRESSIONS_MAX} expressions");
        return Err(problem(
            0..template.len(),
            label,
            "put what is more into the body",
        ));
    }
    Ok(pieces)
}

/// How long the expression is that begins `text` and ends before a brace of its own level.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn problem(span: Range<usize>, label: impl Into<String>, help: &str) -> CompileError {
    CompileError {
        field: Field::Path,
        span,
        label: label.into(),
        help: help.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(template: &str) -> Vec<String> {
        let pieces = pieces(template).unwrap();
        let show = |piece: &Piece<'_>| match piece {
            Piece::Literal(text) => (*text).to_owned(),
            Piece::Expression { text, at } => format!("<{text}@{at}>"),
        };
        pieces.iter().map(show).collect()
    }

    #[test]
    fn braces_hold_expressions() {
        assert_eq!(shown("/orders"), ["/orders"]);
        assert_eq!(shown("/o/{.id}/x"), ["/o/", "<.id@4>", "/x"]);
        assert_eq!(shown("{.a}{.b}"), ["<.a@1>", "<.b@5>"]);
        // Braces of objects and in strings belong to the expression.
        assert_eq!(shown("/{ {a: 1}.a }"), ["/", "< {a: 1}.a @2>"]);
        assert_eq!(shown(r#"/{"}\"{" + .a}"#), ["/", r#"<"}\"{" + .a@2>"#]);
        assert_eq!(shown(""), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_template_is_told() {
        for (template, span) in [
            ("/{.a", 1..2),
            ("/a}", 2..3),
            ("/{}", 1..3),
            ("/{ }x", 1..4),
        ] {
            assert_eq!(pieces(template).unwrap_err().span, span, "{template}");
        }
        assert!(pieces(&"{.a}".repeat(EXPRESSIONS_MAX)).is_ok());
        assert!(pieces(&"{.a}".repeat(EXPRESSIONS_MAX + 1)).is_err());
    }
}
