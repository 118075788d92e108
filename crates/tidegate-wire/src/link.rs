//! The `Link` header: where another page stands.
//!
//! RFC 8288, section 3. Links with an `anchor` speak of something else than the answer they came with
//! and are passed over, as section 3.2 allows.

use http::HeaderMap;
use http::header::LINK;

/// Links that are looked at; an answer has a handful.
const LINKS_MAX: usize = 100;

/// The target of the first link with this relation, as it stands there.
#[must_use]
pub fn target(headers: &HeaderMap, relation: &str) -> Option<String> {
    let values = headers.get_all(LINK).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let links = texts.flat_map(links).take(LINKS_MAX);
    links
        .into_iter()
        .find(|link| link.has(relation))
        .map(|link| link.target.to_owned())
}

#[derive(Debug)]
struct Link<'t> {
    target: &'t str,
    parameters: Vec<(&'t str, &'t str)>,
}

impl Link<'_> {
    fn has(&self, relation: &str) -> bool {
        let of = |name: &str| {
            let mut found = self.parameters.iter();
            found
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| *value)
        };
        // Only the first `rel` counts (section 3.3).
        let is = |rel: &str| {
            rel.split_ascii_whitespace()
                .any(|one| one.eq_ignore_ascii_case(relation))
        };
        of("anchor").is_none() && of("rel").is_some_and(is)
    }
}

fn links(text: &str) -> impl Iterator<Item = Link<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, behind) = rest.split_once('<')?;
        let (target, behind) = behind.split_once('>')?;
        let (parameters, behind) = parameters(behind);
        rest = behind;
        Some(Link { target, parameters })
    })
}

/// `; name=value; name="quoted"` up to the comma before the next link.
fn parameters(mut rest: &str) -> (Vec<(&str, &str)>, &str) {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        let Some(behind) = rest.strip_prefix(';') else {
            return (found, rest.strip_prefix(',').unwrap_or(rest));
        };
        let end = behind.find(['=', ';', ',']).unwrap_or(behind.len());
        let (name, behind) = behind.split_at(end);
        let Some(value) = behind.strip_prefix('=') else {
            rest = behind;
            continue;
        };
        let value = value.trim_start();
        let (value, behind) = match value.strip_prefix('"') {
            // A relation holds no escaped characters, so the first quote ends it.
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => value.split_at(value.find([';', ',']).unwrap_or(value.len())),
        };
        found.push((name.trim(), value.trim()));
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn next(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(LINK, HeaderValue::from_str(value).unwrap());
        }
        target(&headers, "next")
    }

    #[test]
    fn finds_the_relation() {
        for (values, expected) in [
            // As GitHub sends it.
            (
                &[
                    "<https://a.example/x?page=1>; rel=\"prev\", <https://a.example/x?page=3>; rel=\"next\"",
                ][..],
                Some("https://a.example/x?page=3"),
            ),
            (&["</a>; rel=next"], Some("/a")),
            (&["</a>;rel=\"last  NEXT\"; title=\"x, y\""], Some("/a")),
            (&["</a>; title=\"; rel=next\"; rel=prev"], None),
            (&["</a,b>; rel=prev, </c>; rel=next"], Some("/c")),
            (&["</a>; rel=prev", "</b>; rel=next"], Some("/b")),
            (
                &["</a>; rel=next; anchor=\"/other\"", "</b>; rel=next"],
                Some("/b"),
            ),
            (&["</a>; rel=prev; rel=next"], None),
            (&["</a>; flag; rel=next"], Some("/a")),
            (&["</a"], None),
            (&[""], None),
            (&["</a>; rel=\"next"], Some("/a")),
        ] {
            assert_eq!(next(values).as_deref(), expected, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[ -~]{0,80}") {
            let _ = next(&[&text]);
        }
    }
}
