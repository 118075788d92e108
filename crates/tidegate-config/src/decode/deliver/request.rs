//! `request`: what is made of an event.

use http::HeaderName;
use tidegate_map::{RequestMapping, RequestPart, RequestSpec};

use crate::decode::Decoder;
use crate::decode::event::expression;
use crate::diagnostic::{Code, Problem, Span};
use crate::marked::Scalar;
use crate::shape::{Checked, Datum, Fields, Item};

/// Headers that the gateway writes: they frame the message, or name what it signs and shows.
const OURS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Decoder<'_> {
    /// Method, expressions and media type.
    pub(super) fn request(
        &mut self,
        deliver: &Fields,
    ) -> Option<(&'static str, RequestSpec, Option<String>)> {
        let fields = deliver.fields("request")?;
        let method = fields.word("method")?;
        let path = expression(fields, "path");
        let body = expression(fields, "body");
        let is_bad = |name: &str, read: Option<_>| fields.get(name).is_some() && read.is_none();
        if is_bad("path", path) || is_bad("body", body) {
            return None;
        }
        let headers = self.headers(fields.fields("headers")?)?;
        let spec = RequestSpec {
            // Without one, the system's own.
            path: path
                .map(|(written, _)| written.text.clone())
                .unwrap_or_default(),
            headers: headers
                .iter()
                .map(|(name, written, _)| (name.clone(), written.text.clone()))
                .collect(),
            body: body.map(|(written, _)| written.text.clone()),
        };
        for (part, error) in RequestMapping::compile(&spec).err().unwrap_or_default() {
            let place = match part {
                RequestPart::Path => path,
                RequestPart::Body => body,
                RequestPart::Header(number) => headers
                    .get(number)
                    .map(|(_, written, span)| (written, *span)),
            };
            if let Some((written, span)) = place {
                self.jq(&error, written, span);
            }
        }
        Some((method, spec, fields.text("content-type")))
    }

    fn headers(&mut self, fields: &Fields) -> Option<Vec<(String, Scalar, Span)>> {
        for (name, span, _) in &fields.entries {
            if OURS.contains(&name.as_str()) || HeaderName::try_from(name.as_str()).is_err() {
                let help = match name.as_str() {
                    "content-type" => "use `content-type` of `request`",
                    _ => "remove it: the gateway writes it itself",
                };
                self.report(
                    Problem::new(Code::BadValue, *span, format!("`{name}` cannot be set"))
                        .label("not possible here")
                        .help(help),
                );
            }
        }
        self.expressions(fields)
    }

    /// Names and their expressions; `None` if one is broken.
    pub(super) fn expressions(&self, fields: &Fields) -> Option<Vec<(String, Scalar, Span)>> {
        let written = |(name, _, item): &(String, Span, Item)| match &item.value {
            Checked::Datum(Datum::Expression(written)) => {
                Some((name.clone(), written.clone(), item.span))
            }
            _ => None,
        };
        fields.entries.iter().map(written).collect()
    }
}
