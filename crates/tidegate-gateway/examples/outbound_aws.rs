//! Events to SQS and EventBridge and messages from SQS, for the test against services from outside
//! (`tests/interop/aws`).
//!
//! Reads where they are from one JSON line, and tells of each step in another.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_gateway::outbound::aws::{
    Delivered, QueueSource, QueueSourceSettings, Service, deliver, settings,
};
use tidegate_gateway::outbound::{Endpoint, Transport, TransportSettings};
use tidegate_types::secret::Secret;
use tidegate_types::time::UnixMillis;
use tidegate_wire::aws::sqs::Receive;
use tidegate_wire::aws::{Bus, EventResult, Item, Queue, RefusalCause, Target};
use tidegate_wire::sigv4::Credentials;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Calls that receive: a service may give fewer messages than it has.
const RECEIVES_MAX: usize = 10;

const TIMEOUT: Duration = Duration::from_secs(30);

struct World {
    told: Value,
    transport: Transport,
}

/// Id, key and body of an event.
type Told<'a> = (&'a str, &'a str, &'a str);

impl World {
    fn text(&self, name: &str) -> &str {
        self.told[name].as_str().unwrap_or_default()
    }

    fn queue(&self, name: &str) -> Result<Queue> {
        Ok(Queue::new(
            self.told["queues"][name].as_str().unwrap_or_default(),
        )?)
    }

    fn endpoint(&self, service: Service, secret: &str) -> Result<Arc<Endpoint>> {
        let credentials = Credentials {
            access_key_id: self.text("key").to_owned(),
            secret_access_key: Secret::new(secret),
            session_token: None,
        };
        let mut settings = settings(service, self.text("region"), credentials);
        self.text("url").clone_into(&mut settings.url);
        settings.guard.allow = vec!["127.0.0.0/8".parse()?];
        Ok(Endpoint::new(&settings)?)
    }

    async fn take(&self, endpoint: &Endpoint, target: &Target, events: &[Told<'_>]) -> Delivered {
        let headers = [("kind".to_owned(), "order.created".to_owned())];
        let items: Vec<Item<'_>> = events
            .iter()
            .map(|(id, key, body)| Item {
                id,
                kind: "order.created",
                key,
                time: Some(UnixMillis(1_795_255_200_000)),
                body: body.as_bytes(),
                headers: &headers,
            })
            .collect();
        deliver(&self.transport, endpoint, target, &items, TIMEOUT).await
    }

    async fn queues(&self, sqs: &Endpoint) -> Result<()> {
        let plain = Target::Queue(self.queue("plain")?);
        let ids: Vec<String> = (0..12)
            .map(|number| format!("event {number} é\n\"quoted\""))
            .collect();
        let mut events: Vec<Told<'_>> = ids
            .iter()
            .map(|id| (id.as_str(), "", id.as_str()))
            .collect();
        events.insert(5, ("cannot be sent", "", "\u{FFFE}"));
        tell("a queue", &self.take(sqs, &plain, &events).await);

        let fifo = Target::Queue(self.queue("fifo")?);
        let events = [
            ("1", "octo repo", "a1"),
            ("2", "octo repo", "a2"),
            ("3", "ключ", "b1"),
            ("4", "octo repo", "a3"),
            ("5", "", "alone"),
        ];
        tell("a fifo queue", &self.take(sqs, &fifo, &events).await);
        // As after a crash before the receipt was durable.
        tell("the same again", &self.take(sqs, &fifo, &events).await);
        Ok(())
    }

    async fn bus(&self, secret: &str) -> Result<()> {
        let endpoint = self.endpoint(Service::EventBridge, secret)?;
        let bus = Target::Bus(Bus::new("default", "orders")?);
        let events = [
            ("1", "", r#"{"n": 0}"#),
            ("2", "", "[]"),
            ("3", "", r#"{"n": 1}"#),
        ];
        tell("a bus", &self.take(&endpoint, &bus, &events).await);
        Ok(())
    }

    /// Takes all messages, but keeps one of them too late: it comes again.
    async fn source(&self, sqs: &Arc<Endpoint>) -> Result<()> {
        let settings = QueueSourceSettings {
            receive: Receive {
                messages_max: 10,
                wait_seconds: 5,
                visibility_seconds: Some(2),
            },
            ..QueueSourceSettings::new(self.queue("theirs")?)
        };
        let source = QueueSource::new(Arc::clone(sqs), settings)?;
        let (mut ids, mut again, mut late) = (Vec::new(), 0, None);
        let (mut whole, mut deleted, mut left) = (0, 0, 0);
        for _ in 0..RECEIVES_MAX {
            if again > 0 {
                break;
            }
            let mut durable = Vec::new();
            for message in source.receive(&self.transport).await? {
                let good = message.body.starts_with("message ") && message.body.ends_with(" é\n");
                whole += usize::from(good && message.attributes.contains_key("kind"));
                if ids.contains(&message.id) {
                    again += 1;
                } else {
                    ids.push(message.id.clone());
                }
                if late.is_none() {
                    late = Some(message.id);
                } else {
                    durable.push(message.receipt);
                }
            }
            let gone = source.delete(&self.transport, durable).await;
            deleted += gone.count;
            left += gone.left;
        }
        say(
            &json!({ "case": "a source", "messages": ids.len(), "whole": whole, "again": again,
            "deleted": deleted, "left": left }),
        );
        Ok(())
    }

    async fn refusals(&self, sqs: &Arc<Endpoint>) -> Result<()> {
        let missing = Queue::new(format!("{}-missing", self.queue("plain")?.url()))?;
        let settings = QueueSourceSettings::new(missing.clone());
        let source = QueueSource::new(Arc::clone(sqs), settings)?;
        let received = source.receive(&self.transport).await;
        let error = received
            .err()
            .map_or_else(String::new, |error| error.to_string());
        let named = error.contains("DoesNotExist") || error.contains("NonExistentQueue");
        say(&json!({ "case": "a source that is not there", "named": named, "error": error }));
        let event = [("1", "", "{}")];
        let delivered = self.take(sqs, &Target::Queue(missing), &event).await;
        tell("no such queue", &delivered);
        let forged = self.endpoint(Service::Sqs, "wrong")?;
        let plain = Target::Queue(self.queue("plain")?);
        tell("wrong secret", &self.take(&forged, &plain, &event).await);
        Ok(())
    }
}

fn tell(case: &str, delivered: &Delivered) {
    let word = |result: &EventResult| match result {
        EventResult::Accepted(_) => "accepted",
        EventResult::Unanswered => "unanswered",
        EventResult::Unsent => "unsent",
        EventResult::Refused(refusal) => match refusal.cause {
            RefusalCause::Event => "event",
            RefusalCause::Throttling => "throttling",
            RefusalCause::Access => "access",
            RefusalCause::Service => "service",
        },
    };
    let words: Vec<&str> = delivered.results.iter().map(word).collect();
    let failure = delivered.failure.as_ref().map(ToString::to_string);
    say(&json!({ "case": case, "results": words, "calls": delivered.calls, "failure": failure }));
}

#[expect(
    clippy::print_stdout,
    reason = "its lines are what the next program reads"
)]
fn say(told: &Value) {
    println!("{told}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let world = World {
        told: serde_json::from_str(&line)?,
        transport: Transport::new(TransportSettings::default()),
    };
    let secret = world.text("secret").to_owned();
    let sqs = world.endpoint(Service::Sqs, &secret)?;
    world.queues(&sqs).await?;
    world.source(&sqs).await?;
    world.bus(&secret).await?;
    world.refusals(&sqs).await
}
