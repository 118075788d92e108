//! The few requests of the JetStream API that a lease store needs, and their answers (NATS ADR-44:
//! the API's version is in the server's, and unknown fields of an answer are skipped).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::lease::store::StoreError;

/// `JSStreamNotFoundErr`; this and the others are in the server's `errors.json`.
pub(super) const STREAM_NOT_FOUND: u64 = 10_059;
/// `JSStreamNameExistErr`: with other settings than asked for.
pub(super) const STREAM_EXISTS: u64 = 10_058;
/// `JSNoMessageFoundErr`.
pub(super) const NO_MESSAGE: u64 = 10_037;
/// `JSStreamWrongLastSequenceErrF`.
pub(super) const WRONG_SEQUENCE: u64 = 10_071;
/// `JSStreamWrongLastSequenceConstantErr`.
pub(super) const WRONG_SEQUENCE_NOW: u64 = 10_164;

/// An error in the words of the server.
#[derive(Debug, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{description} ({err_code})")]
pub(super) struct ApiError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl ApiError {
    pub(super) const fn is(&self, code: u64) -> bool {
        self.err_code == code
    }
}

/// The acknowledgement of a publish.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) sequence: u64,
}

/// A message as the stream has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) sequence: u64,
    pub(super) data: Vec<u8>,
}

/// A stream's settings, as far as safety depends on them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StreamInfo {
    pub(super) config: StreamConfig,
}

/// The settings themselves. What is not said has the server's default.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct StreamConfig {
    pub(super) name: String,
    pub(super) subjects: Vec<String>,
    pub(super) retention: String,
    pub(super) storage: String,
    pub(super) discard: String,
    pub(super) num_replicas: u8,
    pub(super) max_msgs_per_subject: i64,
    pub(super) max_msgs: i64,
    pub(super) max_bytes: i64,
    /// In nanoseconds; 0 means without an end.
    pub(super) max_age: i64,
    pub(super) max_msg_size: i64,
    pub(super) deny_delete: bool,
    pub(super) deny_purge: bool,
    pub(super) sealed: bool,
    pub(super) no_ack: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) persist_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mirror: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sources: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject_transform: Option<serde_json::Value>,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            subjects: Vec::new(),
            retention: "limits".to_owned(),
            storage: "file".to_owned(),
            discard: "old".to_owned(),
            num_replicas: 1,
            max_msgs_per_subject: -1,
            max_msgs: -1,
            max_bytes: -1,
            max_age: 0,
            max_msg_size: -1,
            deny_delete: false,
            deny_purge: false,
            sealed: false,
            no_ack: false,
            persist_mode: None,
            mirror: None,
            sources: None,
            subject_transform: None,
        }
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    error: Option<ApiError>,
    #[serde(flatten)]
    body: Option<T>,
}

#[derive(Deserialize)]
struct AckBody {
    seq: u64,
}

#[derive(Deserialize)]
struct MessageBody {
    message: StoredMessage,
}

#[derive(Deserialize)]
struct StoredMessage {
    seq: u64,
    #[serde(default)]
    data: String,
}

fn strange(error: &impl ToString) -> StoreError {
    StoreError::Strange(error.to_string())
}

fn body<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<Result<T, ApiError>, StoreError> {
    let answer: Answer<T> = serde_json::from_slice(bytes).map_err(|error| strange(&error))?;
    match (answer.error, answer.body) {
        (Some(error), _) => Ok(Err(error)),
        (None, Some(body)) => Ok(Ok(body)),
        (None, None) => Err(StoreError::Strange("an answer without content".to_owned())),
    }
}

pub(super) fn ack(bytes: &[u8]) -> Result<Result<Ack, ApiError>, StoreError> {
    let body = body::<AckBody>(bytes)?;
    Ok(body.map(|body| Ack { sequence: body.seq }))
}

pub(super) fn message(bytes: &[u8]) -> Result<Result<Message, ApiError>, StoreError> {
    let StoredMessage { seq, data } = match body::<MessageBody>(bytes)? {
        Ok(body) => body.message,
        Err(error) => return Ok(Err(error)),
    };
    let data = STANDARD.decode(data).map_err(|error| strange(&error))?;
    Ok(Ok(Message {
        sequence: seq,
        data,
    }))
}

pub(super) fn stream(bytes: &[u8]) -> Result<Result<StreamInfo, ApiError>, StoreError> {
    body(bytes)
}

/// The request for the last message of a subject.
pub(super) fn last_of(subject: &str) -> String {
    serde_json::json!({ "last_by_subj": subject }).to_string()
}

/// The request for the stream as it must be: each record once, on disk, for ever, and nobody removes one.
pub(super) fn create(name: &str, replicas: u8) -> String {
    let config = StreamConfig {
        name: name.to_owned(),
        subjects: vec![format!("{name}.>")],
        discard: "new".to_owned(),
        num_replicas: replicas,
        max_msgs_per_subject: 1,
        deny_delete: true,
        deny_purge: true,
        ..StreamConfig::default()
    };
    serde_json::to_string(&config).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let ack_of = |text: &str| ack(text.as_bytes()).unwrap();
        assert_eq!(ack_of(r#"{"stream":"S","seq":7}"#), Ok(Ack { sequence: 7 }));
        let refused = ack_of(
            r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"},"stream":"S","seq":0}"#,
        );
        let refused = refused.unwrap_err();
        assert!(refused.is(WRONG_SEQUENCE));
        assert_eq!(refused.to_string(), "wrong last sequence: 3 (10071)");
        let text = r#"{"type":"io.nats.jetstream.api.v1.stream_msg_get_response",
            "message":{"subject":"S.a","seq":12,"data":"aGk=","time":"2026-11-21T10:00:00Z"}}"#;
        let got = message(text.as_bytes()).unwrap();
        let data = b"hi".to_vec();
        assert_eq!(got, Ok(Message { sequence: 12, data }));
    }

    #[test]
    fn other_answers_are_strange() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"message":{"seq":1,"data":"?"}}"#,
            "seq=7",
        ] {
            let strange = |error| matches!(error, Err(StoreError::Strange(_)));
            assert!(strange(message(text.as_bytes()).map(drop)), "{text}");
            assert!(strange(ack(text.as_bytes()).map(drop)), "{text}");
        }
    }

    #[test]
    fn the_stream_is_asked_for_as_it_must_be() {
        let asked: serde_json::Value = serde_json::from_str(&create("OWN", 3)).unwrap();
        assert_eq!(asked["subjects"], serde_json::json!(["OWN.>"]));
        assert_eq!(asked["num_replicas"], 3);
        assert_eq!(asked["max_msgs_per_subject"], 1);
        assert_eq!(asked["discard"], "new");
        assert_eq!(asked["max_age"], 0);
    }
}
