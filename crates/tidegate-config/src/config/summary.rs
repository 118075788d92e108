//! The configuration as it may be shown: without secrets.

use serde_json::{Map, Value as Json, json};
use tidegate_wire::aws::Target;

use super::{
    Config, Deliver, Feed, Flow, Format, Hosting, Identity, Listener, Order, Poll, PollEvents,
    PollSource, Schedule, Service, System, Topology,
};
use crate::units::{show_bytes, show_duration};

impl Config {
    /// The configuration in force, for `status` and the admin API; holds no secret.
    #[must_use]
    pub fn redacted_json(&self) -> Json {
        json!({
            "subsystem": self.subsystem,
            "account": self.account,
            "stage": self.stage,
            "region": self.region,
            "regions": self.regions.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(),
            "listen": {
                "public": listener(&self.listen.public),
                "admin": listener(&self.listen.admin),
                "admin-token": self.listen.admin_token.is_some(),
                "peer": self.listen.peer.as_ref().map(listener),
            },
            "data": self.data,
            "log": {
                "keep": show_duration(self.log.keep),
                "size-max": show_bytes(self.log.size_max),
                "segment": show_bytes(self.log.segment),
                "durability": self.log.durability.word(),
            },
            "limits": self.limits_json(),
            "systems": self.systems.iter().map(system).collect::<Vec<_>>(),
            "flows": self.flows_json(),
            "services": self.services.iter().map(service).collect::<Vec<_>>(),
            "logging": { "level": self.logging.level },
        })
    }

    fn flows_json(&self) -> Vec<Json> {
        let received = self.flows.iter().map(flow);
        let delivered = self.deliveries.iter().map(deliver);
        received
            .chain(delivered)
            .chain(self.polls.iter().map(poll))
            .chain(self.feeds.iter().map(feed))
            .collect()
    }

    fn limits_json(&self) -> Json {
        let limits = &self.limits;
        json!({
            "body-max": limits.body_max,
            "connections-max": limits.connections_max,
            "in-flight-max": limits.in_flight_max,
            "queue-bytes-max": limits.queue_bytes_max,
            "header-bytes-max": limits.header_bytes_max,
            "header-timeout": show_duration(limits.header_timeout),
            "request-timeout": show_duration(limits.request_timeout),
            "idle-timeout": show_duration(limits.idle_timeout),
            "drain-timeout": show_duration(limits.drain_timeout),
        })
    }
}

impl Topology {
    /// The word in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::PrimarySecondary => "primary-secondary",
            Self::Shared | Self::Partitioned => "active-active",
        }
    }
}

impl Hosting {
    /// The word in the file.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::OtherCloud => "other-cloud",
            Self::SameCloud { .. } => "same-cloud",
            Self::OnPremises { .. } => "on-premises",
        }
    }
}

impl Order {
    /// The word in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::PerKey => "per-key",
            Self::None => "none",
            Self::Total => "total",
        }
    }
}

impl Format {
    /// The word in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::CloudEvents => "cloudevents",
        }
    }
}

impl Identity {
    /// A word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Scheme => "scheme",
            Self::Expression => "expression",
            Self::Content => "content",
            Self::None => "none",
            Self::CloudEvent => "cloudevent",
        }
    }
}

fn listener(listener: &Listener) -> Json {
    let tls = listener.tls.as_ref();
    json!({
        "address": listener.address.to_string(),
        "tls": tls.is_some(),
        "client-certificates": tls.is_some_and(|tls| tls.client_ca.is_some()),
    })
}

fn system(system: &System) -> Json {
    let endpoints = system.endpoints.iter();
    let endpoints: Map<String, Json> = endpoints
        .map(|one| (one.name.clone(), Json::from(one.url.as_str())))
        .collect();
    json!({
        "name": system.name,
        "hosting": system.hosting.word(),
        "topology": system.topology.word(),
        "endpoints": endpoints,
    })
}

fn flow(flow: &Flow) -> Json {
    json!({
        "name": flow.name,
        "kind": "receive",
        "system": flow.system,
        "path": flow.path,
        "format": flow.format.word(),
        "scheme": flow.verify.scheme(),
        "identity": flow.identity.word(),
        "body-max": flow.body_max,
        "dedup": show_duration(flow.dedup),
        "ledger-bytes-per-event-per-second": flow.ledger_bytes_per_event_per_second(),
    })
}

fn deliver(flow: &Deliver) -> Json {
    json!({
        "name": flow.name,
        "kind": "deliver",
        "system": flow.system,
        "url": flow.url,
        "on": flow.on,
        "from": flow.from,
        "when": flow.when,
        "target": flow.target.as_ref().map(Target::name),
        "method": flow.method,
        "path": flow.request.path,
        "order": flow.order.word(),
        "on-fault": if flow.skip_faults { "skip" } else { "block-key" },
        "signed": flow.sign.is_some(),
        "timeout": show_duration(flow.timeout),
        "attempts": flow.schedule.len(),
        "concurrency": flow.concurrency,
    })
}

fn poll(flow: &Poll) -> Json {
    let (source, schedule) = match &flow.source {
        PollSource::Sqs(sqs) => (sqs.queue_url.clone(), "always".to_owned()),
        PollSource::Http(http) => (
            format!("{} {}", http.method, http.request.path),
            match &http.schedule {
                Schedule::Every(every) => show_duration(*every),
                Schedule::Cron(cron) => format!("{} {}", cron.text(), cron.zone()),
            },
        ),
    };
    let (identity, reconciles) = match &flow.events {
        PollEvents::Own { identity, .. } => (Some(identity.word()), None),
        PollEvents::Received(received) => (None, Some(received.flow.as_str())),
    };
    json!({
        "name": flow.name,
        "kind": "poll",
        "system": flow.system,
        "url": flow.url,
        "source": source,
        "schedule": schedule,
        "identity": identity,
        "reconciles": reconciles,
        "dedup": show_duration(flow.dedup),
    })
}

fn feed(feed: &Feed) -> Json {
    let consumers = feed.consumers.iter();
    let consumers: Vec<Json> = consumers
        .map(|one| {
            json!({
                "name": one.name,
                "tokens": one.tokens.len(),
                "on": one.on,
                "when": one.when,
            })
        })
        .collect();
    json!({
        "name": feed.name,
        "kind": "serve",
        "system": feed.system,
        "path": feed.path,
        "on": feed.on,
        "when": feed.when,
        "retention": show_duration(feed.retention),
        "page-max": feed.page_max,
        "cursor-keys": feed.cursor_keys.len(),
        "consumers": consumers,
    })
}

fn service(service: &Service) -> Json {
    let subscriptions = service.subscriptions.iter();
    let subscriptions: Vec<Json> = subscriptions
        .map(|one| {
            json!({
                "name": one.name,
                "on": one.on,
                "when": one.when,
                "max-lag": show_duration(one.max_lag),
            })
        })
        .collect();
    json!({
        "name": service.name,
        "tokens": service.tokens.len(),
        "publish": service.publish,
        "subscribe": subscriptions,
    })
}
