//! `to`: queues and buses of AWS instead of requests.

use std::time::Duration;

use tidegate_map::RequestSpec;
use tidegate_wire::aws::sqs::is_attribute_name;
use tidegate_wire::aws::{Bus, CallError, Queue, Target, public_url};

use super::Called;
use crate::config::{Idempotency, Sign, System};
use crate::decode::Decoder;
use crate::decode::event::expression;
use crate::decode::flows::Scope;
use crate::decode::request::Written;
use crate::diagnostic::{Code, Problem};
use crate::shape::Fields;
use crate::units::show_duration;

/// For so long a FIFO queue drops what has a deduplication id it has seen ("Exactly-once processing"
/// in the SQS developer guide).
const FIFO_REMEMBERS: Duration = Duration::from_secs(300);

/// Keys that say something about a request over HTTP, and why a target has no use for them.
const OF_REQUESTS: &[(&str, &str)] = &[
    (
        "request",
        "write `body`, and `attributes` of a queue, under the target",
    ),
    ("sign", "the target's `access-key` signs"),
    (
        "batch",
        "each event goes in a call of its own; raise `concurrency` for more calls at a time",
    ),
];

/// What a queue makes of a repeat, if the file says nothing.
pub(super) fn remembered(queue: &Queue, said: Idempotency) -> Idempotency {
    if queue.is_fifo() && said == Idempotency::Nothing {
        return Idempotency::Key {
            ttl: Some(FIFO_REMEMBERS),
            global: true,
        };
    }
    said
}

impl Decoder<'_> {
    /// A queue or a bus.
    pub(super) fn target(
        &mut self,
        system: &str,
        (flow, deliver, to): (&Fields, &Fields, &Fields),
        declared: (&Scope<'_>, &[System]),
    ) -> Option<Called> {
        self.no_request(deliver);
        let (target, fields, region) = match (to.fields("sqs"), to.fields("event-bridge")) {
            (Some(fields), None) => {
                let queue = self.queue(deliver, fields)?;
                let region = self.region_of(&queue, fields)?;
                (Target::Queue(queue), fields, region)
            }
            (None, Some(fields)) => {
                let bus = Bus::new(fields.text("bus")?, fields.text("source")?);
                let bus = bus.map_err(|error| self.not_there(&error, fields)).ok()?;
                (Target::Bus(bus), fields, fields.text("region")?)
            }
            _ => return None,
        };
        let request = self.message(fields);
        let sign = self.aws_key(fields, region.clone(), target.service());
        let (endpoint, url) = self.reached((system, flow), &target, &region, declared)?;
        Some(Called {
            endpoint,
            url,
            method: "POST",
            request: request?,
            content_type: None,
            sign: Some(Sign::Aws(Box::new(sign?))),
            target: Some(target),
        })
    }

    fn no_request(&mut self, deliver: &Fields) {
        for (key, help) in OF_REQUESTS {
            let written = deliver.entries.iter().find(|(name, ..)| name == key);
            // A key that does not stand there has the place of the whole.
            let Some((_, span, _)) = written.filter(|(_, span, _)| *span != deliver.span) else {
                continue;
            };
            self.report(
                Problem::new(
                    Code::Contradiction,
                    *span,
                    format!("`{key}` is for requests; this flow has `to`"),
                )
                .label("not with `to`")
                .help(format!("remove `{key}`: {help}")),
            );
        }
    }

    fn queue(&mut self, deliver: &Fields, fields: &Fields) -> Option<Queue> {
        let queue = Queue::new(fields.text("queue-url")?);
        let queue = queue.map_err(|error| self.not_there(&error, fields)).ok()?;
        let idempotency = deliver.fields("idempotency")?;
        if let Some(name) = idempotency
            .text("header")
            .filter(|name| !is_attribute_name(name))
        {
            self.report(
                Problem::new(
                    Code::BadValue,
                    idempotency.span_of("header"),
                    format!("`{name}` is not possible as the name of an attribute"),
                )
                .label("SQS does not take it")
                .help("letters, digits, `-`, `_` and inner dots; not `aws.…` or `amazon.…`"),
            );
        }
        let span = fields.span_of("queue-url");
        let total = deliver.fields("retry").map(|retry| {
            let delays = retry.list("schedule").iter();
            delays.filter_map(super::delay).sum::<Duration>()
        });
        if let Some(total) = total.filter(|total| queue.is_fifo() && *total > FIFO_REMEMBERS) {
            self.report(
                Problem::new(
                    Code::KeyForgotten,
                    span,
                    format!(
                        "retries go on for {}, and a FIFO queue forgets a deduplication id after {}",
                        show_duration(total),
                        show_duration(FIFO_REMEMBERS)
                    ),
                )
                .label("it takes a later repeat as a new message")
                .help(
                    "shorten `retry.schedule`, or let consumers tell repeats by the attribute that \
                     `idempotency.header` names",
                ),
            );
        }
        Some(queue)
    }

    fn region_of(&mut self, queue: &Queue, fields: &Fields) -> Option<String> {
        let span = fields.span_of("region");
        let problem = match (fields.text("region"), queue.region()) {
            (None, Some(region)) => return Some(region.to_owned()),
            (Some(said), None) => return Some(said),
            (Some(said), Some(region)) if said == region => return Some(said),
            (Some(said), Some(region)) => Problem::new(
                Code::Contradiction,
                span,
                format!("the queue is in `{region}`, and `region` says `{said}`"),
            )
            .label("another region than the URL's")
            .help("remove `region`"),
            (None, None) if fields.get("region").is_some() => return None,
            (None, None) => Problem::new(
                Code::Missing,
                fields.span_of("queue-url"),
                "`sqs` lacks `region`, and the queue's URL does not tell it",
            )
            .label("in which region is it?")
            .help("add it, for example `region: eu-central-1`"),
        };
        self.report(problem);
        None
    }

    fn not_there(&mut self, error: &CallError, fields: &Fields) {
        self.report(
            Problem::new(Code::BadValue, fields.span, error.to_string())
                .label("not possible here")
                .help("copy it from where AWS shows it; a source must not begin with `aws.`"),
        );
    }

    /// Body and attributes.
    fn message(&mut self, fields: &Fields) -> Option<RequestSpec> {
        let body = expression(fields, "body");
        if fields.get("body").is_some() && body.is_none() {
            return None;
        }
        let headers = match fields.get("attributes") {
            None => Vec::new(),
            Some(item) => self.expressions(item.fields()?)?,
        };
        let written = Written {
            path: None,
            headers,
            body,
        };
        Some(self.request_spec("/".to_owned(), &written, |_| {}))
    }

    /// The address of the system, if it has one, else the service's public one.
    fn reached(
        &mut self,
        (name, flow): (&str, &Fields),
        target: &Target,
        region: &str,
        (scope, systems): (&Scope<'_>, &[System]),
    ) -> Option<(String, String)> {
        let system = systems.iter().find(|system| system.name == name)?;
        if system.calling.auth.is_some() {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    flow.span_of("system"),
                    format!("`{name}` has `auth`, and AWS is shown a signature instead"),
                )
                .label("two proofs")
                .help("name a system without `auth`"),
            );
        }
        if system.endpoints.is_empty() {
            let service = target.service();
            return Some((service.to_owned(), public_url(service, region)));
        }
        self.address(name, flow, (scope, systems))
    }
}
