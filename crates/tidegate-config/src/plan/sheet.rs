//! The partner's sheet: what somebody behind an external system sees of us, must allow and may rely on.

use std::fmt::Write as _;
use std::time::Duration;

use crate::config::{
    AnswerClass, Auth, Calling, Config, Deliver, Endpoint, Feed, Flow, Hosting, Idempotency, Order,
    Poll, PollSource, Region, Registered, Schedule, Sign, System, Topology,
};
use crate::units::{show_bytes, show_duration};

/// The sheet in Markdown; `None` if there is no such system.
pub(super) fn sheet(config: &Config, name: &str) -> Option<String> {
    let system = config.systems.iter().find(|it| it.name == name)?;
    let mut page = Page(String::new());
    page.head(config, system);
    for flow in config.flows.iter().filter(|it| it.system == name) {
        page.receive(config, flow);
    }
    for flow in config.deliveries.iter().filter(|it| it.system == name) {
        page.deliver(system, flow);
    }
    for flow in config.polls.iter().filter(|it| it.system == name) {
        page.poll(system, flow);
    }
    for feed in config.feeds.iter().filter(|it| it.system == name) {
        page.serve(config, feed);
    }
    Some(page.0)
}

struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn part(&mut self, title: &str) {
        self.line(&format!("\n## {title}\n"));
    }

    fn head(&mut self, config: &Config, system: &System) {
        let (ours, theirs) = (&config.subsystem, &system.name);
        self.line(&format!("# `{theirs}`: what you see of `{ours}`\n"));
        let regions = list(config.regions.iter().map(|it| it.name.as_str()));
        self.line(&format!(
            "We run in {}: {regions}.",
            count(config.regions.len(), "region")
        ));
        if config.regions.len() > 1 {
            self.line("When one of them fails another one goes on with its work; nothing has to be changed for that then, if it was prepared as follows.");
        }
        let calls = config.deliveries.iter().any(|it| it.system == *theirs)
            || config.polls.iter().any(|it| it.system == *theirs);
        if calls {
            self.allow(config, system);
        }
    }

    /// What has to be open before a failover needs it.
    fn allow(&mut self, config: &Config, system: &System) {
        self.part("Addresses we call from");
        self.line("Allow all of them, also those that are quiet today: after a failover the calls come from another region at once.\n");
        self.line("| our region | addresses |\n| --- | --- |");
        for region in config.regions.iter().filter(|it| calls_from(system, it)) {
            let addresses = match region.egress.as_slice() {
                [] => format!("not said (`regions.{}.egress`)", region.name),
                some => list(some.iter().map(String::as_str)),
            };
            self.line(&format!("| {} | {addresses} |", region.name));
        }
        self.part("Your endpoints as we know them");
        self.line("| endpoint | URL | nearest region of ours |\n| --- | --- | --- |");
        for Endpoint { name, url, near } in &system.endpoints {
            let near = near.as_deref().unwrap_or("not said");
            self.line(&format!("| {name} | `{url}` | {near} |"));
        }
        self.line(&format!("\n{}", choice(system)));
        if let Some(proof) = proof(&system.calling) {
            self.line(&format!("We prove ourselves by {proof}."));
        }
    }

    fn receive(&mut self, config: &Config, flow: &Flow) {
        self.part(&format!("`{}`: you call us", flow.name));
        match flow.registered {
            Registered::FrontDoor => {
                self.line("Send every event once, to\n");
                let base = config.front_door.as_deref();
                self.line(&format!("- {}", address(base, &flow.path, "front-door")));
                self.line("\nThe name leads to a region that is up. Look it up again for every connection, and keep an answer for no longer than its TTL.");
            }
            Registered::EveryRegion => {
                self.line("Send every event to each of these, with the same id:\n");
                for region in &config.regions {
                    let key = format!("regions.{}.public", region.name);
                    let text = address(region.public.as_deref(), &flow.path, &key);
                    self.line(&format!("- {}: {text}", region.name));
                }
            }
        }
        let methods = flow.methods.join(", ");
        self.line(&format!(
            "\nMethod {methods}; proof by `{}`; at most {}.\n",
            flow.verify.scheme(),
            show_bytes(flow.body_max as u64)
        ));
        self.line(RECEIVE_STATUSES);
        let dedup = show_duration(flow.dedup);
        self.line(&format!(
            "Sending again is safe, whichever region you reach: events with the same id within {dedup} count once."
        ));
        self.line("Order is not taken from the order of your requests; if it matters put a version into the event.");
    }

    fn deliver(&mut self, system: &System, flow: &Deliver) {
        self.part(&format!("`{}`: we call you", flow.name));
        let path = match flow.request.path.as_str() {
            "" => "the endpoint's URL as it stands".to_owned(),
            path => format!("`{path}` below the endpoint's URL"),
        };
        self.line(&format!("`{}` to {path}.", flow.method));
        if let Some(proof) = &flow.sign {
            let proof = match proof {
                Sign::Webhook(spec) => spec.scheme(),
                Sign::Aws(_) => "AWS Signature Version 4",
            };
            self.line(&format!("Every request is signed: {proof}."));
        }
        let total: Duration = flow.schedule.iter().sum();
        self.line(&format!(
            "We wait {} for an answer. What your endpoint does not take because of the event itself is tried {} within {}; while your endpoint is down we probe it and use up no attempts.\n",
            show_duration(flow.timeout),
            count(flow.schedule.len(), "time"),
            about(total),
        ));
        self.line(DELIVER_STATUSES);
        for rule in &flow.classify {
            let statuses = match (rule.first, rule.last) {
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first} to {last}"),
            };
            let word = class(rule.class);
            self.line(&format!(
                "Otherwise than there, {statuses} means: {word}.\n"
            ));
        }
        self.line(&format!(
            "The header `{}` has the event's id, the same for every attempt and from every region.",
            flow.idempotency_header
        ));
        self.line(repeats(flow.idempotency));
        self.line(match flow.order {
            Order::PerKey => "Events of a key come in their order, one after the other, from one region at a time.",
            Order::Total => "All events come in their order, one after the other, from one region at a time.",
            Order::None => "No order is kept.",
        });
        if system.topology != Topology::Single {
            let window = system.their_rpo.map_or_else(
                || "nothing is sent again by itself, since your recovery point is not known to us (`their-rpo`)".to_owned(),
                |rpo| format!("what you acknowledged within the last {} is sent again, with the same keys", show_duration(rpo)),
            );
            self.line(&format!(
                "When another of your endpoints takes over, {window}."
            ));
        }
    }

    fn poll(&mut self, system: &System, flow: &Poll) {
        self.part(&format!("`{}`: we fetch from you", flow.name));
        match &flow.source {
            PollSource::Http(http) => {
                let when = match &http.schedule {
                    Schedule::Every(every) => format!("every {}", show_duration(*every)),
                    Schedule::Cron(cron) => format!("by `{}` ({})", cron.text(), cron.zone()),
                };
                let path = &http.request.path;
                self.line(&format!(
                    "`{} {path}`, {when}, by one of our regions at a time.",
                    http.method
                ));
            }
            PollSource::Sqs(sqs) => {
                self.line(&format!(
                    "The queue `{}`, all the time, by one of our regions at a time.",
                    sqs.queue_url
                ));
                self.line("A message is deleted once it is on disk here.");
            }
        }
        self.line("After a failover we ask again for what we may have had: an item keeps its id, and its version if it has one.");
        if flow.rereadable {
            self.line("Keep what we have fetched for longer than the longest outage of ours.");
        }
        self.line("`Retry-After` is obeyed; 429 and 503 slow us down, other failures too.");
        if system.topology == Topology::Partitioned {
            self.line("Each of your endpoints is read on its own; none is asked for what belongs to another.");
        }
    }

    fn serve(&mut self, config: &Config, feed: &Feed) {
        self.part(&format!("`{}`: you fetch from us", feed.name));
        let base = config.front_door.as_deref();
        self.line(&format!("- {}", address(base, &feed.path, "front-door")));
        for region in config.regions.iter().filter(|it| it.public.is_some()) {
            let text = address(region.public.as_deref(), &feed.path, "");
            self.line(&format!("- {} alone: {text}", region.name));
        }
        let retention = show_duration(feed.retention);
        self.line(&format!(
            "\nEvery region serves the events of all regions, back to {retention}.\n"
        ));
        self.line(SERVE_CONTRACT);
    }
}

