//! `request`: how a page is asked for.

use tidegate_map::RequestSpec;

use crate::decode::Decoder;
use crate::decode::event::expression;
use crate::decode::request::Written;
use crate::diagnostic::{Code, Problem};
use crate::shape::Fields;

/// What is said of headers that a poll writes.
const WRITTEN: &str = "remove it: the gateway writes it itself";

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
        let known = ["content-type", "if-none-match"].map(|name| (name, WRITTEN));
        let headers = self.headers(fields.fields("headers")?, &known)?;
        let (text, added) = spelled_out(&path?.0.text);
        let written = Written {
            path,
            headers,
            body,
        };
        let spec = self.request_spec(text, &written, |error| {
            let as_written =
                |at: usize| at.saturating_sub(added.iter().filter(|it| **it < at).count());
            error.span = as_written(error.span.start)..as_written(error.span.end);
        });
        Some((method, spec))
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
