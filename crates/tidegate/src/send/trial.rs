//! One event through a flow that delivers: mapped, signed and sent as the flow would, and not kept.

use std::path::Path;

use anyhow::Context;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use tidegate_config::Config;
use tidegate_config::config::Deliver;
use tidegate_core::deliver::Class;
use tidegate_gateway::trial::{Trial, TrialError, Tried};
use tidegate_hub::clock::now;
use tidegate_types::event::Event;
use tidegate_types::id::{EventId, FlowNamespace};
use tidegate_wire::cloudevents::{CloudEvent, Limits, decode};

use super::plan::body;
use super::shown::{Answered, Shown};
use super::{Pace, fresh_id};
use crate::cli::SendArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Out, Tone};

/// What a sample says about itself, and whom it is about.
const SAMPLE_DATA: &[u8] = br#"{"id":"sample","customer":"cus_example","message":"hello"}"#;
const SAMPLE_KEY: &str = "cus_example";

/// One trial.
#[derive(Debug, Serialize)]
struct Told {
    flow: String,
    /// Identity of the event, and its idempotency key.
    id: String,
    request: Shown,
    /// What the flow would make of it; left out if nothing was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blame: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Answered>,
    /// Why there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    milliseconds: Option<u64>,
}

/// Sends events to the endpoint of a flow.
///
/// # Errors
/// There is nothing to send. What the endpoint makes of it is told, and decides the code.
pub(super) async fn send(
    config: &Config,
    folder: &Path,
    (flow, args): (&Deliver, &SendArgs),
    out: &Out,
) -> Outcome<Exit> {
    let given = [
        ("--dir", args.dir.is_some()),
        ("--header", !args.header.is_empty()),
        ("--to", args.to.is_some()),
    ];
    super::refuse(&flow.name, "delivers", &given)?;
    let data = args.data.as_deref().map(body).transpose()?;
    let mut pace = Pace::new(args.rate);
    let mut all_delivered = true;
    for number in 0..args.count {
        pace.wait().await;
        let event = event(flow, args, data.as_ref(), number)?;
        let id = event.id.to_string();
        let trial = Trial::new(config, folder, &flow.name, event).await;
        let trial = trial.map_err(unsent)?;
        let preview = trial
            .preview()
            .context("the request cannot be sent")
            .map_err(|error| Failure::new(Exit::Failed, error))?;
        let mut told = Told {
            flow: flow.name.clone(),
            id,
            request: Shown::of_preview(preview, trial.body()),
            outcome: None,
            blame: None,
            answer: None,
            failure: None,
            milliseconds: None,
        };
        if !args.dry_run {
            let tried = trial.send().await;
            all_delivered &= tried.class == Class::Delivered;
            told.add(tried);
        }
        told.print(out)?;
    }
    Ok(if all_delivered {
        Exit::Success
    } else {
        Exit::Failed
    })
}

fn unsent(error: TrialError) -> Failure {
    let cure = match &error {
        TrialError::PassedOver => {
            "give an event that it wants with `--data`: a whole CloudEvent as JSON has its own type"
        }
        TrialError::Unmapped(_) => {
            "correct `request` or `when` of the flow, or give other `--data`"
        }
        TrialError::UnknownFlow | TrialError::Compile(_) => "`tidegate check` tells what is wrong",
    };
    Failure::new(Exit::Failed, error).cure(cure)
}

