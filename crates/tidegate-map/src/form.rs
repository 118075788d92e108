//! Forms and query strings: `application/x-www-form-urlencoded` (WHATWG URL, section 5.1).

use std::borrow::Cow;
use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use crate::json::text;
use crate::limits::FORM_FIELDS_MAX;

/// More fields than we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyFields;

/// The fields in the order they came, names and values decoded.
pub(crate) fn fields(form: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form.split('&')
        .filter(|field| !field.is_empty())
        .map(|field| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            (decode(name), decode(value))
        })
}

/// The form as the text of a JSON object: a string for each name, an array of strings for one that repeats.
pub(crate) fn to_json(form: &str) -> Result<String, TooManyFields> {
    let mut places: HashMap<Cow<'_, str>, usize> = HashMap::new();
    let mut members: Vec<(Cow<'_, str>, Vec<Cow<'_, str>>)> = Vec::new();
    for (i, (name, value)) in fields(form).enumerate() {
        if i == FORM_FIELDS_MAX {
            return Err(TooManyFields);
        }
        if let Some(place) = places.get(&name) {
            members[*place].1.push(value);
        } else {
            places.insert(name.clone(), members.len());
            members.push((name, vec![value]));
        }
    }
    let mut out = vec![b'{'];
    for (i, (name, values)) in members.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        text::write(name, &mut out);
        out.push(b':');
        write_values(values, &mut out);
    }
    out.push(b'}');
    Ok(String::from_utf8(out).expect("strings and punctuation were written"))
}

/// Appends what a name of a form stands for: a string, or an array if it repeats.
pub(crate) fn write_values<S: AsRef<str>>(values: &[S], out: &mut Vec<u8>) {
    if let [value] = values {
        text::write(value.as_ref(), out);
        return;
    }
    out.push(b'[');
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        text::write(value.as_ref(), out);
    }
    out.push(b']');
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn becomes_an_object() {
        for (form, json) in [
            ("", "{}"),
            ("a=1&b=x+y%21", r#"{"a":"1","b":"x y!"}"#),
            ("a=1&b=2&a=3", r#"{"a":["1","3"],"b":"2"}"#),
            ("flag&=v&&x=%e4%b8%ad", r#"{"flag":"","":"v","x":"中"}"#),
            ("bad=%ff%2", r#"{"bad":"\ufffd%2"}"#),
        ] {
            let expected: serde_json::Value = serde_json::from_str(json).unwrap();
            let got: serde_json::Value = serde_json::from_str(&to_json(form).unwrap()).unwrap();
            assert_eq!(got, expected, "{form}");
        }
    }

    #[test]
    fn has_a_limit() {
        assert!(to_json(&"a=1&".repeat(FORM_FIELDS_MAX)).is_ok());
        assert_eq!(
            to_json(&"a=1&".repeat(FORM_FIELDS_MAX + 1)),
            Err(TooManyFields)
        );
    }
}
