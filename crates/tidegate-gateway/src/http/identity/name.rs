//! A distinguished name, from DER (X.690) to text (RFC 4514).

/// The text of a name, given its `RDNSequence` without the outer header; stops at what it cannot read.
///
/// The most specific part comes first, as RFC 4514, section 2.1, has it. Attributes without a short
/// name are left out: nobody should build rules on them.
pub(super) fn distinguished_name(der: &[u8]) -> String {
    let mut parts = Vec::new();
    let mut rest = der;
    while let Some((SET, set, after)) = read(rest) {
        rest = after;
        let mut attributes = set;
        let mut together = Vec::new();
        while let Some((SEQUENCE, attribute, after)) = read(attributes) {
            attributes = after;
            together.extend(attribute_text(attribute));
        }
        if !together.is_empty() {
            parts.push(together.join("+"));
        }
    }
    parts.reverse();
    parts.join(",")
}

fn attribute_text(der: &[u8]) -> Option<String> {
    let (OBJECT_IDENTIFIER, oid, rest) = read(der)? else {
        return None;
    };
    let (tag, value, _) = read(rest)?;
    let (_, short) = SHORT_NAMES.iter().find(|(known, _)| *known == oid)?;
    let value = match tag {
        UTF8_STRING | PRINTABLE_STRING | IA5_STRING => std::str::from_utf8(value).ok()?,
        _ => return None,
    };
    Some(format!("{short}={}", escaped(value)))
}

/// Escapes a value as in RFC 4514, section 2.4.
fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, c) in value.chars().enumerate() {
        let special = matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || (at == 0 && matches!(c, '#' | ' '))
            || (at == last && c == ' ');
        if c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                text.push('\\');
                text.extend([byte >> 4, byte & 15].map(hex_digit));
            }
            continue;
        }
        if special {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}

/// Reads one element: its tag, its content, what follows. Lengths of up to 64 KiB, definite form.
fn read(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest
            .split_first()
            .map(|(&byte, rest)| (usize::from(byte), rest))?,
        0x82 => rest
            .split_first_chunk()
            .map(|(bytes, rest)| (usize::from(u16::from_be_bytes(*bytes)), rest))?,
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

// Tags of X.690, section 8, and X.680, table 1.
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;

/// The attributes of RFC 4514, section 3, by the content of their object identifiers (2.5.4.x, and
/// RFC 4519, sections 2.4 and 2.39, for DC and UID).
const SHORT_NAMES: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19],
        "DC",
    ),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01],
        "UID",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut der = vec![tag, u8::try_from(content.len()).unwrap()];
        der.extend_from_slice(content);
        der
    }

    fn part(oid: &[u8], value: &str) -> Vec<u8> {
        let mut pair = element(OBJECT_IDENTIFIER, oid);
        pair.extend(element(UTF8_STRING, value.as_bytes()));
        element(SET, &element(SEQUENCE, &pair))
    }

    #[test]
    fn the_most_specific_part_comes_first_and_is_escaped() {
        let mut der = part(&[0x55, 4, 6], "CH");
        der.extend(part(&[0x55, 4, 10], "Acme, Inc."));
        der.extend(part(&[0x55, 4, 99], "unknown"));
        der.extend(part(&[0x55, 4, 3], "#1 \n"));
        assert_eq!(distinguished_name(&der), r"CN=\#1 \0a,O=Acme\, Inc.,C=CH");
    }

    #[test]
    fn a_name_cut_anywhere_is_read_up_to_there() {
        let mut der = part(&[0x55, 4, 10], "Acme");
        der.extend(part(&[0x55, 4, 3], "checkout"));
        for end in 0..der.len() {
            let text = distinguished_name(&der[..end]);
            assert!(text.is_empty() || text == "O=Acme", "{end}: {text}");
        }
    }
}
