//! `verify`: from keys and parameters to a signature spec.

use std::net::SocketAddr;

use http::HeaderName;
use tidegate_types::secret::Secret;
use tidegate_wire::signature::{
    Algorithm, Caution, Credentials, DEFAULT_TOLERANCE, Encoding, HmacSpec, KeyPlace, Spec,
    SpecError, TimestampSource, Verifier,
};

use super::Decoder;
use crate::diagnostic::{Code, Problem, Span};
use crate::shape::Fields;

impl Decoder<'_> {
    pub(super) fn verify(&mut self, fields: &Fields, public: Option<SocketAddr>) -> Option<Spec> {
        let scheme = fields.word("scheme")?;
        let (one, many) = match scheme {
            "basic" => ("password", "passwords"),
            "bearer" => ("token", "tokens"),
            "api-key" => ("key", "keys"),
            _ => ("secret", "secrets"),
        };
        let keys = if scheme == "none" {
            Vec::new()
        } else {
            self.secrets(fields, one, many)?
        };
        let spans: Vec<Span> = keys.iter().map(|(_, span)| *span).collect();
        let keys = keys.into_iter().map(|(key, _)| key).collect();
        let spec = self.spec(scheme, fields, keys)?;
        if let Err(error) = Verifier::new(&spec) {
            self.malformed(&error, fields, &spans);
            return None;
        }
        for caution in spec.cautions() {
            self.caution(&caution, fields, &spans, public);
        }
        Some(spec)
    }

    pub(super) fn spec(
        &mut self,
        scheme: &str,
        fields: &Fields,
        keys: Vec<Secret>,
    ) -> Option<Spec> {
        // Only who verifies has one.
        let tolerance = fields.duration("tolerance").or(Some(DEFAULT_TOLERANCE));
        Some(match scheme {
            "standard-webhooks" => Spec::StandardWebhooks {
                keys,
                tolerance: tolerance?,
            },
            "svix" => Spec::Svix {
                keys,
                tolerance: tolerance?,
            },
            "github" => Spec::Github { keys },
            "stripe" => Spec::Stripe {
                keys,
                tolerance: tolerance?,
            },
            "shopify" => Spec::Shopify { keys },
            "slack" => Spec::Slack {
                keys,
                tolerance: tolerance?,
            },
            "hmac" => Spec::Hmac(self.hmac(fields, keys)?),
            "basic" => {
                let user = fields.text("user")?;
                let pair = |password| Credentials {
                    user: user.clone(),
                    password,
                };
                let credentials = keys.into_iter().map(pair).collect();
                Spec::Basic { credentials }
            }
            "bearer" => Spec::Bearer { tokens: keys },
            "api-key" => Spec::ApiKey {
                place: place(fields)?,
                keys,
            },
            _ => Spec::DangerNone,
        })
    }

    fn hmac(&mut self, fields: &Fields, keys: Vec<Secret>) -> Option<HmacSpec> {
        let in_header = fields.get("timestamp-header").is_some();
        if in_header && fields.get("timestamp-key").is_some() {
            self.report(
                Problem::new(
                    Code::OneOf,
                    fields.span_of("timestamp-key"),
                    "`timestamp-header` and `timestamp-key` stand here together",
                )
                .label("one too many")
                .help("keep the one that says where the time of signing stands"),
            );
        }
        let timestamp = if in_header {
            Some(TimestampSource::Header(header(fields, "timestamp-header")?))
        } else {
            fields.text("timestamp-key").map(TimestampSource::ListKey)
        };
        let id = match fields.get("id-header") {
            Some(_) => Some(header(fields, "id-header")?),
            None => None,
        };
        Some(HmacSpec {
            header: header(fields, "header")?,
            keys,
            algorithm: match fields.word("algorithm")? {
                "sha1" => Algorithm::Sha1,
                "sha512" => Algorithm::Sha512,
                _ => Algorithm::Sha256,
            },
            encoding: match fields.word("encoding")? {
                "base64" => Encoding::Base64,
                _ => Encoding::Hex,
            },
            prefix: fields.text("prefix").unwrap_or_default(),
            template: fields.text("template")?,
            timestamp,
            tolerance: fields.duration("tolerance").unwrap_or(DEFAULT_TOLERANCE),
            id,
            list: fields.text("list-key"),
        })
    }

    pub(super) fn malformed(&mut self, error: &SpecError, fields: &Fields, keys: &[Span]) {
        let (code, span) = match error {
            SpecError::EmptyKey(key)
            | SpecError::NotBase64(key)
            | SpecError::KeyPair(key)
            | SpecError::KeyCharacters(key)
            | SpecError::CannotSign(key)
            | SpecError::KeyLength { key, .. } => (Code::SecretMalformed, key_span(keys, *key)),
            SpecError::NoKeys | SpecError::TooManyKeys(_) => (Code::BadValue, None),
            SpecError::UserColon(_) => (Code::BadValue, Some(fields.span_of("user"))),
            SpecError::UnknownPlaceholder(_)
            | SpecError::OpenBrace
            | SpecError::TemplateLength(_)
            | SpecError::TimestampUnplaced
            | SpecError::TimestampUnsigned
            | SpecError::TimestampWithoutList(_)
            | SpecError::IdUnplaced
            | SpecError::IdUnsigned => (Code::Contradiction, Some(fields.span_of("template"))),
        };
        // The message of a spec error names its cure behind a semicolon.
        let text = error.to_string();
        let (message, help) = text.split_once("; ").unwrap_or((&text, ""));
        self.report(
            Problem::new(code, span.unwrap_or(fields.span), message)
                .label("cannot be used")
                .help(help),
        );
    }

    fn caution(
        &mut self,
        caution: &Caution,
        fields: &Fields,
        keys: &[Span],
        public: Option<SocketAddr>,
    ) {
        let (code, span) = match caution {
            Caution::NotVerified => {
                // On loopback only this machine can send; that is what development needs.
                if public.is_none_or(|address| address.ip().is_loopback()) {
                    return;
                }
                (Code::Unverified, Some(fields.span_of("scheme")))
            }
            Caution::ShortKey { key, .. } => (Code::Weak, key_span(keys, *key)),
            Caution::Sha1 => (Code::Weak, Some(fields.span_of("algorithm"))),
            Caution::BodyUnsigned => (Code::Weak, Some(fields.span_of("template"))),
            Caution::LongTolerance(_) => (Code::Weak, Some(fields.span_of("tolerance"))),
            Caution::KeyInQuery => (Code::Weak, Some(fields.span_of("query"))),
        };
        let help = code.row().cure;
        self.report(
            Problem::new(code, span.unwrap_or(fields.span), caution.to_string())
                .label("weaker than it may look")
                .help(help),
        );
    }
}

/// Place of the key with this number, from 1 on.
fn key_span(keys: &[Span], number: usize) -> Option<Span> {
    keys.get(number.checked_sub(1)?).copied()
}

fn header(fields: &Fields, key: &str) -> Option<HeaderName> {
    // The shape takes exactly the characters of a token, which is what a header name is.
    HeaderName::try_from(fields.text(key)?).ok()
}

fn place(fields: &Fields) -> Option<KeyPlace> {
    match fields.text("query") {
        Some(name) => Some(KeyPlace::Query(name.into())),
        None => header(fields, "header").map(KeyPlace::Header),
    }
}
