//! From the checked tree to the configuration: what holds between values is checked here, and all
//! of it is collected too.

mod calling;
mod deliver;
mod event;
mod feeds;
mod flows;
mod jq;
mod listen;
mod ownership;
mod poll;
mod regional;
mod regions;
mod request;
mod services;
mod systems;
mod verify;

use tidegate_types::secret::Secret;

use crate::config::{Config, Limits, Log, LogFormat, Logging};
use crate::diagnostic::{Code, Problem, Problems, Span};
use crate::secrets::{SecretRef, SecretSource};
use crate::shape::{Checked, Datum, Fields, Item};

pub(crate) use regions::Regions;

/// Builds the configuration. `None` when something that is needed is broken; it is reported then.
pub(crate) fn decode(root: &Item, regions: &Regions, decoder: &mut Decoder<'_>) -> Option<Config> {
    let top = root.fields()?;
    let listen = top
        .fields("listen")
        .and_then(|fields| decoder.listen(fields));
    let log = top.fields("log").and_then(|fields| decoder.log(fields));
    let limits = top
        .fields("limits")
        .and_then(|fields| decoder.limits(fields));
    let lease = regions::lease(top, decoder.problems);
    let systems = decoder.systems(top, regions);
    let scope = flows::Scope {
        keep: top.fields("log").and_then(|log| log.duration("keep")),
        limits: limits.as_ref(),
        durability: log.as_ref().map(|log| log.durability),
        public: listen.as_ref().map(|listen| listen.public.address),
        systems: top.fields("systems"),
        regions,
    };
    let flows = decoder.flows(top, &scope);
    let deliveries = decoder.deliveries(top, &scope, &systems);
    let polls = decoder.polls(top, &scope, (&systems, &flows));
    let feeds = decoder.feeds(top, &scope, &flows);
    let services = decoder.services(top);
    let all = regional::Flows {
        received: &flows,
        delivered: &deliveries,
        polled: &polls,
        durability: log.as_ref().map(|log| log.durability),
    };
    decoder.regional(top, regions, &systems, &all);
    Some(Config {
        subsystem: top.text("subsystem")?,
        account: regions.account.clone().or_else(|| top.text("account"))?,
        stage: top.text("stage")?,
        region: regions.chosen.clone()?,
        regions: regions.list.clone(),
        lease,
        front_door: top.text("front-door"),
        listen: listen?,
        data: top.text("data")?,
        log: log?,
        limits: limits?,
        systems,
        flows,
        deliveries,
        polls,
        feeds,
        services,
        logging: logging(top.fields("logging")?)?,
    })
}

/// What decoding needs besides the tree.
pub(crate) struct Decoder<'load> {
    /// The text of the file, for places inside of expressions.
    pub(crate) source: &'load str,
    pub(crate) secrets: &'load dyn SecretSource,
    pub(crate) problems: &'load mut Problems,
}

impl Decoder<'_> {
    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Resolves the references under `one` or in the list under `many`, with their places. `None`
    /// when one of them is broken or cannot be read.
    fn secrets(&mut self, fields: &Fields, one: &str, many: &str) -> Option<Vec<(Secret, Span)>> {
        let items: Vec<&Item> = match fields.get(one) {
            Some(item) => vec![item],
            None => fields.list(many).iter().collect(),
        };
        if items.is_empty() {
            return None;
        }
        let mut secrets = Vec::with_capacity(items.len());
        for item in &items {
            if let Checked::Datum(Datum::Secret(reference)) = &item.value
                && let Some(secret) = self.secret(reference, item.span)
            {
                secrets.push((secret, item.span));
            }
        }
        (secrets.len() == items.len()).then_some(secrets)
    }

    fn secret(&mut self, reference: &SecretRef, span: Span) -> Option<Secret> {
        match reference.resolve(self.secrets) {
            Ok(secret) => Some(secret),
            Err(error) => {
                let help = match reference {
                    SecretRef::Env(name) => format!("set the environment variable {name}"),
                    SecretRef::File(path) => {
                        format!("create {path} with the secret in it, readable for the gateway")
                    }
                };
                let message = format!("the secret {reference} cannot be read");
                self.report(
                    Problem::new(Code::SecretUnresolved, span, message)
                        .label(error.to_string())
                        .help(help),
                );
                None
            }
        }
    }

    fn log(&mut self, fields: &Fields) -> Option<Log> {
        let log = Log {
            keep: fields.duration("keep")?,
            size_max: fields.integer("size-max")?,
            segment: fields.integer("segment")?,
            durability: fields.word("durability").map(ownership::of_word)?,
        };
        if log.segment > log.size_max / SEGMENTS_LEAST {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    fields.span_of("segment"),
                    "`segment` is more than a quarter of `size-max`",
                )
                .label("too large")
                .help("the log is trimmed by whole segments; it needs at least four of them"),
            );
        }
        Some(log)
    }

    fn limits(&mut self, fields: &Fields) -> Option<Limits> {
        let count = |key: &str| usize::try_from(fields.integer(key)?).ok();
        let limits = Limits {
            body_max: count("body-max")?,
            connections_max: count("connections-max")?,
            in_flight_max: count("in-flight-max")?,
            queue_bytes_max: count("queue-bytes-max")?,
            header_bytes_max: count("header-bytes-max")?,
            header_timeout: fields.duration("header-timeout")?,
            request_timeout: fields.duration("request-timeout")?,
            idle_timeout: fields.duration("idle-timeout")?,
            drain_timeout: fields.duration("drain-timeout")?,
        };
        self.queue_holds(limits.body_max, &limits, fields.span_of("body-max"));
        Some(limits)
    }

    /// A body and what is mapped of it must fit into the queue together.
    fn queue_holds(&mut self, body_max: usize, limits: &Limits, span: Span) {
        if body_max.saturating_mul(2) > limits.queue_bytes_max {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    span,
                    "`body-max` is more than half of `limits.queue-bytes-max`",
                )
                .label("too large")
                .help("raise `limits.queue-bytes-max`, or lower `body-max`"),
            );
        }
    }
}

/// Least number of segments the size of the log must hold.
const SEGMENTS_LEAST: u64 = 4;

fn logging(fields: &Fields) -> Option<Logging> {
    Some(Logging {
        level: fields.word("level")?,
        format: match fields.word("format")? {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => LogFormat::Auto,
        },
    })
}