/// The event to send: what is given, or a sample.
fn event(flow: &Deliver, args: &SendArgs, data: Option<&Bytes>, number: u64) -> Outcome<Event> {
    let name = args.id.clone().unwrap_or_else(|| fresh_id(number));
    let given = data.map(whole).transpose()?.flatten();
    let event = given.unwrap_or_else(|| CloudEvent {
        kind: sample_kind(flow),
        datacontenttype: Some("application/json".to_owned()),
        data: data.map_or_else(|| Bytes::from_static(SAMPLE_DATA), Bytes::clone),
        extensions: vec![("partitionkey".to_owned(), SAMPLE_KEY.to_owned())],
        ..CloudEvent::default()
    });
    let is_whole = !event.id.is_empty();
    let name = match args.id {
        None if is_whole => event.id.clone(),
        _ => name,
    };
    let key = event.extension("partitionkey").unwrap_or_default();
    let key = key.to_owned();
    let mut attributes = Vec::new();
    if is_whole {
        attributes.push(("source".to_owned(), event.source));
    }
    attributes.extend(event.subject.map(|it| ("subject".to_owned(), it)));
    attributes.extend(event.dataschema.map(|it| ("dataschema".to_owned(), it)));
    let extensions = event.extensions.into_iter();
    attributes.extend(extensions.filter(|(name, _)| name != "partitionkey"));
    let time = now();
    Ok(Event {
        id: EventId::derive(&FlowNamespace::new("tidegate", "send"), &name),
        flow: flow
            .from
            .first()
            .cloned()
            .unwrap_or_else(|| "send".to_owned()),
        external_id: name,
        kind: event.kind,
        time: event.time.unwrap_or(time),
        received: time,
        key,
        content_type: event.datacontenttype.unwrap_or_default(),
        data: event.data,
        attributes,
        raw: None,
    })
}

/// The event that `data` is, if it is a CloudEvent as JSON.
fn whole(data: &Bytes) -> Outcome<Option<CloudEvent>> {
    let json: Option<serde_json::Value> = serde_json::from_slice(data).ok();
    if json.is_none_or(|json| json.get("specversion").is_none()) {
        return Ok(None);
    }
    let mut headers = HeaderMap::new();
    let structured = HeaderValue::from_static("application/cloudevents+json");
    headers.insert(CONTENT_TYPE, structured);
    let events = decode(&headers, data, Limits::default());
    let events = events.context("the CloudEvent of `--data` cannot be read");
    let events = events.map_err(|error| Failure::new(Exit::Usage, error))?;
    Ok(events.into_iter().next())
}

/// A type that the flow is for.
fn sample_kind(flow: &Deliver) -> String {
    match flow.on.first().map(String::as_str) {
        None | Some("*") => "test.sent".to_owned(),
        Some(pattern) => pattern
            .strip_suffix('*')
            .map_or_else(|| pattern.to_owned(), |start| format!("{start}sent")),
    }
}

impl Told {
    fn add(&mut self, tried: Tried) {
        self.outcome = Some(tried.class.name());
        let took = tried.outcome.duration.as_millis();
        self.milliseconds = u64::try_from(took).ok();
        if tried.class != Class::Delivered {
            self.blame = Some(tried.blame.name());
        }
        match tried.outcome.result {
            Ok(answer) => {
                let status = answer.status.as_u16();
                self.answer = Some(Answered::new(status, &answer.headers, &answer.body));
            }
            Err(failure) => self.failure = Some(failure.to_string()),
        }
    }

    fn print(&self, out: &Out) -> Outcome {
        if out.is_json() {
            return out.json_line(self);
        }
        self.request.print(out)?;
        let Some(outcome) = self.outcome else {
            return Ok(());
        };
        let status = match (&self.answer, &self.failure) {
            (Some(answer), _) => answer.status.to_string(),
            (None, Some(failure)) => failure.clone(),
            (None, None) => String::new(),
        };
        let tone = if self.blame.is_none() {
            Tone::Good
        } else {
            Tone::Bad
        };
        let outcome = out.paint(tone, outcome);
        let blame = self.blame.map(|blame| format!(", blame {blame}"));
        let blame = blame.unwrap_or_default();
        let took = self.milliseconds.unwrap_or_default();
        out.line(&format!("\n{status} {outcome}{blame} ({took} ms)"))?;
        self.answer.as_ref().map_or(Ok(()), |it| it.print(out))
    }
}
