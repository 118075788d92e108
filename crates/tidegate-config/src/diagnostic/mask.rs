//! Keeps secrets that were written into the file out of what is shown of it.

use super::Span;

/// Keys whose values are masked wherever they stand, also in text that cannot be read as YAML.
const SECRET_WORDS: [&str; 8] = [
    "secret",
    "password",
    "passwd",
    "token",
    "api-key",
    "authorization",
    "private-key",
    "credential",
];

/// The text with every byte of the given places, and of values behind keys that sound like
/// secrets, replaced by `*`; references (`${env:…}`) stay. Length and line breaks are kept.
pub(crate) fn masked(text: &str, masks: &[Span]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for span in masks {
        hide(&mut bytes, span.start, span.end);
    }
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some(value) = secret_value(line) {
            hide(&mut bytes, start + value, start + line.len());
        }
        start += line.len();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hide(bytes: &mut [u8], start: usize, end: usize) {
    for byte in bytes.get_mut(start..end).unwrap_or_default() {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = b'*';
        }
    }
}

/// Where on the line the value of a secret begins, unless it is a reference or absent.
fn secret_value(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let word = SECRET_WORDS
        .iter()
        .filter_map(|word| lower.find(word))
        .min()?;
    let colon = word + lower.get(word..)?.find(':')?;
    let value = line.get(colon + 1..)?;
    let trimmed = value.trim_start();
    let written =
        !trimmed.is_empty() && !trimmed.starts_with('#') && value.starts_with([' ', '\t']);
    let literal = written && !value.contains("${");
    literal.then_some(colon + 1 + (value.len() - trimmed.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_secrets_are_masked_and_references_shown() {
        let text = "a: 1\nverify: { secret: whsec_x }\nsecret: \"${env:A}\"\ntokens:\n  - b\n";
        let span = text.find("- b").map_or(0, |at| at + 2);
        assert_eq!(
            masked(text, &[Span::new(span, span + 1)]),
            "a: 1\nverify: { secret: *********\nsecret: \"${env:A}\"\ntokens:\n  - *\n"
        );
    }

    #[test]
    fn length_and_lines_stay() {
        let text = "password: héllo\r\nnext: 1";
        let shown = masked(text, &[]);
        assert_eq!(shown.len(), text.len());
        assert_eq!(shown, "password: ******\r\nnext: 1");
    }
}
