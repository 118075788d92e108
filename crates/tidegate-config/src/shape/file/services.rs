//! `services`: your own programs.

use super::super::{Field, List, Map, Named, Scalar, Shape};
use super::listen::TOKENS;
use super::{DAY, JQ, MINUTE, SECRET, SYSTEMS_MAX};
use std::time::Duration;

/// The most patterns of one list; each is tried on every event.
const PATTERNS_MAX: usize = 100;

/// The most subscriptions of one service; each has a cursor of its own.
const SUBSCRIPTIONS_MAX: usize = 100;

pub(super) static SERVICES: Shape = Shape::Named(Named {
    what: "service",
    value: &SERVICE,
    most: SYSTEMS_MAX,
});

static SERVICE: Shape = Shape::Map(
    Map::new(&[
        Field::optional("token", &SECRET, "The bearer token of the service.")
            .example("\"${env:CHECKOUT_TOKEN}\""),
        Field::optional(
            "tokens",
            TOKENS,
            "Several tokens instead of one, all of them valid, to change it without an interruption.",
        ),
        Field::empty(
            "publish",
            &PATTERNS,
            "The event types it may publish. None by default.",
        )
        .example("[order.*]"),
        Field::empty(
            "subscribe",
            &SUBSCRIPTIONS,
            "Its subscriptions by name. A list of event types alone is short for `{ on: … }`.",
        )
        .example("{ fulfilment: [payment.*] }"),
    ])
    .one_of(&[&["token", "tokens"]]),
);

static PATTERN: Shape = Shape::Scalar(Scalar::Pattern);

static PATTERNS: Shape = Shape::List(List {
    item: &PATTERN,
    least: 0,
    most: PATTERNS_MAX,
});

pub(super) static ON: Shape = Shape::List(List {
    item: &PATTERN,
    least: 1,
    most: PATTERNS_MAX,
});

static SUBSCRIPTIONS: Shape = Shape::Named(Named {
    what: "subscription",
    value: &SUBSCRIPTION,
    most: SUBSCRIPTIONS_MAX,
});

static SUBSCRIPTION: Shape = Shape::Map(
    Map::new(&[
        Field::required(
            "on",
            &ON,
            "The event types it gets: a type, or the beginning of one and `*`.",
        )
        .example("[payment.*]"),
        Field::optional(
            "when",
            &JQ,
            "A further condition in jq over the event as CloudEvents JSON (`.type`, `.source`, \
             `.data`); `false` or `null` leaves it out.",
        )
        .example("'.data.amount > 100'"),
        Field::optional(
            "max-lag",
            &LAG,
            "How old the oldest event may get that it has not read. Up to it the log keeps the \
             event for the subscription; beyond it the log may be trimmed past it, which is \
             recorded. Longer protects a reader that is down for long and costs disk.",
        )
        .default("3d"),
    ])
    .short("on"),
);

static LAG: Shape = Shape::Scalar(Scalar::Duration {
    least: MINUTE,
    most: Duration::from_secs(DAY.as_secs() * 365),
});
