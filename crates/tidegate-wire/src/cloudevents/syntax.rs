//! The syntax of attribute names and values.

use std::borrow::Cow;

use tidegate_types::time::UnixMillis;

/// Digits of a fraction of a second that are looked at; more than nanoseconds mean nothing here.
const FRACTION_DIGITS_MAX: usize = 9;

/// Whether `name` is made of lower-case letters and digits (CloudEvents, "Attribute Naming
/// Convention"). `data` is not one, it would clash with the payload in JSON.
pub(super) fn is_attribute_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    !name.is_empty() && name.bytes().all(allowed) && name != "data"
}

/// Whether the type system allows `text` as a String: no control characters and no noncharacters.
pub(super) fn is_text(text: &str) -> bool {
    let is_noncharacter = |c: char| {
        let code = u32::from(c);
        (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
    };
    !text.chars().any(|c| c.is_control() || is_noncharacter(c))
}

/// Whether `text` has only characters of a URI reference, escapes included (RFC 3986, sections 2 and 4.1).
pub(super) fn is_uri_reference(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                after
            }
            (b'%', _) => return false,
            (b, _) if b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(b) => tail,
            _ => return false,
        };
    }
    true
}

/// Whether `text` is a URI with a scheme (RFC 3986, section 3.1).
pub(super) fn is_uri(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else {
        return false;
    };
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(inner)
        && is_uri_reference(text)
}

/// Whether `text` begins like a media type: `type/subtype`, then nothing or parameters (RFC 2045, section 5.1).
pub(super) fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        !part.is_empty() && part.bytes().all(allowed)
    };
    essence(text)
        .split_once('/')
        .is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}

/// The media type without its parameters, in lower case.
pub(super) fn essence(media_type: &str) -> String {
    let essence = media_type
        .split_once(';')
        .map_or(media_type, |(essence, _)| essence);
    essence.trim_ascii().to_ascii_lowercase()
}

/// The parameter `charset` of a media type, without quotes.
pub(super) fn charset(media_type: &str) -> Option<&str> {
    let mut parameters = media_type
        .split(';')
        .skip(1)
        .filter_map(|one| one.split_once('='));
    parameters
        .find(|(name, _)| name.trim_ascii().eq_ignore_ascii_case("charset"))
        .map(|(_, value)| value.trim_ascii().trim_matches('"'))
}

/// Whether data of this type is JSON: `*/json` or `*/*+json`, or no type at all (JSON event format, section 3.1).
pub(super) fn is_json(media_type: Option<&str>) -> bool {
    let Some(media_type) = media_type else {
        return true;
    };
    let essence = essence(media_type);
    essence
        .split_once('/')
        .is_some_and(|(_, subtype)| subtype == "json" || subtype.ends_with("+json"))
}

/// A time strictly as RFC 3339 writes it, section 5.6; `None` for anything else and for times before 1970.
pub(super) fn time(text: &str) -> Option<UnixMillis> {
    let (date_time, rest) = text.split_at_checked("0000-00-00T00:00:00".len())?;
    let in_form = date_time.bytes().enumerate().all(|(index, b)| match index {
        4 | 7 => b == b'-',
        10 => matches!(b, b'T' | b't'),
        13 | 16 => b == b':',
        _ => b.is_ascii_digit(),
    });
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(after) => {
            let end = after.find(|c: char| !c.is_ascii_digit())?;
            after
                .split_at_checked(end)
                .filter(|(digits, _)| !digits.is_empty())?
        }
        None => ("", rest),
    };
    if !in_form || !is_offset(offset) {
        return None;
    }
    let digits = fraction.get(..FRACTION_DIGITS_MAX).unwrap_or(fraction);
    let spelled = if fraction.is_empty() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{date_time}.{digits}{offset}"))
    };
    spelled.parse().ok()
}

/// Whether `text` is `Z` or `±hh:mm`.
fn is_offset(text: &str) -> bool {
    match text.as_bytes() {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()),
        _ => false,
    }
}
