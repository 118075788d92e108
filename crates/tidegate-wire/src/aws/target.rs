//! Where events go, and what they look like there.

use ring::digest::{SHA256, digest};
use tidegate_types::time::UnixMillis;

use super::events::{self, Entry};
use super::sqs::{self, Message};
use super::{Call, CallError};

/// A queue of SQS or a bus of EventBridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A queue.
    Queue(Queue),
    /// A bus.
    Bus(Bus),
}

/// A queue of SQS, standard or FIFO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    url: String,
    is_fifo: bool,
}

/// A bus of EventBridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bus {
    name: String,
    source: String,
}

/// Where a service is reached in a region ("Service endpoints" in the AWS General Reference).
#[must_use]
pub fn public_url(service: &str, region: &str) -> String {
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("https://{service}.{region}.{domain}")
}

/// An event to be taken to a target.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// What makes a repeat of it known: the event's id or its idempotency key.
    pub id: &'a str,
    /// Its type.
    pub kind: &'a str,
    /// Its key; empty if it has none.
    pub key: &'a str,
    /// When it happened.
    pub time: Option<UnixMillis>,
    /// What a queue gets as text, and a bus as detail.
    pub body: &'a [u8],
    /// What a queue gets as attributes; entries of a bus have none.
    pub headers: &'a [(String, String)],
}

/// An event in the form of its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Message(Message),
    Entry(Entry),
}

impl Queue {
    /// The queue at this URL, which is FIFO if its name ends in `.fifo` (API reference, `CreateQueue`).
    ///
    /// # Errors
    /// It cannot be the URL of a queue.
    pub fn new(url: impl Into<String>) -> Result<Self, CallError> {
        let url = url.into();
        sqs::check_queue(&url)?;
        let is_fifo = url.ends_with(".fifo");
        Ok(Self { url, is_fifo })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The region that its host names, if it is one of the public service
    /// (`sqs.eu-central-1.amazonaws.com`).
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        let (_, rest) = self.url.split_once("://sqs.")?;
        let host = rest.split(['/', ':']).next()?;
        let region = host
            .strip_suffix(".amazonaws.com")
            .or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
        (!region.is_empty() && !region.contains('.')).then_some(region)
    }

    /// Whether it keeps the order within a group and takes a repeat once.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.is_fifo
    }

    fn message(&self, item: &Item<'_>) -> Result<Message, CallError> {
        let body = str::from_utf8(item.body).map_err(|_| CallError::Field("the body"))?;
        // An event without a key has an order with nobody.
        let group = if item.key.is_empty() {
            item.id
        } else {
            item.key
        };
        let message = Message {
            body: body.to_owned(),
            attributes: item.headers.iter().cloned().collect(),
            group_id: self.is_fifo.then(|| folded(group)),
            deduplication_id: self.is_fifo.then(|| folded(item.id)),
            delay_seconds: None,
        };
        message.check()?;
        Ok(message)
    }
}

impl Bus {
    /// The bus of this name or ARN, with the source that its entries tell.
    ///
    /// # Errors
    /// What the service would refuse.
    pub fn new(name: impl Into<String>, source: impl Into<String>) -> Result<Self, CallError> {
        let (name, source) = (name.into(), source.into());
        events::check_bus(&name)?;
        events::check_source(&source)?;
        Ok(Self { name, source })
    }

    fn entry(&self, item: &Item<'_>) -> Result<Entry, CallError> {
        let detail = str::from_utf8(item.body).map_err(|_| CallError::Field("the detail"))?;
        let entry = Entry {
            source: self.source.clone(),
            detail_type: item.kind.to_owned(),
            detail: detail.to_owned(),
            event_bus_name: self.name.clone(),
            time: item.time.map(UnixMillis::seconds),
        };
        entry.check()?;
        Ok(entry)
    }
}

