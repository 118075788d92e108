//! From text to a term, without ever recursing deeper than [`PROGRAM_DEPTH_MAX`].
//!
//! Lexer and parser of jaq recurse with the nesting of the text. So brackets are counted before the lexer
//! sees the text, and operators and keywords before the parser sees the tokens.

use std::ops::Range;

use jaq_core::load::lex::{Expect as LexExpect, Lexer, StrPart, Tok, Token};
use jaq_core::load::parse::{Expect, Parser, Term};

use crate::error::{CompileError, Field};
use crate::limits::{PROGRAM_BYTES_MAX, PROGRAM_DEPTH_MAX};

/// Parses the expression of `field`.
pub(crate) fn parse(field: Field, text: &str) -> Result<Term<&str>, Vec<CompileError>> {
    let error = |span, label: &str, help: &str| {
        vec![CompileError {
            field,
            span,
            label: label.to_owned(),
            help: help.to_owned(),
        }]
    };
    if text.len() > PROGRAM_BYTES_MAX {
        let label = format!(
            "{} bytes long, at most {PROGRAM_BYTES_MAX} are allowed",
            text.len()
        );
        return Err(error(
            0..0,
            &label,
            "map only what is needed, and leave the rest to the consumer",
        ));
    }
    let deep = "split it up: `. as $x | …` names a part, and an object can be built with `+`";
    if let Some(at) = too_deep(text.as_bytes()) {
        return Err(error(
            char_at(text, at),
            &format!("nested deeper than {PROGRAM_DEPTH_MAX} levels"),
            deep,
        ));
    }
    let tokens = Lexer::new(text).lex().map_err(|errors| {
        errors
            .into_iter()
            .map(|(expected, rest)| lex_error(field, text, &expected, rest))
            .collect::<Vec<_>>()
    })?;
    if depth(&tokens) > PROGRAM_DEPTH_MAX {
        let label =
            format!("nested deeper than {PROGRAM_DEPTH_MAX} levels, operators in a row counted");
        return Err(error(0..text.len(), &label, deep));
    }
    if let Some(Token(word @ ("import" | "include" | "module"), _)) = tokens.first() {
        let help = "write out what is needed: an expression stands by itself, there are no modules";
        return Err(error(
            span(text, word),
            &format!("`{word}` is not available"),
            help,
        ));
    }
    Parser::new(&tokens).parse(Parser::term).map_err(|errors| {
        errors
            .into_iter()
            .map(|(expected, found)| parse_error(field, text, &expected, found))
            .collect()
    })
}

/// The bytes of `text` that `part`, a slice of it, takes up; empty at the end if it is none.
pub(crate) fn span(text: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    match start.checked_add(part.len()) {
        Some(end) if text.get(start..end).is_some() => start..end,
        _ => text.len()..text.len(),
    }
}

/// The character at `at`, or the end.
fn char_at(text: &str, at: usize) -> Range<usize> {
    let end = text
        .get(at..)
        .and_then(|rest| rest.chars().next())
        .map_or(at, |c| at + c.len_utf8());
    at..end
}

fn lex_error(field: Field, text: &str, expected: &LexExpect<&str>, rest: &str) -> CompileError {
    let wanted = match expected {
        LexExpect::Delim(open) => {
            let what = match *open {
                "(" => "closing parenthesis",
                "[" => "closing bracket",
                "{" => "closing brace",
                _ => "closing quote",
            };
            format!("a {what} is expected here")
        }
        LexExpect::Digit => "a digit is expected here".to_owned(),
        LexExpect::Ident => "a name is expected here".to_owned(),
        LexExpect::Escape => "no escape that jq knows".to_owned(),
        LexExpect::Unicode => "four hexadecimal digits of a character are expected here".to_owned(),
        _ => "no character that can stand here".to_owned(),
    };
    let help = match expected {
        LexExpect::Escape => {
            "write a backslash as `\\\\`; known are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u and \\(…)"
        }
        LexExpect::Delim(_) => "close what was opened",
        _ => "see the jq manual for how expressions are written",
    };
    CompileError {
        field,
        span: char_at(text, span(text, rest).start),
        label: wanted,
        help: help.to_owned(),
    }
}

