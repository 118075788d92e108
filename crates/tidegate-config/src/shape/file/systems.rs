//! `systems`: what the other side is like.

use super::super::{Field, Map, Named, Scalar, Shape, Word};
use super::{DAY, NAME, NAMES, SECOND, SYSTEMS_MAX};

/// The most endpoints of one system; more than any provider publishes.
const ENDPOINTS_MAX: usize = 64;

pub(super) static SYSTEMS: Shape = Shape::Named(Named {
    what: "system",
    value: &SYSTEM,
    most: SYSTEMS_MAX,
});

static SYSTEM: Shape = Shape::Map(Map::new(&[
    Field::optional("hosting", &HOSTING, "Where it runs, seen from you.").default("other-cloud"),
    Field::optional(
        "fails-with",
        &NAME,
        "The region of yours it shares its fate with. Only for `same-cloud`.",
    )
    .example("us-east-1"),
    Field::optional(
        "links",
        &NAMES,
        "The regions of yours that have a line to it. Only for `on-premises`.",
    )
    .example("[us-east-1]"),
    Field::optional("topology", &TOPOLOGY, "How it is built on its side.").default("single"),
    Field::optional(
        "their-rpo",
        &RPO,
        "How much of the past it may lose when it switches over.",
    )
    .example("30s"),
    Field::empty(
        "endpoints",
        &ENDPOINTS,
        "Its endpoints by name. Kept and checked; used by flows that call it.",
    ),
    Field::not_yet("role-probe", "How its active endpoint is found."),
    Field::not_yet("auth", "How you prove yourself to it."),
]));

static HOSTING: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("other-cloud", "in another cloud"),
    Word::new("same-cloud", "in the cloud your regions are in"),
    Word::new("on-premises", "behind a line to some of your regions"),
]));

static TOPOLOGY: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("single", "one endpoint"),
    Word::new(
        "primary-secondary",
        "one endpoint is active, others stand by",
    ),
    Word::new("active-active", "all endpoints are active"),
]));

static RPO: Shape = Shape::Scalar(Scalar::Duration {
    least: SECOND,
    most: DAY,
});

static ENDPOINTS: Shape = Shape::Named(Named {
    what: "endpoint",
    value: &ENDPOINT,
    most: ENDPOINTS_MAX,
});

static ENDPOINT: Shape = Shape::Map(
    Map::new(&[
        Field::required("url", &URL, "Its base URL.").example("https://east.crm.example"),
        Field::optional("near", &NAME, "The region of yours that is nearest to it.")
            .example("us-east-1"),
    ])
    .short("url"),
);

static URL: Shape = Shape::Scalar(Scalar::Url);
