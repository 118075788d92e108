//! `poll`: flows that fetch.

mod paging;
mod request;

use tidegate_map::{EventSpec, Mapping};
use tidegate_wire::aws::Queue;

use super::Decoder;
use super::event::expression;
use super::flows::Scope;
use super::ownership::{durability, ownership};
use crate::config::{
    Flow, Format, HttpSource, Identity, Next, Poll, PollEvents, PollSource, Received, Schedule,
    SqsSource, System,
};
use crate::cron::{Cron, CronError};
use crate::diagnostic::{Code, Problem};
use crate::shape::Fields;

/// Keys that only lists over HTTP have.
const HTTP_ONLY: [&str; 5] = ["request", "items", "next", "resume", "received"];

impl Decoder<'_> {
    pub(super) fn polls(
        &mut self,
        top: &Fields,
        scope: &Scope<'_>,
        (systems, flows): (&[System], &[Flow]),
    ) -> Vec<Poll> {
        let entries = top.fields("flows").map(|flows| flows.entries.as_slice());
        let reconciled = reconciled(top);
        let mut decoded = Vec::new();
        for (name, _, item) in entries.unwrap_or_default() {
            let Some(fields) = item.fields() else {
                continue;
            };
            if let Some(poll) = fields.fields("poll").filter(|_| is_poll(fields)) {
                let repairs = reconciled.iter().find(|(_, by)| by == name);
                let repairs = repairs.map(|(flow, _)| flow.as_str());
                let flow = repairs.and_then(|name| flows.iter().find(|it| it.name == name));
                decoded.extend(self.poll((name, fields, poll), scope, systems, (repairs, flow)));
            }
        }
        self.known_polls(top);
        decoded
    }

    fn poll(
        &mut self,
        (name, fields, poll): (&str, &Fields, &Fields),
        scope: &Scope<'_>,
        systems: &[System],
        (repairs, flow): (Option<&str>, Option<&Flow>),
    ) -> Option<Poll> {
        let system = self.system_of(fields, scope.systems);
        let address = system
            .as_ref()
            .and_then(|system| self.address(system, fields, (scope, systems)));
        let dedup = self.dedup(fields, scope.keep);
        let is_queue = poll.get("sqs").is_some();
        let source = if is_queue {
            self.sqs(poll).map(Box::new).map(PollSource::Sqs)
        } else {
            self.http_source(poll).map(Box::new).map(PollSource::Http)
        };
        let events = match repairs {
            Some(repairs) => self.received((fields, poll), repairs, flow),
            None => self.own(fields, poll, is_queue),
        };
        let (endpoint, url) = address?;
        Some(Poll {
            name: name.to_owned(),
            system: system?,
            endpoint,
            url,
            source: source?,
            events: events?,
            dedup: dedup?,
            rereadable: match poll.get("rereadable") {
                None => !is_queue,
                Some(_) => poll.flag("rereadable")?,
            },
            durability: durability(poll, scope.durability)?,
            ownership: ownership(poll)?,
        })
    }

    fn http_source(&mut self, poll: &Fields) -> Option<HttpSource> {
        let schedule = self.poll_schedule(poll);
        for key in ["request", "items"] {
            if poll.get(key).is_none() {
                self.report(
                    Problem::new(Code::Missing, poll.span, format!("`poll` lacks `{key}`"))
                        .label(format!("`{key}` is missing here"))
                        .help(match key {
                            "request" => {
                                "add it, for example `request: { path: '/invoices?after={cursor}' }`"
                            }
                            _ => "add it, for example `items: '.items[]'`",
                        }),
                );
            }
        }
        let request = self.poll_request(poll);
        let items = self.filter(poll, "items");
        let next = self.next(poll);
        let (next, timestamp) = next?;
        let resume_last = self.resume(poll, &next, timestamp.is_some())?;
        let (method, request) = request?;
        let count = |key| u32::try_from(poll.integer(key)?).ok();
        Some(HttpSource {
            schedule: schedule?,
            method,
            request,
            items: items?,
            next,
            timestamp,
            resume_last,
            body_max: usize::try_from(poll.integer("body-max")?).ok()?,
            items_max: usize::try_from(poll.integer("page-max")?).ok()?,
            pages_max: count("pages-max")?,
            timeout: poll.duration("timeout")?,
            backoff_max: poll.duration("backoff-max")?,
            retry_after_max: poll.duration("retry-after-max")?,
        })
    }

    fn poll_schedule(&mut self, poll: &Fields) -> Option<Schedule> {
        let Some(cron) = poll.fields("cron") else {
            return poll.duration("every").map(Schedule::Every);
        };
        match Cron::parse(&cron.text("at")?, &cron.text("zone")?) {
            Ok(cron) => Some(Schedule::Cron(Box::new(cron))),
            Err(error) => {
                let key = match error {
                    CronError::Zone(_) => "zone",
                    _ => "at",
                };
                self.report(
                    Problem::new(Code::BadValue, cron.span_of(key), error.to_string())
                        .label("not possible here")
                        .help(
                            "for example `{ at: \"*/10 8-18 * * mon-fri\", zone: Europe/Berlin }`",
                        ),
                );
                None
            }
        }
    }

    fn sqs(&mut self, poll: &Fields) -> Option<SqsSource> {
        for key in HTTP_ONLY {
            if poll.get(key).is_some() {
                self.report(
                    Problem::new(
                        Code::Contradiction,
                        poll.span_of(key),
                        format!("`{key}` does not go with `sqs`"),
                    )
                    .label("not of a queue")
                    .help(format!("remove `{key}`")),
                );
            }
        }
        let sqs = poll.fields("sqs")?;
        let queue_url = sqs.text("queue-url")?;
        if let Err(error) = Queue::new(&queue_url) {
            self.report(
                Problem::new(Code::BadValue, sqs.span_of("queue-url"), error.to_string())
                    .label("not possible here")
                    .help("copy the URL that AWS shows for the queue"),
            );
        }
        let key = self.aws_key(sqs, sqs.text("region")?, "sqs");
        Some(SqsSource {
            queue_url,
            key: key?,
            wait_seconds: u8::try_from(sqs.duration("wait")?.as_secs()).ok()?,
        })
    }

    /// The events of a flow of its own.
    fn own(&mut self, fields: &Fields, poll: &Fields, is_queue: bool) -> Option<PollEvents> {
        if poll.get("received").is_some() {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    poll.span_of("received"),
                    "`received` is for a poll that another flow names with `reconcile`",
                )
                .label("no flow names it")
                .help("use `event` instead, or add `reconcile` to the flow that receives"),
            );
        }
        let event = fields.fields("event");
        let span = event.map_or(fields.span, |event| event.span);
        let named = event.and_then(|event| event.get("id"));
        let implied = is_queue && named.is_none();
        if named.is_none() && !is_queue {
            self.report(
                Problem::new(Code::NoIdentity, span, "nothing says what tells an item from others")
                    .label("`event.id` is missing")
                    .help(
                        "a poll meets its items again: add `id` to `event` with what never changes, and the \
                         version if there is one, for example `id: '.body.id + \"/\" + .body.updated_at'`, or \
                         `id: content`",
                    ),
            );
        }
        let read = self.event(fields, Some(Format::Webhook), None);
        if let Some((Identity::None, _)) = read {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    event.map_or(span, |event| event.span_of("id")),
                    "a poll meets its items again, and `id: none` would append them each time",
                )
                .label("not for `poll`")
                .help("say what tells an item from others, or `content`"),
            );
        }
        let mapping = match read {
            Some((identity, Some(mapping))) => return Some(PollEvents::Own { identity, mapping }),
            // The shape and the mapping were checked; only the identity is not written down.
            None if implied => queue_mapping(event)?,
            _ => return None,
        };
        Some(PollEvents::Own {
            identity: Identity::Scheme,
            mapping,
        })
    }

    /// The events of the flow that it repairs.
    fn received(
        &mut self,
        (fields, poll): (&Fields, &Fields),
        name: &str,
        flow: Option<&Flow>,
    ) -> Option<PollEvents> {
        if fields.get("event").is_some() {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    fields.span_of("event"),
                    format!("the flow `{name}` reconciles with this one, so its `event` holds"),
                )
                .label("has no effect")
                .help("remove it; `poll.received` says which request an item stands for"),
            );
        }
        let nothing = Fields::default();
        let received = match poll.get("received") {
            Some(item) => item.fields()?,
            None => &nothing,
        };
        let read = Received {
            flow: name.to_owned(),
            id: self.filter(received, "id"),
            headers: self.filter(received, "headers"),
            body: self.filter(received, "body"),
        };
        let flow = flow?;
        let trouble = match flow.identity {
            Identity::Scheme if read.id.is_none() => Some("add `id` to `received`"),
            Identity::Content | Identity::None => Some("give that flow an `event.id`"),
            Identity::CloudEvent => Some("flows with `format: cloudevents` cannot reconcile"),
            Identity::Scheme | Identity::Expression => None,
        };
        if let Some(help) = trouble {
            self.report(
                Problem::new(
                    Code::NoIdentity,
                    poll.span_of("received"),
                    format!("the identity of what `{name}` received cannot be told from an item"),
                )
                .label("repeats would not be recognised")
                .help(help),
            );
        }
        Some(PollEvents::Received(Box::new(read)))
    }

    /// Reports polls that are named and are none.
    fn known_polls(&mut self, top: &Fields) {
        let flows = top.fields("flows");
        let entries = flows.map(|flows| flows.entries.as_slice());
        for (_, _, item) in entries.unwrap_or_default() {
            let receive = item.fields().and_then(|flow| flow.fields("receive"));
            let Some((receive, name)) = receive.and_then(|it| Some((it, it.text("reconcile")?)))
            else {
                continue;
            };
            let poll = flows.and_then(|flows| flows.fields(&name));
            let problem = match poll.and_then(|poll| poll.fields("poll")) {
                Some(poll) if poll.get("sqs").is_none() => continue,
                Some(_) => format!("`{name}` reads a queue, and a queue holds no past"),
                None => format!("`{name}` is no flow with `poll`"),
            };
            self.report(
                Problem::new(Code::BadValue, receive.span_of("reconcile"), problem)
                    .label("cannot repair anything")
                    .help("name a flow that polls a list of what was sent"),
            );
        }
    }
}