const RECEIVE_STATUSES: &str = "\
| we answer | it means | you do |
| --- | --- | --- |
| 200, 202 | the event is safe with us | nothing |
| 400, 401, 404, 405, 413, 415, 431 | the request is wrong; the body says how | correct it; the same again will not do |
| 408 | the body did not arrive in time | send it again |
| 503 with `Retry-After` | this region cannot take it now | send it again, after that time; it may reach another region |
| no answer | it may be safe or not | send it again with the same id |
";

const DELIVER_STATUSES: &str = "\
| you answer | we take it as |
| --- | --- |
| 2xx | done |
| 400, 413, 414, 415, 422, 431 | the event is not for you: it is not sent again, and our operators see it |
| other 4xx | about the event, and may pass: it is tried again |
| 3xx, 401, 403, 5xx, no answer | about the endpoint: everything waits, and we probe |
| 429, 502, 503, 504 | the same; `Retry-After` is obeyed |
| 410 | the endpoint is gone for good: we stop until an operator resumes |
";

const SERVE_CONTRACT: &str = "\
- Keep the cursor of the last page together with what you made of it. It is opaque, and good in every region of ours.
- From a cursor you are given every event that follows, none twice, in the order of each region; an older cursor gives again what lies between, with the same ids.
- 410 says that something you have not read is older than the feed reaches; the body has the way on.
- 503 with `Retry-After` says that this region has not caught up with your cursor: ask again, or another region.
- Read with one cursor for each reader. Two endpoints of yours with cursors of their own are given everything twice, once each.";

