//! `deliver`: flows that go out.

mod request;
mod target;

use std::time::Duration;

use tidegate_map::RequestSpec;
use tidegate_wire::aws::Target;
use tidegate_wire::framing;
use tidegate_wire::signature::{Signer, Spec};

use super::Decoder;
use super::flows::Scope;
use super::ownership::ownership;
use super::services::texts;
use crate::config::{
    AnswerClass, Batch, Breaker, Deliver, Order, Park, Rate, Sign, StatusRule, System, Topology,
};
use crate::diagnostic::{Code, Problem, Span};
use crate::shape::{Checked, Datum, Fields, Item};
use crate::units::show_duration;

/// What a flow calls, and with what.
struct Called {
    endpoint: String,
    url: String,
    method: &'static str,
    request: RequestSpec,
    content_type: Option<String>,
    sign: Option<Sign>,
    target: Option<Target>,
}

impl Decoder<'_> {
    pub(super) fn deliveries(
        &mut self,
        top: &Fields,
        scope: &Scope<'_>,
        systems: &[System],
    ) -> Vec<Deliver> {
        let entries = top.fields("flows").map(|flows| flows.entries.as_slice());
        let mut decoded = Vec::new();
        for (name, _, item) in entries.unwrap_or_default() {
            let Some(fields) = item.fields() else {
                continue;
            };
            if fields.get("receive").is_some() {
                continue;
            }
            let Some(deliver) = fields.fields("deliver") else {
                continue;
            };
            self.only_of_receive(fields, "deliver");
            self.known_sources(deliver, top);
            decoded.extend(self.deliver(name, (fields, deliver), scope, systems));
        }
        decoded
    }

    fn deliver(
        &mut self,
        name: &str,
        (fields, deliver): (&Fields, &Fields),
        scope: &Scope<'_>,
        systems: &[System],
    ) -> Option<Deliver> {
        let system = self.system_of(fields, scope.systems);
        let when = self.filter(deliver, "when");
        let called = match deliver.get("to") {
            None => self.called(system.as_deref(), (fields, deliver), (scope, systems)),
            Some(to) => {
                let to = to.fields();
                to.and_then(|to| {
                    let at = (fields, deliver, to);
                    self.target(system.as_deref()?, at, (scope, systems))
                })
            }
        };
        let classify = self.classify(deliver);
        let schedule = self.schedule(deliver);
        let breaker = self.breaker(deliver);
        let order = order(deliver.word("order")?);
        let sharding = self.sharding(deliver, order);
        let idempotency = self.idempotency(deliver);
        let called = called?;
        let idempotency = idempotency.map(|said| match &called.target {
            Some(Target::Queue(queue)) => target::remembered(queue, said),
            _ => said,
        });
        Some(Deliver {
            name: name.to_owned(),
            system: system?,
            endpoint: called.endpoint,
            url: called.url,
            target: called.target,
            on: texts(deliver.list("on")),
            from: texts(deliver.list("from")),
            when,
            from_oldest: deliver.word("start")? == "oldest",
            method: called.method,
            request: called.request,
            content_type: called.content_type,
            order,
            sharding: sharding?,
            ownership: ownership(deliver)?,
            skip_faults: deliver.word("on-fault")? == "skip",
            idempotency_header: deliver.fields("idempotency")?.text("header")?,
            idempotency: idempotency?,
            sign: called.sign,
            schedule: schedule?,
            retry_after_max: deliver.fields("retry")?.duration("retry-after-max")?,
            timeout: deliver.duration("timeout")?,
            classify: classify?,
            breaker: breaker?,
            batch: optional(deliver, "batch", batch)?,
            rate: optional(deliver, "rate", rate)?,
            concurrency: small(deliver, "concurrency")?,
            park: park(deliver.fields("park")?)?,
        })
    }

    /// An endpoint that gets requests.
    fn called(
        &mut self,
        system: Option<&str>,
        (fields, deliver): (&Fields, &Fields),
        (scope, systems): (&Scope<'_>, &[System]),
    ) -> Option<Called> {
        let address = system.and_then(|system| self.address(system, fields, (scope, systems)));
        self.no_parts(system, fields, systems);
        let request = self.request(deliver);
        self.idempotency_header(deliver.fields("idempotency")?);
        let sign = match deliver.get("sign") {
            None => Some(None),
            Some(item) => item.fields().and_then(|it| self.sign(it)).map(Some),
        };
        let (endpoint, url) = address?;
        let (method, request, content_type) = request?;
        Some(Called {
            endpoint,
            url,
            method,
            request,
            content_type,
            sign: sign?,
            target: None,
        })
    }

    /// Reports a system of parts: nothing says which part an event belongs to.
    fn no_parts(&mut self, name: Option<&str>, flow: &Fields, systems: &[System]) {
        let system = systems.iter().find(|it| Some(it.name.as_str()) == name);
        if system.is_some_and(|it| it.topology == Topology::Partitioned) {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    flow.span_of("system"),
                    "nothing says at which endpoint of a partitioned system an event belongs",
                )
                .label("`mode: partitioned`")
                .help("declare each part as a system of its own, with a flow whose `when` picks its events"),
            );
        }
    }

    /// Reports a name that the gateway uses for something else.
    fn idempotency_header(&mut self, idempotency: &Fields) {
        let name = idempotency.text("header").unwrap_or_default();
        if framing::is_framing(&name) || name.eq_ignore_ascii_case("content-type") {
            let help = "name one that the other side looks at, such as `idempotency-key`";
            self.cannot_be_set(&name, idempotency.span_of("header"), help);
        }
    }

    /// Reports keys that say what is made of a request, which have no place in other flows.
    pub(super) fn only_of_receive(&mut self, fields: &Fields, kind: &str) {
        for key in ["event", "dedup"] {
            if fields.get(key).is_some() {
                self.report(
                    Problem::new(
                        Code::Contradiction,
                        fields.span_of(key),
                        format!("`{key}` belongs to `receive`; this flow has `{kind}`"),
                    )
                    .label(format!("not of `{kind}`"))
                    .help(format!("remove `{key}`")),
                );
            }
        }
    }

    /// Reports flows and services that are not there, since an event of theirs never comes.
    fn known_sources(&mut self, deliver: &Fields, top: &Fields) {
        for item in deliver.list("from") {
            let Some(name) = item.text() else { continue };
            let (of, short) = match name.strip_prefix("services/") {
                Some(service) => ("services", service),
                None => ("flows", name),
            };
            if top
                .fields(of)
                .is_none_or(|known| known.get(short).is_none())
            {
                self.report(
                    Problem::new(
                        Code::BadValue,
                        item.span,
                        format!("`{short}` does not stand under `{of}`"),
                    )
                    .label("nothing comes from it")
                    .help("name a flow that takes events in, or `services/NAME`"),
                );
            }
        }
    }

    /// The endpoint that is called, by name and URL; the first one, where there are several.
    pub(super) fn address(
        &mut self,
        name: &str,
        flow: &Fields,
        (scope, systems): (&Scope<'_>, &[System]),
    ) -> Option<(String, String)> {
        scope.systems?.get(name)?;
        let system = systems.iter().find(|system| system.name == name)?;
        if let Some(first) = system.endpoints.first() {
            return Some((first.name.clone(), first.url.clone()));
        }
        self.report(
            Problem::new(
                Code::Missing,
                flow.span_of("system"),
                format!("the system `{name}` has no address"),
            )
            .label("where shall it be called?")
            .help(format!("add `url: https://…` to `{name}` under `systems`")),
        );
        None
    }

    fn sign(&mut self, fields: &Fields) -> Option<Sign> {
        if fields.word("scheme")? == "aws-sigv4" {
            let (region, service) = (fields.text("region"), fields.text("service"));
            let key = self.aws_key(fields, region?, &service?)?;
            return Some(Sign::Aws(Box::new(key)));
        }
        let keys = self.secrets(fields, "secret", "secrets")?;
        let spans: Vec<Span> = keys.iter().map(|(_, span)| *span).collect();
        let keys = keys.into_iter().map(|(key, _)| key).collect();
        let spec: Spec = self.spec(fields.word("scheme")?, fields, keys)?;
        if let Err(error) = Signer::new(&spec) {
            self.malformed(&error, fields, &spans);
            return None;
        }
        Some(Sign::Webhook(Box::new(spec)))
    }

    fn schedule(&mut self, deliver: &Fields) -> Option<Vec<Duration>> {
        let retry = deliver.fields("retry")?;
        let items = retry.list("schedule");
        let delays: Vec<Duration> = items.iter().map(delay).collect::<Option<_>>()?;
        if delays.is_empty() {
            return None;
        }
        let total = delays
            .iter()
            .fold(Duration::ZERO, |sum, it| sum.saturating_add(*it));
        let idempotency = deliver.fields("idempotency")?;
        if let Some(ttl) = idempotency.duration("ttl").filter(|ttl| *ttl < total) {
            self.report(
                Problem::new(
                    Code::KeyForgotten,
                    idempotency.span_of("ttl"),
                    format!(
                        "retries go on for {}, and a key is forgotten after {}",
                        show_duration(total),
                        show_duration(ttl)
                    ),
                )
                .label("shorter than the retries")
                .help(Code::KeyForgotten.row().cure),
            );
        }
        Some(delays)
    }

    fn classify(&mut self, deliver: &Fields) -> Option<Vec<StatusRule>> {
        let entries = &deliver.fields("classify")?.entries;
        let mut rules = Vec::with_capacity(entries.len());
        for (key, span, item) in entries {
            let Some((first, last)) = statuses(key) else {
                self.report(
                    Problem::new(Code::BadValue, *span, format!("`{key}` is no status"))
                        .label("not possible here")
                        .help("write `404`, `5xx` or `500-599`; statuses are 100 to 599"),
                );
                continue;
            };
            let Checked::Datum(Datum::Word(word)) = item.value else {
                continue;
            };
            let class = class(word);
            rules.push(StatusRule { first, last, class });
        }
        (rules.len() == entries.len()).then_some(rules)
    }

    fn breaker(&mut self, deliver: &Fields) -> Option<Breaker> {
        let fields = deliver.fields("breaker")?;
        let breaker = Breaker {
            failures: small(fields, "failures")?,
            percent: small(fields, "percent")?,
            answers: small(fields, "answers")?,
            window: fields.duration("window")?,
            open_min: fields.duration("open-min")?,
            open_max: fields.duration("open-max")?,
        };
        if breaker.open_max < breaker.open_min {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    fields.span_of("open-max"),
                    "`open-max` is shorter than `open-min`",
                )
                .label("too short")
                .help("raise `open-max`, or lower `open-min`"),
            );
        }
        Some(breaker)
    }
}

