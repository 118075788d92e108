//! A queue as a source, as AWS speaks; `moto` takes its place in the interoperability suite.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::site::Site;
use super::source::{Asked, Reply, Source};

/// Messages by their ids; those in hand are hidden once.
#[derive(Default)]
struct Queue {
    messages: Vec<(String, String)>,
    deleted: Vec<String>,
    hidden: bool,
}

impl Queue {
    fn answer(&mut self, asked: &Asked) -> Reply {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        assert!(
            asked.headers["authorization"].starts_with("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
        );
        match asked.headers["x-amz-target"].as_str() {
            "AmazonSQS.ReceiveMessage" => {
                self.hidden = !self.hidden;
                let given = self.messages.iter().filter(|_| self.hidden).take(10);
                let given: Vec<Value> = given
                    .map(|(id, text)| {
                        json!({
                            "MessageId": id, "ReceiptHandle": format!("r-{id}"), "Body": text,
                            "Attributes": { "MessageGroupId": "group", "SentTimestamp": "1700000000000" },
                            "MessageAttributes": { "Kind": { "DataType": "String", "StringValue": "new" } },
                        })
                    })
                    .collect();
                Reply::json(&json!({ "Messages": given }))
            }
            "AmazonSQS.DeleteMessageBatch" => {
                let entries = body["Entries"].as_array().unwrap();
                for entry in entries {
                    let handle = entry["ReceiptHandle"].as_str().unwrap();
                    let id = handle.trim_start_matches("r-").to_owned();
                    self.messages.retain(|(known, _)| *known != id);
                    self.deleted.push(id);
                }
                let done: Vec<Value> = entries.iter().map(|it| json!({ "Id": it["Id"] })).collect();
                Reply::json(&json!({ "Successful": done, "Failed": [] }))
            }
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_deleted_once_they_are_on_disk_whatever_becomes_of_them() {
    let messages = [
        ("m1", r#"{"n":1}"#),
        ("m2", "no json"),
        ("m3", r#"{"n":{}}"#),
        ("m4", r#"{"n":4}"#),
    ];
    let messages = messages.map(|(id, text)| (id.to_owned(), text.to_owned()));
    let queue = Arc::new(Mutex::new(Queue {
        messages: messages.to_vec(),
        ..Queue::default()
    }));
    let own = Arc::clone(&queue);
    let source = Source::start(move |_, asked| own.lock().unwrap().answer(asked)).await;
    let flow = format!(
        "  orders:
    system: plain
    poll:
      sqs: {{ queue-url: \"{}/1/orders\", region: eu-central-1, access-key: AKIAEXAMPLE, secret-key: \"${{env:KEY}}\", wait: 0s }}
    event:
      type: '\"order.\" + .headers.kind'
      key: '.headers[\"sqs-message-group-id\"]'
      data: '{{ n: (if (.body.n | type) == \"object\" then error(\"no\") else .body.n end) }}'",
        source.url()
    );
    let site = Site::start(&source.url(), &flow).await;
    let deleted = || queue.lock().unwrap().deleted.len();
    site.until("four messages gone", |_| deleted() == 4).await;
    assert_eq!(site.ids(), ["m1", "m4"]);
    let event = &site.events()[0].event;
    assert_eq!(
        (event.kind.as_str(), event.key.as_str()),
        ("order.new", "group")
    );
    assert_eq!(&event.data[..], br#"{"n":1}"#);
    let mut faults: Vec<_> = site.faults().into_iter().map(|it| it.external_id).collect();
    faults.sort();
    assert_eq!(faults, ["m2", "m3"]);
    // The same message again, as after a deletion that was lost, is known.
    queue
        .lock()
        .unwrap()
        .messages
        .push(("m1".to_owned(), r#"{"n":1}"#.to_owned()));
    site.until("a repeat", |_| deleted() == 5).await;
    assert_eq!(site.ids().len(), 2);
    assert_eq!(site.gateway.polls()[0].state, "running");
}