fn parse_error(
    field: Field,
    text: &str,
    expected: &Expect<&str>,
    found: Option<&Token<&str>>,
) -> CompileError {
    let wanted = match expected {
        Expect::Nothing => "nothing more is expected here".to_owned(),
        Expect::Just("") => "the end is expected here".to_owned(),
        Expect::Just(word) => format!("`{word}` is expected here"),
        other => format!("{} is expected here", other.as_str()),
    };
    let help = match (expected, text.trim()) {
        (_, "") => "write an expression such as `.body.id`, or leave the key out",
        (Expect::Key, _) => "write `.name`, `[\"any name\"]` or `[0]`",
        _ => "a path begins with a dot (`.body.id`), a text stands in double quotes",
    };
    let span = found.map_or(text.len()..text.len(), |token| span(text, token.as_str()));
    CompileError {
        field,
        span,
        label: wanted,
        help: help.to_owned(),
    }
}

/// Where brackets are nested deeper than allowed, if they are. Follows the lexer through strings with
/// interpolations and through comments.
fn too_deep(text: &[u8]) -> Option<usize> {
    let mut open: Vec<u8> = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let in_string = open.last() == Some(&b'"');
        match byte {
            b'\\' if in_string => {
                at += 1;
                if text.get(at) == Some(&b'(') {
                    open.push(b'(');
                }
            }
            b'"' if in_string => {
                open.pop();
            }
            _ if in_string => {}
            b'"' | b'(' | b'[' | b'{' => open.push(*byte),
            b')' | b']' | b'}' => {
                open.pop();
            }
            b'#' => at = comment_end(text, at),
            _ => {}
        }
        if open.len() > PROGRAM_DEPTH_MAX {
            return Some(at.min(text.len()));
        }
        at += 1;
    }
    None
}

/// The offset of the line break that ends the comment at `at`; an odd number of backslashes before one
/// continues the comment.
fn comment_end(text: &[u8], mut at: usize) -> usize {
    let mut backslashes = 0_usize;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\n' if backslashes.is_multiple_of(2) => return at,
            b'\\' => backslashes += 1,
            b'\r' if text.get(at + 1) == Some(&b'\n') => {}
            _ => backslashes = 0,
        }
        at += 1;
    }
    at
}

/// How deep parser and compiler would recurse at most: each operator and keyword may put what follows
/// one level down, or what came before.
fn depth(tokens: &[Token<&str>]) -> usize {
    // Entries of an object stand beside each other, but evaluating them nests once for each.
    let (mut own, mut entries, mut deepest, mut inner) = (0, 0, 0, 0);
    let object = matches!(tokens.last(), Some(Token("}", Tok::Sym)));
    for Token(text, token) in tokens {
        match token {
            Tok::Block(block) => inner = inner.max(1 + depth(block)),
            Tok::Str(parts) => {
                let within = |part: &StrPart<&str, Token<&str>>| match part {
                    StrPart::Term(Token(_, Tok::Block(block))) => 1 + depth(block),
                    _ => 0,
                };
                inner = inner.max(parts.len() + parts.iter().map(within).max().unwrap_or(0));
            }
            Tok::Sym if object && *text == "," => {
                deepest = deepest.max(own + inner);
                entries += 1;
                (own, inner) = (0, 0);
            }
            // Paths do not nest, and a closing bracket has been counted with its block.
            Tok::Sym if text.starts_with('.') || matches!(*text, ")" | "]" | "}") => {}
            Tok::Sym => own += 1,
            Tok::Word if is_keyword(text) => own += 1,
            _ => {}
        }
    }
    entries + deepest.max(own + inner)
}

fn is_keyword(word: &str) -> bool {
    const KEYWORDS: [&str; 14] = [
        "as", "and", "or", "if", "then", "elif", "else", "try", "catch", "reduce", "foreach",
        "label", "def", "break",
    ];
    KEYWORDS.contains(&word)
}