fn delay(item: &Item) -> Option<Duration> {
    match item.value {
        Checked::Datum(Datum::Duration(delay)) => Some(delay),
        _ => None,
    }
}

/// `None` if the mapping is there and broken.
fn optional<T>(
    deliver: &Fields,
    key: &str,
    read: impl FnOnce(&Fields) -> Option<T>,
) -> Option<Option<T>> {
    match deliver.get(key) {
        None => Some(None),
        Some(item) => item.fields().and_then(read).map(Some),
    }
}

fn small(fields: &Fields, key: &str) -> Option<u32> {
    u32::try_from(fields.integer(key)?).ok()
}

fn park(fields: &Fields) -> Option<Park> {
    Some(Park {
        quota: fields.integer("quota")?,
        discards: fields.word("on-full")? == "discard",
    })
}

fn batch(fields: &Fields) -> Option<Batch> {
    Some(Batch {
        events: usize::try_from(fields.integer("events")?).ok()?,
        bytes: usize::try_from(fields.integer("bytes")?).ok()?,
        wait: fields.duration("wait")?,
    })
}

fn rate(fields: &Fields) -> Option<Rate> {
    Some(Rate {
        every: fields.duration("per")? / small(fields, "requests")?,
        burst: small(fields, "burst")?,
    })
}