/// Whether a flow polls; one that does something else besides is reported elsewhere.
pub(super) fn is_poll(fields: &Fields) -> bool {
    let others = ["receive", "deliver", "serve"];
    fields.get("poll").is_some() && others.iter().all(|key| fields.get(key).is_none())
}

/// Flows that receive, each with the flow that repairs its gaps.
fn reconciled(top: &Fields) -> Vec<(String, String)> {
    let entries = top.fields("flows").map(|flows| flows.entries.as_slice());
    let named = entries
        .unwrap_or_default()
        .iter()
        .filter_map(|(name, _, item)| {
            let by = item.fields()?.fields("receive")?.text("reconcile")?;
            Some((name.clone(), by))
        });
    named.collect()
}

/// The mapping of messages whose identity is that of the queue.
fn queue_mapping(event: Option<&Fields>) -> Option<EventSpec> {
    let event = event?;
    let text = |key| expression(event, key).map(|(written, _)| written.text.clone());
    let spec = EventSpec {
        id: None,
        kind: text("type")?,
        key: text("key"),
        time: text("time"),
        data: text("data"),
        when: text("when"),
    };
    Mapping::compile(&spec).is_ok().then_some(spec)
}

impl Next {
    /// Whether a token of theirs leads on.
    pub(super) const fn is_token(&self) -> bool {
        matches!(self, Self::Cursor(_) | Self::Url(_) | Self::Link(_))
    }
}
