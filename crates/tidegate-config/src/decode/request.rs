//! Requests that are made by expressions, whoever sends them.

use http::HeaderName;
use tidegate_map::{CompileError, RequestMapping, RequestPart, RequestSpec};
use tidegate_wire::framing;

use super::Decoder;
use crate::diagnostic::{Code, Problem, Span};
use crate::marked::Scalar;
use crate::shape::{Checked, Datum, Fields, Item};

/// The expressions of a request, with their places.
pub(super) struct Written<'fields> {
    pub(super) path: Option<(&'fields Scalar, Span)>,
    pub(super) headers: Vec<(String, Scalar, Span)>,
    pub(super) body: Option<(&'fields Scalar, Span)>,
}

impl Decoder<'_> {
    /// The request whose path is the template `path`. Reports what does not compile; `in_path` moves an
    /// error's place from the template to what is written.
    pub(super) fn request_spec(
        &mut self,
        path: String,
        written: &Written<'_>,
        in_path: impl Fn(&mut CompileError),
    ) -> RequestSpec {
        let headers = written.headers.iter();
        let spec = RequestSpec {
            path,
            headers: headers
                .map(|(name, written, _)| (name.clone(), written.text.clone()))
                .collect(),
            body: written.body.map(|(written, _)| written.text.clone()),
        };
        for (part, mut error) in RequestMapping::compile(&spec).err().unwrap_or_default() {
            let place = match part {
                RequestPart::Path => {
                    in_path(&mut error);
                    written.path
                }
                RequestPart::Body => written.body,
                RequestPart::Header(number) => {
                    let header = written.headers.get(number);
                    header.map(|(_, written, span)| (written, *span))
                }
            };
            if let Some((written, span)) = place {
                self.jq(&error, written, span);
            }
        }
        spec
    }

    /// Headers and their expressions; `None` if one is broken. Reports those that the gateway writes
    /// itself: all that frame a message, and those of `known`, each with what to do instead.
    pub(super) fn headers(
        &mut self,
        fields: &Fields,
        known: &[(&str, &str)],
    ) -> Option<Vec<(String, Scalar, Span)>> {
        for (name, span, _) in &fields.entries {
            let help = known
                .iter()
                .find(|(known, _)| name.eq_ignore_ascii_case(known));
            let is_ours = help.is_some() || framing::is_framing(name);
            if is_ours || HeaderName::try_from(name.as_str()).is_err() {
                let help = help.map_or("remove it: the gateway writes it itself", |(_, help)| help);
                self.cannot_be_set(name, *span, help);
            }
        }
        self.expressions(fields)
    }

    /// Reports a header that is the gateway's own.
    pub(super) fn cannot_be_set(&mut self, name: &str, span: Span, help: &str) {
        self.report(
            Problem::new(Code::BadValue, span, format!("`{name}` cannot be set"))
                .label("not possible here")
                .help(help),
        );
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