fn order(word: &str) -> Order {
    match word {
        "none" => Order::None,
        "total" => Order::Total,
        _ => Order::PerKey,
    }
}

fn class(word: &str) -> AnswerClass {
    match word {
        "delivered" => AnswerClass::Delivered,
        "retry" => AnswerClass::Retry,
        "reject" => AnswerClass::Reject,
        "throttle" => AnswerClass::Throttle,
        "gone" => AnswerClass::Gone,
        _ => AnswerClass::EndpointDown,
    }
}

/// `404`, `5xx` or `500-599`.
fn statuses(key: &str) -> Option<(u16, u16)> {
    let status = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
        let status = text.parse::<u16>().ok()?;
        (digits && (100..=599).contains(&status)).then_some(status)
    };
    let range = match key.strip_suffix("xx") {
        Some(hundreds) => {
            let first = status(&format!("{hundreds}00"))?;
            (first, first + 99)
        }
        None => match key.split_once('-') {
            Some((first, last)) => (status(first)?, status(last)?),
            None => (status(key)?, status(key)?),
        },
    };
    (range.0 <= range.1).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::statuses;

    #[test]
    fn statuses_are_one_a_hundred_or_a_range() {
        assert_eq!(statuses("404"), Some((404, 404)));
        assert_eq!(statuses("5xx"), Some((500, 599)));
        assert_eq!(statuses("400-404"), Some((400, 404)));
        for bad in [
            "", "4", "40", "4004", "xx", "6xx", "0xx", "404-400", "404-", "+40", "x00",
        ] {
            assert_eq!(statuses(bad), None, "{bad}");
        }
    }
}
