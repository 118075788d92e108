//! `application/x-www-form-urlencoded`: bodies of webhooks and queries (WHATWG URL, section 5).

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// Most pairs of one form. A webhook has a handful; each pair costs an allocation.
pub const PAIRS_MAX: usize = 1024;

/// Everything but letters, digits and `*-._`, which the URL standard leaves as they are.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'*')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_');

/// One name and value, decoded.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Why a form cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// More than [`PAIRS_MAX`].
    #[error("the form has more than {PAIRS_MAX} fields")]
    TooMany,
    /// A name or value that is not UTF-8 once decoded.
    #[error("field {0} of the form is not UTF-8")]
    NotText(usize),
}

/// The pairs of a form in their order; a name may come several times. `+` is a space, a `%` that starts
/// no escape stands for itself, empty pieces are skipped.
///
/// # Errors
/// Too many pairs, or text that is not UTF-8 (with the pair's number, from 1 on).
pub fn parse(form: &[u8]) -> Result<Vec<Pair<'_>>, FormError> {
    let mut pairs = Vec::new();
    for piece in form.split(|b| *b == b'&').filter(|piece| !piece.is_empty()) {
        if pairs.len() >= PAIRS_MAX {
            return Err(FormError::TooMany);
        }
        let mut halves = piece.splitn(2, |b| *b == b'=');
        let mut next = || decode(halves.next().unwrap_or_default());
        let number = pairs.len().saturating_add(1);
        let name = next().ok_or(FormError::NotText(number))?;
        let value = next().ok_or(FormError::NotText(number))?;
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// The pairs as a form; [`parse`] gives them back.
#[must_use]
pub fn write<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut form = String::new();
    for (name, value) in pairs {
        if !form.is_empty() {
            form.push('&');
        }
        form.extend(utf8_percent_encode(name, ESCAPED));
        form.push('=');
        form.extend(utf8_percent_encode(value, ESCAPED));
    }
    form
}

/// The query without the parameter `name`, otherwise as it was: for keeping originals without credentials.
#[must_use]
pub fn without(query: &str, name: &str) -> String {
    let keeps = |piece: &&str| {
        let given = piece.split_once('=').map_or(*piece, |(given, _)| given);
        decode(given.as_bytes()).is_none_or(|given| given != name)
    };
    query.split('&').filter(keeps).collect::<Vec<_>>().join("&")
}

fn decode(text: &[u8]) -> Option<Cow<'_, str>> {
    if !text.contains(&b'+') {
        return percent_decode(text).decode_utf8().ok();
    }
    let spaced: Vec<u8> = text
        .iter()
        .map(|b| if *b == b'+' { b' ' } else { *b })
        .collect();
    percent_decode(&spaced)
        .decode_utf8()
        .ok()
        .map(|text| Cow::Owned(text.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_browsers_write() {
        let pairs = parse(b"payload=%7B%22a%22%3A1%7D&b=x+y&c&=d&&e=1=2&f=100%").unwrap();
        let plain: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
        let expected = [
            ("payload", "{\"a\":1}"),
            ("b", "x y"),
            ("c", ""),
            ("", "d"),
            ("e", "1=2"),
            ("f", "100%"),
        ];
        assert_eq!(plain, expected);
    }

    #[test]
    fn bad_text_and_too_much_are_refused() {
        assert_eq!(parse(b"a=1&b=%ff"), Err(FormError::NotText(2)));
        let many = "a=1&".repeat(PAIRS_MAX);
        assert_eq!(parse(many.as_bytes()).unwrap().len(), PAIRS_MAX);
        assert_eq!(
            parse(format!("{many}a=1").as_bytes()),
            Err(FormError::TooMany)
        );
    }

    #[test]
    fn a_parameter_is_left_out_however_it_is_spelled() {
        assert_eq!(without("a=1&key=s&b=2&k%65y=t&key", "key"), "a=1&b=2");
        assert_eq!(without("", "key"), "");
    }

    proptest! {
        #[test]
        fn pairs_round_trip(pairs in prop::collection::vec((".{0,8}", ".{0,8}"), 0..8)) {
            let form = write(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            let read = parse(form.as_bytes()).unwrap();
            let read: Vec<(String, String)> =
                read.into_iter().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn any_bytes_are_read_or_refused(form in prop::collection::vec(any::<u8>(), 0..200)) {
            let pairs = parse(&form).map_or(0, |pairs| pairs.len());
            prop_assert!(pairs <= form.len());
        }
    }
}
