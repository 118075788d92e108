//! `request`: how a page is asked for.

use http::HeaderName;
use tidegate_map::{RequestMapping, RequestPart, RequestSpec};

use crate::decode::Decoder;
use crate::decode::event::expression;
use crate::diagnostic::{Code, Problem, Span};
use crate::marked::Scalar;
use crate::shape::{Checked, Datum, Fields};

/// Headers that the gateway writes itself.
const OURS: [&str; 9] = [
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "if-none-match",
    "te",
    "transfer-encoding",
];

/// What may stand in braces without a dot.
const SHORT: [&str; 3] = ["{cursor}", "{page}", "{since}"];

impl Decoder<'_> {
    pub(super) fn poll_request(&mut self, poll: &Fields) -> Option<(&'static str, RequestSpec)> {
        let fields = poll.fields("request")?;
        let method = fields.word("method")?;
        let path = expression(fields, "path");
        let body = expression(fields, "body");
        if method == "GET" && fields.get("body").is_some() {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    fields.span_of("body"),
                    "a GET request has no body",
                )
                .label("is not sent")
                .help("remove it, or set `method: POST`"),
            );
        }
        let headers = self.poll_headers(fields.fields("headers")?)?;
        let (written, span) = path?;
        let (text, added) = spelled_out(&written.text);
        let spec = RequestSpec {
            path: text,
            headers: headers
                .iter()
                .map(|(name, written, _)| (name.clone(), written.text.clone()))
                .collect(),
            body: body.map(|(written, _)| written.text.clone()),
        };
        for (part, mut error) in RequestMapping::compile(&spec).err().unwrap_or_default() {
            let place = match part {
                RequestPart::Path => {
                    let as_written =
                        |at: usize| at.saturating_sub(added.iter().filter(|it| **it < at).count());
                    error.span = as_written(error.span.start)..as_written(error.span.end);
                    Some((written, span))
                }
                RequestPart::Body => body,
                RequestPart::Header(number) => headers
                    .get(number)
                    .map(|(_, written, span)| (written, *span)),
            };
            if let Some((written, span)) = place {
                self.jq(&error, written, span);
            }
        }
        Some((method, spec))
    }

    fn poll_headers(&mut self, fields: &Fields) -> Option<Vec<(String, Scalar, Span)>> {
        let mut headers = Vec::with_capacity(fields.entries.len());
        for (name, span, item) in &fields.entries {
            if OURS.contains(&name.as_str()) || HeaderName::try_from(name.as_str()).is_err() {
                self.report(
                    Problem::new(Code::BadValue, *span, format!("`{name}` cannot be set"))
                        .label("not possible here")
                        .help("remove it: the gateway writes it itself"),
                );
            }
            if let Checked::Datum(Datum::Expression(written)) = &item.value {
                headers.push((name.clone(), written.clone(), item.span));
            }
        }
        (headers.len() == fields.entries.len()).then_some(headers)
    }
}

/// `{cursor}` as `{.cursor}`, and where dots were added.
fn spelled_out(template: &str) -> (String, Vec<usize>) {
    let (mut text, mut added) = (String::with_capacity(template.len()), Vec::new());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let (before, behind) = rest.split_at(open);
        text.push_str(before);
        match SHORT.iter().find(|short| behind.starts_with(**short)) {
            Some(short) => {
                added.push(text.len().saturating_add(1));
                text.push_str("{.");
                text.push_str(short.trim_start_matches('{'));
                rest = behind.strip_prefix(short).unwrap_or_default();
            }
            None => {
                text.push('{');
                rest = behind.strip_prefix('{').unwrap_or_default();
            }
        }
    }
    text.push_str(rest);
    (text, added)
}

#[cfg(test)]
mod tests {
    use super::spelled_out;

    #[test]
    fn short_names_get_their_dot() {
        let (text, added) = spelled_out("/a?x={cursor}&y={.page}&z={since}{");
        assert_eq!(text, "/a?x={.cursor}&y={.page}&z={.since}{");
        assert_eq!(added, [6, 28]);
    }
}
