//! Calls of SQS and EventBridge, for the test against services from outside (`tests/interop/aws`).
//!
//! Reads where they are from one JSON line, and tells of each call in another.

use std::error::Error;
use std::io;
use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use tidegate_gateway::outbound::auth::Signature;
use tidegate_gateway::outbound::{
    Endpoint, EndpointSettings, Request, Transport, TransportSettings,
};
use tidegate_types::secret::Secret;
use tidegate_wire::aws::events::{Entry, put_events, put_events_answer};
use tidegate_wire::aws::sqs::{
    Message, Receive, delete_batch, delete_batch_answer, receive_message, receive_message_answer,
    send_batch, send_batch_answer, send_message, send_message_answer,
};
use tidegate_wire::aws::{ANSWER_BYTES_MAX, Call, Verdict, outcome};
use tidegate_wire::sigv4::{Credentials, Scope, Style};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Calls that receive: a service may give fewer messages than it has.
const RECEIVES_MAX: usize = 10;

struct World {
    told: Value,
    transport: Transport,
}

impl World {
    fn queue(&self, name: &str) -> &str {
        self.told["queues"][name].as_str().unwrap_or_default()
    }

    fn endpoint(&self, service: &str, secret: &str) -> Result<Arc<Endpoint>> {
        let text = |name: &str| self.told[name].as_str().unwrap_or_default().to_owned();
        let mut settings = EndpointSettings::new(text("url"));
        settings.guard.allow = vec!["127.0.0.0/8".parse()?];
        settings.signature = Signature::Aws {
            credentials: Credentials {
                access_key_id: text("key"),
                secret_access_key: Secret::new(secret),
                session_token: None,
            },
            scope: Scope {
                region: text("region"),
                service: service.to_owned(),
            },
            style: Style::default(),
        };
        Ok(Endpoint::new(&settings)?)
    }

    async fn call(&self, endpoint: &Endpoint, call: Call) -> Result<(StatusCode, Vec<u8>)> {
        let mut request = Request::new(Method::POST, endpoint.locate("/", "")?);
        request.answer_bytes_max = ANSWER_BYTES_MAX;
        let headers = &mut request.headers;
        headers.insert("content-type", HeaderValue::from_static(call.content_type));
        headers.insert("x-amz-target", HeaderValue::from_static(call.target));
        request.body = call.body.into();
        let answer = self.transport.send(endpoint, &request).await.result?;
        Ok((answer.status, answer.body.to_vec()))
    }

    async fn good(&self, endpoint: &Endpoint, call: Call) -> Result<Vec<u8>> {
        let (status, body) = self.call(endpoint, call).await?;
        Ok(outcome(status, &body)?.to_vec())
    }

    async fn send(&self, sqs: &Endpoint) -> Result<()> {
        let message = |body: &str| Message {
            body: body.to_owned(),
            ..Message::default()
        };
        let plain = self.queue("plain");
        let one = self
            .good(sqs, send_message(plain, &message("one é\n\"quoted\""))?)
            .await?;
        send_message_answer(&one)?;
        tell("one message", json!({ "accepted": 1 }));
        let batch = send_batch(plain, &[message("batch 0"), message("batch 1")])?;
        tell(
            "a batch",
            count(&send_batch_answer(2, &self.good(sqs, batch).await?)?),
        );
        let grouped = |body: &str| Message {
            group_id: Some("octo/repo".to_owned()),
            deduplication_id: Some(body.to_owned()),
            ..message(body)
        };
        let batch = send_batch(self.queue("fifo"), &[grouped("first"), grouped("second")])?;
        tell(
            "a fifo batch",
            count(&send_batch_answer(2, &self.good(sqs, batch).await?)?),
        );
        Ok(())
    }

    async fn receive(&self, sqs: &Endpoint) -> Result<()> {
        let how = Receive {
            messages_max: 10,
            wait_seconds: 0,
            visibility_seconds: Some(60),
        };
        let queue = self.queue("theirs");
        let (mut received, mut rounds, mut verdicts) = (Vec::new(), 0, Vec::new());
        while received.len() < 12 && rounds < RECEIVES_MAX {
            let body = self.good(sqs, receive_message(queue, how)?).await?;
            let page = receive_message_answer(&body)?;
            let handles: Vec<&str> = page.iter().map(|one| one.receipt_handle.as_str()).collect();
            let deleted = self.good(sqs, delete_batch(queue, &handles)?).await?;
            verdicts.extend(delete_batch_answer(handles.len(), &deleted)?);
            received.extend(page);
            rounds += 1;
        }
        let kinds = received
            .iter()
            .filter(|one| one.attributes.contains_key("kind"))
            .count();
        let whole = received
            .iter()
            .all(|one| one.body.starts_with("message ") && one.body.ends_with(" é\n"));
        tell(
            "received",
            json!({ "messages": received.len(), "kinds": kinds, "whole": whole, "rounds": rounds > 1 }),
        );
        tell("deleted", count(&verdicts));
        let body = self.good(sqs, receive_message(queue, how)?).await?;
        tell(
            "empty",
            json!({ "messages": receive_message_answer(&body)?.len() }),
        );
        Ok(())
    }

    async fn events(&self, secret: &str) -> Result<()> {
        let entry = |number: u32| Entry {
            source: "orders".to_owned(),
            detail_type: "order.created".to_owned(),
            detail: json!({ "n": number }).to_string(),
            event_bus_name: "default".to_owned(),
            time: Some(1_795_255_200),
        };
        let put = put_events(&[entry(0), entry(1)])?;
        let body = self
            .good(&self.endpoint("events", secret)?.clone(), put)
            .await?;
        tell("events", count(&put_events_answer(2, &body)?));
        Ok(())
    }

    async fn refusals(&self, sqs: &Endpoint) -> Result<()> {
        let how = Receive {
            messages_max: 1,
            wait_seconds: 0,
            visibility_seconds: None,
        };
        let missing = format!("{}-missing", self.queue("plain"));
        let (status, body) = self.call(sqs, receive_message(&missing, how)?).await?;
        let error = outcome(status, &body)
            .err()
            .map_or_else(String::new, |error| error.to_string());
        let named = error.contains("DoesNotExist") || error.contains("NonExistentQueue");
        tell(
            "no such queue",
            json!({ "refused": !error.is_empty(), "named": named, "error": error }),
        );
        let forged = self.endpoint("sqs", "wrong")?;
        let (status, body) = self
            .call(&forged, receive_message(self.queue("plain"), how)?)
            .await?;
        tell(
            "wrong secret",
            json!({ "refused": outcome(status, &body).is_err(), "status": status.as_u16() }),
        );
        Ok(())
    }
}

fn count(verdicts: &[Verdict]) -> Value {
    let accepted = verdicts
        .iter()
        .filter(|one| matches!(one, Verdict::Accepted(_)))
        .count();
    json!({ "accepted": accepted, "rejected": verdicts.len() - accepted })
}

#[expect(
    clippy::print_stdout,
    reason = "its lines are what the next program reads"
)]
fn tell(case: &str, mut told: Value) {
    told["case"] = case.into();
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
    let secret = world.told["secret"].as_str().unwrap_or_default().to_owned();
    let sqs = world.endpoint("sqs", &secret)?;
    world.send(&sqs).await?;
    world.receive(&sqs).await?;
    world.events(&secret).await?;
    world.refusals(&sqs).await
}
