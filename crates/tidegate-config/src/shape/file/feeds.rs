//! `serve`: a feed that an external system fetches.

use std::time::Duration;

use super::super::{Field, List, Map, Named, Scalar, Shape};
use super::flows::PATH;
use super::listen::TOKENS;
use super::services::ON;
use super::{DAY, JQ, MINUTE, SECRET};

/// The most consumers of one feed; their tokens are all compared on every request.
const CONSUMERS_MAX: usize = 100;

/// The most events of a page that may be asked for.
const PAGE_MAX: u64 = 10_000;

/// The most keys of cursors: the one in use, and those it replaced.
const CURSOR_KEYS_MAX: usize = 4;

pub(super) static SERVE: Shape = Shape::Map(Map::new(&[
    Field::required(
        "path",
        &PATH,
        "The path they fetch, best below `/out/`. Below it, one path per region serves clients of \
         HTTP feeds; no other flow may have any of these.",
    )
    .example("/out/stock"),
    Field::required(
        "on",
        &ON,
        "The event types the feed gives: a type, or the beginning of one and `*`.",
    )
    .example("[stock.*]"),
    Field::optional(
        "when",
        &JQ,
        "A further condition in jq over the event as CloudEvents JSON (`.type`, `.source`, \
         `.data`); `false` or `null` leaves the event out, and so does a failure, which is counted.",
    )
    .example("'.data.public'"),
    Field::optional(
        "retention",
        &RETENTION,
        "How far back the feed reaches. A position behind it is answered 410 with the way out. By \
         default as long as `log.keep`, or as the shortest `dedup` of a flow if that is shorter; \
         never longer than `log.keep`. A feed does not hold the log: when `log.size-max` is \
         reached, it reaches less far.",
    )
    .example("3d"),
    Field::optional(
        "page-max",
        &PAGE,
        "The most events of one page. A page also ends at 4 MiB.",
    )
    .default("1000"),
    Field::optional(
        "cursor-key",
        &SECRET,
        "The key that protects cursors, at least 16 bytes and the same in every region. Required \
         with several regions; with one, a key is made in the data folder without it. Another key \
         makes all cursors invalid.",
    )
    .example("\"${env:STOCK_CURSOR_KEY}\""),
    Field::optional(
        "cursor-keys",
        &CURSOR_KEYS,
        "Several keys instead of one, to change it without an interruption: the first one \
         protects new cursors, all of them are accepted.",
    ),
    Field::empty(
        "consumers",
        &CONSUMERS,
        "Who may fetch the feed. Without any, everybody may, which is possible only while the \
         public listener is on a loopback address.",
    )
    .example("{ shop: { token: \"${env:SHOP_TOKEN}\" } }"),
]));

static RETENTION: Shape = Shape::Scalar(Scalar::Duration {
    least: MINUTE,
    most: Duration::from_secs(DAY.as_secs() * 3650),
});

static PAGE: Shape = Shape::Scalar(Scalar::Integer {
    least: 1,
    most: PAGE_MAX,
});

static CURSOR_KEYS: Shape = Shape::List(List {
    item: &SECRET,
    least: 1,
    most: CURSOR_KEYS_MAX,
});

static CONSUMERS: Shape = Shape::Named(Named {
    what: "consumer",
    value: &CONSUMER,
    most: CONSUMERS_MAX,
});

static CONSUMER: Shape = Shape::Map(
    Map::new(&[
        Field::optional(
            "token",
            &SECRET,
            "The token of the consumer: as bearer token, or as the password of basic \
             authentication with any user name.",
        )
        .example("\"${env:SHOP_TOKEN}\""),
        Field::optional(
            "tokens",
            TOKENS,
            "Several tokens instead of one, all of them valid, to change it without an interruption.",
        ),
        Field::optional(
            "on",
            &ON,
            "The event types this consumer gets, out of those of the feed.",
        )
        .example("[stock.changed]"),
        Field::optional(
            "when",
            &JQ,
            "A condition for this consumer, besides that of the feed.",
        )
        .example("'.data.warehouse == \"north\"'"),
    ])
    .one_of(&[&["token", "tokens"]]),
);
