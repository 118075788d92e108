//! The named HMAC schemes, each as an [`HmacSpec`].

use std::time::Duration;

use http::HeaderName;
use tidegate_types::secret::Secret;

use super::{Algorithm, Encoding, HmacSpec, Spec, TimestampSource};

/// The [`HmacSpec`] that `spec` stands for; `None` for schemes that are not a plain HMAC.
///
/// Sources: GitHub docs "Validating webhook deliveries", Stripe docs "Verify webhook signatures
/// manually", Shopify docs "Validate the origin of your webhook", Slack docs "Verifying requests
/// from Slack".
pub(in crate::signature) fn hmac_of(spec: &Spec) -> Option<HmacSpec> {
    Some(match spec {
        Spec::Github { keys } => HmacSpec {
            prefix: "sha256=".to_owned(),
            ..body_only("x-hub-signature-256", keys, Encoding::Hex)
        },
        Spec::Shopify { keys } => body_only("x-shopify-hmac-sha256", keys, Encoding::Base64),
        Spec::Stripe { keys, tolerance } => HmacSpec {
            template: "{timestamp}.{body}".to_owned(),
            timestamp: Some(TimestampSource::ListKey("t".to_owned())),
            tolerance: *tolerance,
            list: Some("v1".to_owned()),
            ..body_only("stripe-signature", keys, Encoding::Hex)
        },
        Spec::Slack { keys, tolerance } => HmacSpec {
            prefix: "v0=".to_owned(),
            template: "v0:{timestamp}:{body}".to_owned(),
            timestamp: Some(TimestampSource::Header(HeaderName::from_static(
                "x-slack-request-timestamp",
            ))),
            tolerance: *tolerance,
            ..body_only("x-slack-signature", keys, Encoding::Hex)
        },
        Spec::Hmac(spec) => spec.clone(),
        _ => return None,
    })
}

/// HMAC-SHA256 of the body alone, in `header`.
fn body_only(header: &'static str, keys: &[Secret], encoding: Encoding) -> HmacSpec {
    HmacSpec {
        header: HeaderName::from_static(header),
        keys: keys.to_vec(),
        algorithm: Algorithm::Sha256,
        encoding,
        prefix: String::new(),
        template: "{body}".to_owned(),
        timestamp: None,
        tolerance: Duration::ZERO,
        id: None,
        list: None,
    }
}
