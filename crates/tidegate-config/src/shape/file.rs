//! The configuration file: its keys, their defaults and their meaning.

mod deliver;
mod feeds;
mod flows;
mod lease;
mod listen;
mod log;
mod ownership;
mod poll;
mod regions;
mod services;
mod systems;
mod verify;

use std::time::Duration;

use super::{Field, Map, Scalar, Shape, Word};

pub(crate) const KIB: u64 = 1024;
pub(crate) const MIB: u64 = 1024 * KIB;
pub(crate) const GIB: u64 = 1024 * MIB;
pub(crate) const TIB: u64 = 1024 * GIB;
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// The most flows of one gateway: each has a ledger, counters and a compiled mapping.
pub const FLOWS_MAX: usize = 1000;

/// The most systems and services; every one of them has flows or tokens.
pub const SYSTEMS_MAX: usize = 1000;

/// The most regions of one subsystem; each keeps mirrors of all others.
pub const REGIONS_MAX: usize = 16;

/// The most endpoints of one system; each is watched from every region.
pub const ENDPOINTS_MAX: usize = 16;

pub(crate) static NAME: Shape = Shape::Scalar(Scalar::Name);
pub(crate) static NAMES: Shape = Shape::List(super::List {
    item: &NAME,
    least: 1,
    most: REGIONS_MAX,
});
pub(crate) static FILE_PATH: Shape = Shape::Scalar(Scalar::FilePath);
pub(crate) static JQ: Shape = Shape::Scalar(Scalar::Jq);
pub(crate) static SECRET: Shape = Shape::Scalar(Scalar::Secret);
pub(crate) static SECRETS: Shape = Shape::List(super::List {
    item: &SECRET,
    least: 1,
    most: tidegate_wire::signature::KEYS_MAX,
});
static TAG: Shape = Shape::Scalar(Scalar::Text { most: 128 });

/// The whole file.
pub(crate) static ROOT: Shape = Shape::Map(Map::new(&[
    Field::required(
        "subsystem",
        &NAME,
        "Name of your set of services. It is part of every event id: changing it gives every \
         event a new identity, so repeats of older events are no longer recognised.",
    )
    .example("orders"),
    Field::optional(
        "account",
        &TAG,
        "Cloud account or the like; a tag on every metric and log line.",
    )
    .default("local")
    .example("acme-prod"),
    Field::optional(
        "stage",
        &TAG,
        "Stage, such as `dev` or `prd`; a tag on every metric and log line.",
    )
    .default("dev")
    .example("prd"),
    Field::optional(
        "regions",
        &regions::REGIONS,
        "The regions of the subsystem; one file serves all of them, and `--region` says which one \
         a process is. Without it there is one region named `local`. The region is part of every \
         position in the log, so it cannot be renamed later.",
    )
    .example("{ us-east-1: {}, us-west-2: {} }"),
    Field::optional(
        "front-door",
        &systems::URL,
        "The base URL at which external systems reach whichever region is up, by DNS or anycast in front \
         of all of them. `plan --as` tells it to partners.",
    )
    .example("https://events.orders.example"),
    Field::empty(
        "listen",
        &listen::LISTEN,
        "The addresses the gateway listens on. A change needs a restart.",
    ),
    Field::optional(
        "data",
        &FILE_PATH,
        "Folder of the log and what is derived from it; made if absent, and locked by one process \
         at a time. A relative path starts at the folder the process is started in. A change needs \
         a restart.",
    )
    .default("./tidegate-data"),
    Field::empty("log", &log::LOG, "How long and how much is kept."),
    Field::empty(
        "limits",
        &log::LIMITS,
        "Upper bounds that keep an overload from becoming an outage.",
    ),
    Field::empty(
        "systems",
        &systems::SYSTEMS,
        "The external systems: what you exchange events with and do not own.",
    ),
    Field::empty(
        "flows",
        &flows::FLOWS,
        "The flows: events in one direction between the hub and one external system.",
    ),
    Field::empty(
        "services",
        &services::SERVICES,
        "Your own services: who may publish and subscribe.",
    ),
    Field::empty("logging", &LOGGING, "The gateway's own log lines."),
    Field::optional(
        "lease",
        &lease::LEASE,
        "The store in which the regions agree on who acts. It stands in none of them, or in several; \
         without it each flow goes by its `on-partition`.",
    )
    .example("{ nats: \"nats://witness.example:4222\" }"),
    Field::not_yet(
        "monitors",
        "Conditions over metrics that record, warn and page.",
    ),
    Field::not_yet("notify", "Routes and receivers of warnings and pages."),
]));

static LOGGING: Shape = Shape::Map(Map::new(&[
    Field::optional(
        "level",
        &LEVEL,
        "The least grave lines that are written. `debug` says something about every request and \
         costs throughput.",
    )
    .default("info"),
    Field::optional("format", &FORMAT, "How lines are written.").default("auto"),
]));

static LEVEL: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("error", "someone must act"),
    Word::new("warn", "something is off"),
    Word::new("info", "starts, stops, changes"),
    Word::new("debug", "every request"),
    Word::new("trace", "everything"),
]));

static FORMAT: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("auto", "text on a terminal, JSON elsewhere"),
    Word::new("text", "text"),
    Word::new("json", "one JSON object per line"),
]));
