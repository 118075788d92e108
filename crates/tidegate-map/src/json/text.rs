//! Strings of JSON: from what stands between the quotes to the text, and back.

use std::borrow::Cow;
use std::str::Chars;

/// The text of a string, given what stands between its quotes in a checked JSON text.
///
/// An escaped surrogate without its partner becomes U+FFFD, as jq does it: senders cut text in the
/// middle of such a pair, and an event is not refused for that.
pub(crate) fn decode(raw: &str) -> Cow<'_, str> {
    if !raw.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            escaped(&mut chars, &mut text);
        } else {
            text.push(c);
        }
    }
    Cow::Owned(text)
}

fn escaped(chars: &mut Chars<'_>, text: &mut String) {
    match chars.next() {
        Some('b') => text.push('\u{8}'),
        Some('f') => text.push('\u{c}'),
        Some('n') => text.push('\n'),
        Some('r') => text.push('\r'),
        Some('t') => text.push('\t'),
        Some('u') => {
            let unit = hex(chars);
            if (0xd800..0xdc00).contains(&unit) {
                let mut ahead = chars.clone();
                if ahead.next() == Some('\\') && ahead.next() == Some('u') {
                    let low = hex(&mut ahead);
                    if (0xdc00..0xe000).contains(&low) {
                        *chars = ahead;
                        let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                        return;
                    }
                }
            }
            text.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Some(same) => text.push(same),
        None => {}
    }
}

fn hex(chars: &mut Chars<'_>) -> u32 {
    (0..4).fold(0, |unit, _| {
        (unit << 4) + chars.next().and_then(|c| c.to_digit(16)).unwrap_or(0)
    })
}

/// Writes `text` as a JSON string with its quotes, spelled as jq spells it: short escapes where there
/// are some, `\u00xx` for other control characters and for U+007F, everything else as it is.
pub(crate) fn write(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut copied = 0;
    for (i, byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => *byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0..0x20 | 0x7f => 0,
            _ => continue,
        };
        out.extend_from_slice(&bytes[copied..i]);
        copied = i + 1;
        if short == 0 {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

/// Whether what stands between the quotes of a checked string is spelled as [`write`] would spell it.
pub(crate) fn is_canonical(raw: &[u8]) -> bool {
    !raw.iter().any(|byte| matches!(byte, b'\\' | 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decodes_escapes() {
        assert_eq!(decode("plain é"), "plain é");
        assert_eq!(
            decode(r#"\"\\\/\b\f\n\r\t\u00e9"#),
            "\"\\/\u{8}\u{c}\n\r\té"
        );
        assert_eq!(decode(r"\ud83d\ude00"), "😀");
        for lone in [r"\ud83d", r"\ude00"] {
            assert_eq!(decode(lone), "\u{fffd}");
        }
        assert_eq!(decode(r"\ud83dx"), "\u{fffd}x");
        assert_eq!(decode(r"\ud83d\u0041"), "\u{fffd}A");
        assert_eq!(decode(r"\ud83d\ud83d\ude00"), "\u{fffd}😀");
    }

    proptest! {
        #[test]
        fn writes_as_jaq_does_and_reads_back(text in any::<String>()) {
            let mut out = Vec::new();
            write(&text, &mut out);
            let written = String::from_utf8(out).unwrap();
            prop_assert_eq!(&written, &jaq_json::Val::from(text.clone()).to_string());
            let inner = written.strip_prefix('"').and_then(|w| w.strip_suffix('"')).unwrap();
            prop_assert_eq!(decode(inner), text);
        }
    }
}
