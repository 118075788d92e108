//! `flows`: receiving.

use std::net::SocketAddr;
use std::time::Duration;

use tidegate_wire::cloudevents::{AllowedOrigins, HandshakePolicy};

use super::ownership::durability;
use super::{Decoder, Regions};
use crate::config::{Durability, Flow, Format, Limits, Registered};
use crate::diagnostic::{Code, Problem, Span};
use crate::shape::{Checked, Datum, Fields, nearest};
use crate::units::show_duration;

/// First parts of paths that the gateway uses itself.
const RESERVED: &[&str] = &["v1", "healthz", "readyz", "metrics", ".well-known"];

/// The first part of paths that only feeds may have.
const FEEDS_ONLY: &[&str] = &["out"];

/// How long an id is remembered if nothing is said and the log is kept for longer.
const DEDUP_DEFAULT: Duration = Duration::from_secs(7 * 86_400);

/// What a flow is held against; `None` where that is broken.
pub(super) struct Scope<'load> {
    pub(super) keep: Option<Duration>,
    pub(super) limits: Option<&'load Limits>,
    pub(super) durability: Option<Durability>,
    pub(super) public: Option<SocketAddr>,
    pub(super) systems: Option<&'load Fields>,
    pub(super) regions: &'load Regions,
}

impl Decoder<'_> {
    pub(super) fn flows(&mut self, top: &Fields, scope: &Scope<'_>) -> Vec<Flow> {
        let Some(flows) = top.fields("flows") else {
            return Vec::new();
        };
        let mut paths: Vec<(String, &str)> = Vec::new();
        let mut decoded = Vec::with_capacity(flows.entries.len());
        for (name, _, item) in &flows.entries {
            let Some(fields) = item.fields() else {
                continue;
            };
            let other = ["serve", "deliver", "poll"]
                .iter()
                .any(|kind| fields.get(kind).is_some());
            if other && fields.get("receive").is_none() {
                continue;
            }
            if let Some(receive) = fields.fields("receive") {
                self.path(receive, name, &mut paths);
            }
            decoded.extend(self.flow(name, fields, scope));
        }
        decoded
    }

    fn path<'name>(
        &mut self,
        receive: &Fields,
        flow: &'name str,
        paths: &mut Vec<(String, &'name str)>,
    ) {
        let Some(path) = receive.text("path") else {
            return;
        };
        let span = receive.span_of("path");
        self.reserved(&path, span, FEEDS_ONLY, &format!("/in/{flow}"));
        if let Some((_, other)) = paths.iter().find(|(taken, _)| *taken == path) {
            self.report(
                Problem::new(
                    Code::PathTaken,
                    span,
                    format!("the flow `{other}` already receives on `{path}`"),
                )
                .label("taken")
                .help("give each flow a path of its own"),
            );
        } else {
            paths.push((path, flow));
        }
    }

    /// Reports a path that begins with what the gateway uses itself, or with `besides`.
    pub(super) fn reserved(&mut self, path: &str, span: Span, besides: &[&str], example: &str) {
        let first = path.split('/').nth(1).unwrap_or_default();
        if !RESERVED.contains(&first) && !besides.contains(&first) {
            return;
        }
        self.report(
            Problem::new(
                Code::PathReserved,
                span,
                format!("the gateway uses paths below `/{first}` itself"),
            )
            .label("reserved")
            .help(format!("take another one, for example `{example}`")),
        );
    }

    fn flow(&mut self, name: &str, fields: &Fields, scope: &Scope<'_>) -> Option<Flow> {
        let system = self.system_of(fields, scope.systems);
        let dedup = self.dedup(fields, scope.keep);
        let receive = fields.fields("receive")?;
        let verify = receive
            .fields("verify")
            .and_then(|verify| self.verify(verify, scope.public));
        let format = match receive.word("format") {
            Some("cloudevents") => Some(Format::CloudEvents),
            Some(_) => Some(Format::Webhook),
            None => None,
        };
        let event = self.event(fields, format, verify.as_ref());
        let body_max = self.body_max(receive, scope.limits);
        let (identity, mapping) = event?;
        Some(Flow {
            name: name.to_owned(),
            system: system?,
            path: receive.text("path")?,
            format: format?,
            verify: verify?,
            methods: methods(receive),
            body_max: body_max?,
            handshake: receive.fields("cloudevents").map(handshake),
            identity,
            mapping,
            dedup: dedup?,
            reconciled: receive.get("reconcile").is_some(),
            registered: match receive.word("registered")? {
                "every-region" => Registered::EveryRegion,
                _ => Registered::FrontDoor,
            },
            durability: durability(receive, scope.durability)?,
        })
    }

    pub(super) fn system_of(
        &mut self,
        fields: &Fields,
        systems: Option<&Fields>,
    ) -> Option<String> {
        let name = fields.text("system")?;
        let systems = systems?;
        if systems.get(&name).is_none() {
            let known = systems.entries.iter().map(|(known, ..)| known.as_str());
            let help = match nearest(&name, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("add `{name}: {{}}` under `systems`"),
            };
            self.report(
                Problem::new(
                    Code::UnknownSystem,
                    fields.span_of("system"),
                    format!("the system `{name}` is not declared"),
                )
                .label("unknown system")
                .help(help),
            );
        }
        Some(name)
    }

    /// How long ids are remembered: never longer than the log is kept, since the ledger is rebuilt
    /// from it.
    pub(super) fn dedup(&mut self, fields: &Fields, keep: Option<Duration>) -> Option<Duration> {
        let keep = keep?;
        if fields.get("dedup").is_none() {
            return Some(keep.min(DEDUP_DEFAULT));
        }
        let dedup = fields.duration("dedup")?;
        if dedup > keep {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    fields.span_of("dedup"),
                    format!("`dedup` is longer than `log.keep`, {}", show_duration(keep)),
                )
                .label("too long")
                .help("ids are remembered from the log: raise `log.keep`, or lower `dedup`"),
            );
        }
        Some(dedup)
    }

    fn body_max(&mut self, receive: &Fields, limits: Option<&Limits>) -> Option<usize> {
        let limits = limits?;
        let Some(own) = receive.integer("body-max") else {
            return Some(limits.body_max);
        };
        let own = usize::try_from(own).ok()?;
        self.queue_holds(own, limits, receive.span_of("body-max"));
        Some(own)
    }
}

fn methods(receive: &Fields) -> Vec<&'static str> {
    let mut methods: Vec<&'static str> = Vec::new();
    for item in receive.list("methods") {
        if let Checked::Datum(Datum::Word(word)) = &item.value
            && !methods.contains(word)
        {
            methods.push(word);
        }
    }
    methods
}

fn handshake(fields: &Fields) -> HandshakePolicy {
    let origins = fields.list("origins").iter();
    let names: Vec<String> = origins
        .filter_map(|item| item.text().map(str::to_owned))
        .collect();
    let any = names.iter().any(|name| name == "*");
    HandshakePolicy {
        origins: if any {
            AllowedOrigins::Any
        } else {
            AllowedOrigins::Listed(names)
        },
        rate_per_minute: fields
            .integer("rate")
            .and_then(|rate| u32::try_from(rate).ok()),
    }
}
