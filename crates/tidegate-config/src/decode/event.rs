//! `event`: identity and mapping.

use tidegate_map::EventSpec;
use tidegate_wire::signature::Spec;

use super::Decoder;
use crate::config::{Format, Identity};
use crate::diagnostic::{Code, Problem, Span};
use crate::marked::Scalar;
use crate::shape::{Checked, Datum, Fields};

impl Decoder<'_> {
    /// Reads identity and mapping of a flow; `verify` and `format` are `None` where they are
    /// broken.
    pub(super) fn event(
        &mut self,
        flow: &Fields,
        format: Option<Format>,
        verify: Option<&Spec>,
    ) -> Option<(Identity, Option<EventSpec>)> {
        if format? == Format::CloudEvents {
            self.no_event(flow);
            return Some((Identity::CloudEvent, None));
        }
        let nothing = Fields::default();
        let fields = match flow.get("event") {
            Some(item) => item.fields()?,
            None => &nothing,
        };
        let whole = match flow.get("event") {
            Some(_) => fields.span,
            None => flow.span,
        };
        let text = |key| expression(fields, key).map(|(written, _)| written.text.clone());
        let id = text("id");
        let identity = match id.as_deref() {
            Some("content") => Some(Identity::Content),
            Some("none") => Some(Identity::None),
            Some(_) => Some(Identity::Expression),
            None if fields.get("id").is_some() => None,
            None => verify.and_then(|verify| self.implied(verify, whole)),
        };
        if fields.get("type").is_none() {
            self.no_type(whole);
        }
        let spec = EventSpec {
            id: id.filter(|_| identity == Some(Identity::Expression)),
            // Stands in for a type that is missing or broken, so that the rest is checked too.
            kind: text("type").unwrap_or_else(|| "\"\"".to_owned()),
            key: text("key"),
            time: text("time"),
            data: text("data"),
            when: text("when"),
        };
        self.mapping(&spec, fields);
        Some((identity?, Some(spec)))
    }

    fn no_event(&mut self, flow: &Fields) {
        if flow.get("event").is_none() {
            return;
        }
        self.report(
            Problem::new(
                Code::Contradiction,
                flow.span_of("event"),
                "`event` does not go with `format: cloudevents`",
            )
            .label("has no effect")
            .help("remove it: the attributes and data of the CloudEvent are taken"),
        );
    }

    fn no_type(&mut self, span: Span) {
        self.report(
            Problem::new(
                Code::NoType,
                span,
                "nothing says of which type the events are",
            )
            .label("`event.type` is missing")
            .help("add it to `event`, for example `type: '\"orders.\" + .body.kind'`"),
        );
    }

    /// Where the identity comes from when `event.id` says nothing.
    fn implied(&mut self, verify: &Spec, span: Span) -> Option<Identity> {
        if verify.signs_id() {
            return Some(Identity::Scheme);
        }
        let scheme = verify.scheme();
        self.report(
            Problem::new(
                Code::NoIdentity,
                span,
                format!("the scheme `{scheme}` signs no id, and `event.id` is missing"),
            )
            .label("how are repeats told apart?")
            .help(
                "add `id` to `event` with the sender's id in jq, for example \
                 `id: '.headers[\"x-delivery-id\"]'`, or `id: content`, or `id: none`",
            ),
        );
        None
    }
}

/// The expression under `key`, with its place.
pub(super) fn expression<'fields>(
    fields: &'fields Fields,
    key: &str,
) -> Option<(&'fields Scalar, Span)> {
    let item = fields.get(key)?;
    match &item.value {
        Checked::Datum(Datum::Expression(written)) => Some((written, item.span)),
        _ => None,
    }
}