impl Target {
    /// The service that has it, as in host names and signatures.
    #[must_use]
    pub fn service(&self) -> &'static str {
        match self {
            Self::Queue(_) => "sqs",
            Self::Bus(_) => "events",
        }
    }

    /// The queue's URL, the bus's name or ARN.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Queue(queue) => &queue.url,
            Self::Bus(bus) => &bus.name,
        }
    }

    pub(super) fn payload(&self, item: &Item<'_>) -> Result<Payload, CallError> {
        match self {
            Self::Queue(queue) => queue.message(item).map(Payload::Message),
            Self::Bus(bus) => bus.entry(item).map(Payload::Entry),
        }
    }

    /// Bytes that all entries of one call may have together.
    pub(super) fn call_bytes_max(&self) -> usize {
        match self {
            Self::Queue(_) => sqs::MESSAGE_BYTES_MAX,
            Self::Bus(_) => events::ENTRIES_BYTES_MAX,
        }
    }

    pub(super) fn call(&self, payloads: &[&Payload]) -> Result<Call, CallError> {
        match self {
            Self::Queue(queue) => {
                let messages: Vec<&Message> = payloads
                    .iter()
                    .copied()
                    .filter_map(Payload::message)
                    .collect();
                sqs::send_batch(&queue.url, &messages)
            }
            Self::Bus(_) => {
                let entries: Vec<&Entry> = payloads
                    .iter()
                    .copied()
                    .filter_map(Payload::entry)
                    .collect();
                events::put_events(&entries)
            }
        }
    }
}

impl Payload {
    /// Its size as its service counts it.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Message(message) => message.bytes(),
            Self::Entry(entry) => entry.bytes(),
        }
    }

    /// Those of one group must arrive in their order.
    pub(super) fn group(&self) -> Option<&str> {
        self.message()?.group_id.as_deref()
    }

    fn message(&self) -> Option<&Message> {
        match self {
            Self::Message(message) => Some(message),
            Self::Entry(_) => None,
        }
    }

    fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Message(_) => None,
            Self::Entry(entry) => Some(entry),
        }
    }
}

/// A text as a group or deduplication id. What the service would refuse, and what looks like the result
/// of that, becomes its digest: the same for the same text, another for another.
fn folded(text: &str) -> String {
    if sqs::is_id(text) && !text.starts_with(FOLDED) {
        text.to_owned()
    } else {
        let hash = digest(&SHA256, text.as_bytes());
        format!("{FOLDED}{}", hex::encode(hash))
    }
}

const FOLDED: &str = "sha256:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_the_service_takes() {
        assert_eq!(folded("octo/repo"), "octo/repo");
        let long = "k".repeat(129);
        for text in ["", "with blank", "ключ", "sha256:00", &long, "a\nb"] {
            let id = folded(text);
            assert!(sqs::is_id(&id) && id.len() == 71, "{id}");
            assert_eq!(id, folded(text));
        }
        // Computed by coreutils' sha256sum.
        assert_eq!(
            folded("with blank"),
            "sha256:3d68000eef54d76f0fee56ada9cd15c9246ae3b6e246f904b2a52b559ac2fb6d"
        );
        assert_ne!(folded(""), folded("with blank"));
    }

    #[test]
    fn the_region_of_a_queue() {
        for (url, region) in [
            (
                "https://sqs.eu-central-1.amazonaws.com/1/q",
                Some("eu-central-1"),
            ),
            (
                "https://sqs.cn-north-1.amazonaws.com.cn/1/q",
                Some("cn-north-1"),
            ),
            (
                "https://sqs.eu-central-1.amazonaws.com:443/1/q",
                Some("eu-central-1"),
            ),
            ("https://sqs..amazonaws.com/1/q", None),
            ("https://sqs.eu-central-1.example/1/q", None),
            (
                "https://vpce-1.sqs.eu-central-1.vpce.amazonaws.com/1/q",
                None,
            ),
            ("http://127.0.0.1:5000/1/q", None),
        ] {
            assert_eq!(Queue::new(url).unwrap().region(), region, "{url}");
        }
        assert_eq!(
            public_url("events", "eu-central-1"),
            "https://events.eu-central-1.amazonaws.com"
        );
        assert_eq!(
            public_url("sqs", "cn-north-1"),
            "https://sqs.cn-north-1.amazonaws.com.cn"
        );
    }

    #[test]
    fn targets_that_cannot_be() {
        for url in ["", "https://sqs.example/a b", &"u".repeat(600)] {
            assert!(Queue::new(url).is_err(), "{url}");
        }
        for (name, source) in [
            ("", "orders"),
            ("de fault", "orders"),
            ("default", ""),
            ("default", "aws.s3"),
        ] {
            assert!(Bus::new(name, source).is_err(), "{name} {source}");
        }
        let arn = "arn:aws:events:eu-central-1:177715257436:event-bus/orders";
        assert!(Bus::new(arn, "orders").is_ok());
    }
}