fn calls_from(system: &System, region: &Region) -> bool {
    let linked = match &system.hosting {
        Hosting::OnPremises { links } => links.is_empty() || links.contains(&region.name),
        Hosting::OtherCloud | Hosting::SameCloud { .. } => true,
    };
    let allowed = &system.allowed_regions;
    linked && (allowed.is_empty() || allowed.contains(&region.name))
}

fn choice(system: &System) -> &'static str {
    match system.topology {
        Topology::Single => "While it is down we hold and probe; nothing is lost.",
        Topology::PrimarySecondary if system.role_probe.is_some() => {
            "We call only the one that says that it is active, and ask all of them regularly; a secondary is never called before."
        }
        Topology::PrimarySecondary => {
            "We call the first one until an operator of ours is told that another is active."
        }
        Topology::Shared => "We call the nearest, and another one as soon as it does not answer.",
        Topology::Partitioned => "Each is called for its own part only.",
    }
}

fn proof(calling: &Calling) -> Option<String> {
    let shown = calling.auth.as_ref().map(|auth| match auth {
        Auth::Shown(spec) => format!("`{}`", spec.scheme()),
        Auth::OAuth2(_) => "an OAuth 2.0 token of yours".to_owned(),
    });
    let certificate = calling.tls.identity.as_ref();
    let certificate = certificate.map(|_| "a client certificate".to_owned());
    let both: Vec<String> = shown.into_iter().chain(certificate).collect();
    (!both.is_empty()).then(|| both.join(" and "))
}

fn class(class: AnswerClass) -> &'static str {
    match class {
        AnswerClass::Delivered => "done",
        AnswerClass::Retry => "about the event, and may pass",
        AnswerClass::Reject => "about the event, and final",
        AnswerClass::EndpointDown => "about the endpoint",
        AnswerClass::Throttle => "slower",
        AnswerClass::Gone => "gone for good",
    }
}

fn repeats(idempotency: Idempotency) -> &'static str {
    match idempotency {
        Idempotency::Nothing => {
            "After a failover what was under way may come again. **We know of nothing that makes that harmless**: please remember the keys, for 24 h at least."
        }
        Idempotency::Natural => {
            "After a failover what was under way may come again; we rely on it that this changes nothing with you."
        }
        Idempotency::Key { global: true, .. } => {
            "After a failover what was under way may come again with the same key; we rely on it that all your endpoints know the keys of each other."
        }
        Idempotency::Key { .. } => {
            "After a failover what was under way may come again with the same key, and at another endpoint of yours if the first does not answer; that endpoint may not know the key."
        }
    }
}

/// A long time without what does not matter of it.
fn about(time: Duration) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "days"), (3600, "hours"), (60, "minutes")];
    let seconds = time.as_secs();
    let unit = UNITS.iter().find(|(unit, _)| seconds >= 2 * unit);
    match unit {
        Some((unit, name)) => format!("about {} {name}", seconds / unit),
        None => show_duration(time),
    }
}

/// A URL, or the key that would say it.
fn address(base: Option<&str>, path: &str, key: &str) -> String {
    match base {
        Some(base) => format!("`{}{path}`", base.trim_end_matches('/')),
        None => format!("`{path}` at an address that is not said (`{key}`)"),
    }
}

fn list<'item>(items: impl Iterator<Item = &'item str>) -> String {
    let mut text = String::new();
    for item in items {
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        write!(text, "{separator}{item}").unwrap_or_default();
    }
    text
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
