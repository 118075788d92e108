//! What is sent. The content of every request follows from the seed and its number, so that the
//! checker can tell from an entry of the log alone whether it is what was sent.

use anyhow::{Context, Result};
use http::HeaderMap;
use tidegate_types::secret::Secret;
use tidegate_types::time::UnixMillis;
use tidegate_wire::signature::{Request as ToSign, Signer, Spec};

use super::http::Request;
use super::random::Random;

/// The secret of the flows. It protects nothing.
pub(crate) const SECRET: &str = "proof-secret-of-the-flows";
/// The token of the service. It protects nothing.
pub(crate) const TOKEN: &str = "proof-token-of-the-service";
/// The source that published events name.
pub(crate) const SOURCE: &str = "/proof";

/// Of a thousand new requests: those whose mapping fails, and those that our own service publishes.
const UNMAPPABLE: u64 = 30;
const PUBLISHED: u64 = 100;
/// Text of a usual event, in characters.
const TEXT: (u64, u64) = (50, 1500);
/// Text of a large one: more than a frame, so that it goes in chunks.
const LARGE_TEXT: (u64, u64) = (600 * 1024, 900 * 1024);

/// One thing that is sent, however often: a number and, under the same identity, other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) number: u64,
    /// The content that comes second under this identity.
    pub(crate) reused: bool,
}

/// How a request comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A webhook that is mapped.
    Webhook,
    /// A webhook larger than a frame, kept as it is.
    Large,
    /// A webhook whose mapping fails.
    Unmappable,
    /// An event of our own service.
    Published,
}

/// What the log must hold of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// The original; `None` for what our own service publishes.
    pub(crate) body: Option<Vec<u8>>,
    /// The mapped data; `None` if the mapping fails.
    pub(crate) data: Option<Vec<u8>>,
}

/// Makes requests.
#[derive(Debug)]
pub(crate) struct Traffic {
    seed: u64,
    /// Large requests of a thousand.
    large: u64,
    signer: Signer,
}

impl Traffic {
    pub(crate) fn new(seed: u64, large: u64) -> Result<Self> {
        let spec = Spec::Github {
            keys: vec![Secret::new(SECRET)],
        };
        let signer = Signer::new(&spec).context("the proof's own key is no good")?;
        Ok(Self {
            seed,
            large,
            signer,
        })
    }

    pub(crate) fn kind(&self, number: u64) -> Kind {
        let chance = Random::of(self.seed, number).below(1000);
        match chance {
            _ if chance < self.large => Kind::Large,
            _ if chance < self.large + UNMAPPABLE => Kind::Unmappable,
            _ if chance < self.large + UNMAPPABLE + PUBLISHED => Kind::Published,
            _ => Kind::Webhook,
        }
    }

    /// Whether other content may be sent under the identity of `number`, and becomes a fault.
    pub(crate) fn can_be_reused(&self, number: u64) -> bool {
        matches!(self.kind(number), Kind::Webhook | Kind::Large)
    }

    /// What the log must hold of it.
    pub(crate) fn content(&self, key: Key) -> Content {
        let kind = self.kind(key.number);
        let id = external_id(key.number);
        let text = self.text(key, kind);
        let data = format!("{{\"id\":\"{id}\",\"text\":\"{text}\"}}");
        let body = match kind {
            Kind::Published => {
                return Content {
                    body: None,
                    data: Some(data.into_bytes()),
                };
            }
            Kind::Unmappable => format!("{{\"id\":\"{id}\",\"text\":\"{text}\"}}"),
            Kind::Webhook | Kind::Large => {
                format!(
                    "{{\"id\":\"{id}\",\"kind\":\"hook.created\",\"customer\":\"c{}\",\"text\":\"{text}\"}}",
                    key.number % 50
                )
            }
        };
        let body = body.into_bytes();
        let data = match kind {
            Kind::Large => Some(body.clone()),
            Kind::Unmappable => None,
            Kind::Webhook | Kind::Published => Some(data.into_bytes()),
        };
        Content {
            body: Some(body),
            data,
        }
    }

    fn text(&self, key: Key, kind: Kind) -> String {
        let mut random = Random::of(
            self.seed ^ 0x7465_7874,
            key.number * 2 + u64::from(key.reused),
        );
        let (least, most) = if kind == Kind::Large {
            LARGE_TEXT
        } else {
            TEXT
        };
        let length = usize::try_from(least + random.below(most - least)).unwrap_or(usize::MAX);
        let mut text = String::with_capacity(length + 16);
        while text.len() < length {
            let nibbles = random.next().to_be_bytes();
            let nibbles = nibbles.iter().flat_map(|byte| [byte >> 4, byte & 15]);
            text.extend(nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)));
        }
        text
    }

    /// The request.
    pub(crate) fn request(&self, key: Key) -> Result<Request> {
        let id = external_id(key.number);
        let kind = self.kind(key.number);
        let Content { body, data } = self.content(key);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![pair("content-type", "application/json")];
        let Some(body) = body else {
            headers.push(pair("authorization", &format!("Bearer {TOKEN}")));
            headers.push(pair("ce-specversion", "1.0"));
            headers.push(pair("ce-id", &id));
            headers.push(pair("ce-source", SOURCE));
            headers.push(pair("ce-type", "order.created"));
            let body = data.unwrap_or_default();
            return Ok(Request {
                method: "POST",
                target: "/v1/events".to_owned(),
                headers,
                body,
            });
        };
        let target = if kind == Kind::Large {
            "/in/bulk"
        } else {
            "/in/hooks"
        };
        let to_sign = ToSign {
            method: "POST",
            path: target,
            query: "",
            headers: &HeaderMap::new(),
            body: &body,
        };
        let signed = self
            .signer
            .sign(UnixMillis(0), &id, &to_sign)
            .context("a request cannot be signed")?;
        for (name, value) in &signed.headers {
            headers.push(pair(
                name.as_str(),
                value.to_str().context("a signature is no text")?,
            ));
        }
        headers.push(pair("x-github-delivery", &id));
        Ok(Request {
            method: "POST",
            target: target.to_owned(),
            headers,
            body,
        })
    }
}

/// What the sender calls it.
fn external_id(number: u64) -> String {
    format!("e{number}")
}

/// The number in an external id as it stands in the log.
pub(crate) fn number_of(external_id: &str) -> Option<u64> {
    let id = external_id
        .strip_prefix(SOURCE)
        .map_or(external_id, str::trim_start);
    id.strip_prefix('e')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_follows_from_the_number_and_differs_when_reused() {
        let traffic = Traffic::new(7, 10).unwrap();
        let number = (0..)
            .find(|number| traffic.kind(*number) == Kind::Webhook)
            .unwrap();
        let first = Key {
            number,
            reused: false,
        };
        assert_eq!(traffic.content(first), traffic.content(first));
        assert_ne!(
            traffic.content(first),
            traffic.content(Key {
                number,
                reused: true
            })
        );
        let request = traffic.request(first).unwrap();
        assert_eq!(Some(request.body), traffic.content(first).body);
    }

    #[test]
    fn every_kind_occurs() {
        let traffic = Traffic::new(7, 10).unwrap();
        for kind in [
            Kind::Webhook,
            Kind::Large,
            Kind::Unmappable,
            Kind::Published,
        ] {
            assert!(
                (0..1000).any(|number| traffic.kind(number) == kind),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn numbers_are_read_back() {
        assert_eq!(number_of("e17"), Some(17));
        assert_eq!(number_of("/proof e17"), Some(17));
        assert_eq!(number_of("x"), None);
    }
}
