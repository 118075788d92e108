//! `flows`: what comes in, how it is told apart, what is made of it; what goes out; what is fetched from us.

use std::time::Duration;

use super::super::{Field, List, Map, Named, Scalar, Shape, Word};
use super::deliver::DELIVER;
use super::feeds::SERVE;
use super::log::BODY_MAX_SCALAR;
use super::ownership::DURABILITY;
use super::poll::POLL;
use super::verify::VERIFY;
use super::{DAY, FLOWS_MAX, JQ, MINUTE, NAME};

pub(super) static FLOWS: Shape = Shape::Named(Named {
    what: "flow",
    value: &FLOW,
    most: FLOWS_MAX,
});

static FLOW: Shape = Shape::Map(
    Map::new(&[
    Field::required("system", &NAME, "The external system, one of `systems`.").example("github"),
    Field::optional(
        "receive",
        &RECEIVE,
        "They call us: requests on a path become events.",
    )
    .example("{ path: /in/github, verify: { scheme: github, secret: \"${env:GITHUB_SECRET}\" } }"),
    Field::optional(
        "event",
        &EVENT,
        "What is made of a request, in jq over `{ headers, query, body }`. Required for webhooks; \
         not possible with `format: cloudevents`, where the event's own attributes and data are taken, \
         nor with `deliver` and `serve`. With `poll`, `.body` is an item.",
    )
    .example("{ id: .body.id, type: '\"crm.\" + .body.kind' }"),
    Field::optional(
        "dedup",
        &DEDUP,
        "How long an id is remembered, so that a repeat is answered with success and appends \
         nothing. By default as long as `log.keep`, at most 7d, and never longer than `log.keep`. \
         Plan 120 B of disk for every id.",
    )
    .example("3d"),
    Field::optional(
        "deliver",
        &DELIVER,
        "We call them: events become requests.",
    )
    .example("{ on: [order.*], request: { path: /orders } }"),
    Field::optional(
        "poll",
        &POLL,
        "We fetch from them: the items of lists, or the messages of a queue, become events.",
    )
    .example("{ every: 30s, request: { path: '/invoices?after={cursor}' }, items: '.items[]', next: .next }"),
    Field::optional(
        "serve",
        &SERVE,
        "They fetch from us: a feed of events on a path.",
    )
    .example("{ path: /out/stock, on: [stock.*], consumers: { shop: { token: \"${env:SHOP_TOKEN}\" } } }"),
])
    .one_of(&[&["receive", "deliver", "poll", "serve"]]),
);

static DEDUP: Shape = Shape::Scalar(Scalar::Duration {
    least: MINUTE,
    most: Duration::from_secs(DAY.as_secs() * 365),
});

static RECEIVE: Shape = Shape::Map(Map::new(&[
    Field::required(
        "path",
        &PATH,
        "The path they call; no other flow may have it.",
    )
    .example("/in/github"),
    Field::optional("format", &FORMAT, "What they send.").default("webhook"),
    Field::required(
        "verify",
        &VERIFY,
        "How a request proves that it is theirs. What does not is answered 401 and not kept.",
    )
    .example("{ scheme: github, secret: \"${env:GITHUB_SECRET}\" }"),
    Field::optional(
        "reconcile",
        &NAME,
        "A flow with `poll` that reads a list of what was sent, and so repairs gaps after an outage: its \
         events are events of this flow, and those that were received are dropped by their ids.",
    )
    .example("payments-repair"),
    Field::optional(
        "methods",
        &METHODS,
        "The methods that are taken; others are answered 405.",
    )
    .default("[POST]"),
    Field::optional(
        "body-max",
        &BODY_MAX,
        "The largest body of this flow; `limits.body-max` by default.",
    ),
    Field::optional(
        "cloudevents",
        &HANDSHAKE,
        "The answer to the OPTIONS request with which a sender of CloudEvents asks for permission. \
         Without it such a request is answered 405.",
    ),
    Field::optional(
        "registered",
        &REGISTERED,
        "Which URLs the sender was given. Has no effect with one region.",
    )
    .default("front-door"),
    DURABILITY,
]));

static REGISTERED: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("front-door", "one, which leads to a region that is up"),
    Word::new(
        "every-region",
        "that of each region: everything is sent to all of them, and repeats are dropped by their ids",
    ),
]));

pub(super) static PATH: Shape = Shape::Scalar(Scalar::RequestPath);
static BODY_MAX: Shape = Shape::Scalar(BODY_MAX_SCALAR);

static FORMAT: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("webhook", "any request; `event` says what is made of it"),
    Word::new("cloudevents", "CloudEvents: binary, structured or batch"),
]));

static METHOD: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("POST", ""),
    Word::new("PUT", ""),
    Word::new("PATCH", ""),
]));

static METHODS: Shape = Shape::List(List {
    item: &METHOD,
    least: 1,
    most: 3,
});

static HANDSHAKE: Shape = Shape::Map(Map::new(&[
    Field::required(
        "origins",
        &ORIGINS,
        "The senders that get permission, by the DNS name they give; `\"*\"` for everybody.",
    )
    .example("[eventgrid.example]"),
    Field::optional(
        "rate",
        &RATE,
        "Requests per minute that a sender is told it may make; without it, no bound is told.",
    )
    .example("1200"),
]));

static ORIGIN: Shape = Shape::Scalar(Scalar::Origin);

static ORIGINS: Shape = Shape::List(List {
    item: &ORIGIN,
    least: 1,
    most: 100,
});

static RATE: Shape = Shape::Scalar(Scalar::Integer {
    least: 1,
    most: 10_000_000,
});

static EVENT: Shape = Shape::Map(Map::new(&[
    Field::optional(
        "id",
        &JQ,
        "The sender's id of the event, from which its identity here is made. `content`: equal \
         bodies are the same event. `none`: every request is a new event, repeats included. May be \
         left out where the scheme signs an id (`standard-webhooks`, `svix`, `hmac` with \
         `id-header`).",
    )
    .example("'.headers[\"x-github-delivery\"]'"),
    Field::optional("type", &JQ, "The event type. Required for webhooks.")
        .example("'\"github.\" + .headers[\"x-github-event\"]'"),
    Field::optional(
        "key",
        &JQ,
        "The partition key; order is kept per key. Without it an event has none.",
    )
    .example(".body.repository.full_name"),
    Field::optional(
        "time",
        &JQ,
        "When it happened: RFC 3339 text, or seconds or milliseconds since 1970. Without it, when \
         it was taken in.",
    )
    .example(".body.created_at"),
    Field::optional(
        "data",
        &JQ,
        "The payload of the event. Without it the body as it is.",
    )
    .example("'{ repository: .body.repository.full_name, action: .body.action }'"),
    Field::optional(
        "when",
        &JQ,
        "A condition: where it gives `false` or `null` the request is answered with success, \
         counted and not kept.",
    )
    .example("'.body.action == \"opened\"'"),
]));
