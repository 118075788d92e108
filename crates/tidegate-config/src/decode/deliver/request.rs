//! `request`: what is made of an event.

use tidegate_map::RequestSpec;

use crate::decode::Decoder;
use crate::decode::event::expression;
use crate::decode::request::Written;
use crate::shape::Fields;

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
        let known = [("content-type", "use `content-type` of `request`")];
        let headers = self.headers(fields.fields("headers")?, &known)?;
        let written = Written {
            path,
            headers,
            body,
        };
        // Without one, the system's own.
        let text = path.map(|(written, _)| written.text.clone());
        let spec = self.request_spec(text.unwrap_or_default(), &written, |_| {});
        Some((method, spec, fields.text("content-type")))
    }
}
