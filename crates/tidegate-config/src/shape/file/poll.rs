//! `poll`: what is fetched, when, and how one page leads to the next.

use std::time::Duration;

use super::super::{Field, Map, Named, Scalar, Shape, Word};
use super::ownership::{DURABILITY, FLAG, ON_PARTITION, STABLE_FOR};
use super::{DAY, HOUR, JQ, KIB, MIB, MINUTE, SECOND, SECRET};

pub(super) static POLL: Shape = Shape::Map(
    Map::new(&[
        Field::optional(
            "every",
            &EVERY,
            "How long after one round the next begins. Shorter sees items sooner and burdens the source more.",
        )
        .example("30s"),
        Field::optional(
            "cron",
            &CRON,
            "When rounds begin, by the clock: minute, hour, day of the month, month, day of the week.",
        )
        .example("{ at: \"*/10 8-18 * * mon-fri\", zone: Europe/Berlin }"),
        Field::optional(
            "sqs",
            &SQS,
            "A queue of AWS instead of lists over HTTP; it is asked all the time, and a message is \
             deleted once it is on disk here.",
        )
        .example(
            "{ queue-url: https://sqs.eu-central-1.amazonaws.com/123456789012/orders, region: eu-central-1, \
             access-key: AKIAEXAMPLE, secret-key: \"${env:AWS_SECRET_ACCESS_KEY}\" }",
        ),
        Field::optional(
            "request",
            &REQUEST,
            "The request for a page. Its expressions look at `{ cursor, page, since }`.",
        )
        .example("{ path: '/invoices?after={cursor}&limit=100' }"),
        Field::optional(
            "items",
            &JQ,
            "The items of a page: jq over the body of the answer, as several outputs or as one list.",
        )
        .example("'.items[]'"),
        Field::optional(
            "next",
            &NEXT,
            "How one page leads to the next. Without it a round is one request.",
        )
        .example("{ cursor: .next }"),
        Field::optional(
            "resume",
            &RESUME,
            "Where the next round begins: by default at the last cursor or URL, with `link`, `page` and \
             `timestamp` at the start.",
        )
        .example("start"),
        Field::optional(
            "body-max",
            &BODY_MAX,
            "The largest page, in bytes. A larger one is a failure and is not passed over.",
        )
        .default("8MiB"),
        Field::optional(
            "page-max",
            &ITEMS_MAX,
            "The most items of a page. A page with more is a failure and is not passed over.",
        )
        .default("10000"),
        Field::optional(
            "pages-max",
            &PAGES_MAX,
            "The most pages of a round; the next round goes on from there.",
        )
        .default("1000"),
        Field::optional(
            "timeout",
            &TIMEOUT,
            "How long a request may take, from the lookup of the name to the last byte of the answer.",
        )
        .default("30s"),
        Field::optional(
            "backoff-max",
            &BACKOFF_MAX,
            "The longest pause after failures; it begins with 1s and doubles.",
        )
        .default("5m"),
        Field::optional(
            "retry-after-max",
            &BACKOFF_MAX,
            "A longer `Retry-After` is cut to this, so that one answer cannot stop the flow for good.",
        )
        .default("1h"),
        Field::optional(
            "received",
            &RECEIVED,
            "Makes of an item the request that a flow with `reconcile: NAME` would have received. Instead \
             of `event`.",
        )
        .example("{ body: . }"),
        Field::optional(
            "rereadable",
            &FLAG,
            "Whether what was fetched can be fetched again. By default a list can, and a queue, which \
             forgets what is acknowledged, cannot.",
        )
        .example("false"),
        DURABILITY,
        ON_PARTITION,
        STABLE_FOR,
    ])
    .one_of(&[&["every", "cron", "sqs"]]),
);

static EVERY: Shape = Shape::Scalar(Scalar::Duration {
    least: SECOND,
    most: Duration::from_secs(DAY.as_secs() * 31),
});

static CRON: Shape = Shape::Map(
    Map::new(&[
        Field::required("at", &CRON_TEXT, "The five fields of a crontab.").example("\"0 6 * * *\""),
        Field::optional(
            "zone",
            &ZONE,
            "The time zone, by its name in the IANA database.",
        )
        .default("UTC")
        .example("Europe/Berlin"),
    ])
    .short("at"),
);
static CRON_TEXT: Shape = Shape::Scalar(Scalar::Text { most: 256 });
static ZONE: Shape = Shape::Scalar(Scalar::Text { most: 64 });

static SQS: Shape = Shape::Map(Map::new(&[
    Field::required("queue-url", &QUEUE_URL, "The queue's URL.")
        .example("https://sqs.eu-central-1.amazonaws.com/123456789012/orders"),
    Field::required("region", &SHORT, "Its region.").example("eu-central-1"),
    Field::required(
        "access-key",
        &SHORT,
        "The id of an access key that may receive and delete.",
    )
    .example("AKIAEXAMPLE"),
    Field::required("secret-key", &SECRET, "The secret access key.")
        .example("\"${env:AWS_SECRET_ACCESS_KEY}\""),
    Field::optional(
        "session-token",
        &SECRET,
        "The session token of a role's key.",
    )
    .example("\"${env:AWS_SESSION_TOKEN}\""),
    Field::optional(
        "wait",
        &WAIT,
        "How long the service holds a call while the queue is empty. Shorter costs more calls.",
    )
    .default("20s"),
]));
static QUEUE_URL: Shape = Shape::Scalar(Scalar::Url);
static SHORT: Shape = Shape::Scalar(Scalar::Text { most: 128 });
static WAIT: Shape = Shape::Scalar(Scalar::Duration {
    least: Duration::ZERO,
    most: Duration::from_secs(20),
});

static REQUEST: Shape = Shape::Map(
    Map::new(&[
        Field::optional("method", &METHOD, "The method.").default("GET"),
        Field::required(
            "path",
            &PATH,
            "Path and query below the address of the system, with jq in braces over `{ cursor, page, since }`; \
             `{cursor}`, `{page}` and `{since}` are short for `{.cursor}` and so on. What they give is escaped, \
             and a query parameter without a value is left out.",
        )
        .example("'/invoices?after={cursor}'"),
        Field::empty(
            "headers",
            &HEADERS,
            "Headers by their names, each value in jq.",
        )
        .example("{ accept: '\"application/json\"' }"),
        Field::optional("body", &JQ, "The body of a `POST`, sent as JSON.")
            .example("'{ after: .cursor, limit: 100 }'"),
    ])
    .short("path"),
);
static PATH: Shape = Shape::Scalar(Scalar::Template);
static METHOD: Shape = Shape::Scalar(Scalar::Word(&[Word::new("GET", ""), Word::new("POST", "")]));
static HEADERS: Shape = Shape::Named(Named {
    what: "header",
    value: &JQ,
    most: 32,
});

static NEXT: Shape = Shape::Map(
    Map::new(&[
        Field::optional(
            "cursor",
            &JQ,
            "The cursor of the next page: jq over the body of the answer; null or an empty text at the end.",
        )
        .example(".next"),
        Field::optional(
            "url",
            &JQ,
            "The address of the next page, on the same host: jq over the body of the answer.",
        )
        .example(".links.next"),
        Field::optional(
            "link",
            &SHORT,
            "The address of the next page stands in the `Link` header (RFC 8288) with this relation.",
        )
        .example("next"),
        Field::optional("page", &PAGE, "Pages have numbers.").example("{ first: 1, size: 100 }"),
        Field::optional(
            "timestamp",
            &TIMESTAMP,
            "Each round asks for what is newer than the newest item so far.",
        )
        .example("{ field: .body.updated_at, overlap: 5m }"),
    ])
    .short("cursor"),
);

static PAGE: Shape = Shape::Map(
    Map::new(&[
        Field::optional("first", &FIRST, "The number of the first page.").default("1"),
        Field::optional(
            "size",
            &SIZE,
            "Items of a full page: one with fewer is the last. Without it the last one is empty.",
        )
        .example("100"),
    ])
    .short("first"),
);
static FIRST: Shape = Shape::Scalar(Scalar::Integer { least: 0, most: 1 });
static SIZE: Shape = Shape::Scalar(Scalar::Integer {
    least: 2,
    most: 100_000,
});

static TIMESTAMP: Shape = Shape::Map(Map::new(&[
    Field::required(
        "field",
        &JQ,
        "The time of an item: jq over `{ headers, query, body }`, where `.body` is the item.",
    )
    .example(".body.updated_at"),
    Field::required(
        "overlap",
        &OVERLAP,
        "How far behind the newest item a round begins: for items that appear late, and for clocks that \
         differ. What comes twice is dropped by its id.",
    )
    .example("5m"),
    Field::optional("format", &FORMAT, "How `{since}` is written.").default("rfc3339"),
    Field::optional(
        "reach",
        &OVERLAP,
        "How far back the first round reaches; without it the first request has no `{since}`.",
    )
    .example("30d"),
    Field::optional(
        "order",
        &ORDER,
        "In which order the source gives its items. With `newest-first` a round ends at the first page \
         that is older than what it asks for.",
    )
    .default("any"),
    Field::optional(
        "page-size",
        &SIZE,
        "Without another way to the next page: items of a full page, oldest first, after which the next \
         request asks for what is as new as its newest item.",
    )
    .example("100"),
]));
static OVERLAP: Shape = Shape::Scalar(Scalar::Duration {
    least: Duration::ZERO,
    most: Duration::from_secs(DAY.as_secs() * 365),
});
static FORMAT: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("rfc3339", "`2026-11-21T10:00:00.000Z`"),
    Word::new("seconds", "since 1970"),
    Word::new("millis", "milliseconds since 1970"),
]));
static ORDER: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("any", "every page of a round is read"),
    Word::new("newest-first", "the newest items come first"),
]));

static RESUME: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("last", "at the last cursor: what is new comes behind it"),
    Word::new("start", "at the start: what is new may stand anywhere"),
]));

static RECEIVED: Shape = Shape::Map(Map::new(&[
    Field::optional(
        "id",
        &JQ,
        "The identity that the request has by its signature scheme: jq over the item. Required if the \
         flow takes its ids from the scheme.",
    )
    .example(".guid"),
    Field::optional("headers", &JQ, "The headers of the request as an object, names in lower case: jq over the item.")
        .example("'{ \"x-github-event\": .event }'"),
    Field::optional("body", &JQ, "The body of the request: jq over the item. By default the item itself.")
        .example(".payload"),
]));

static BODY_MAX: Shape = Shape::Scalar(Scalar::Bytes {
    least: KIB,
    most: 32 * MIB,
});
static ITEMS_MAX: Shape = Shape::Scalar(Scalar::Integer {
    least: 1,
    most: 100_000,
});
static PAGES_MAX: Shape = Shape::Scalar(Scalar::Integer {
    least: 1,
    most: 1_000_000,
});
static TIMEOUT: Shape = Shape::Scalar(Scalar::Duration {
    least: SECOND,
    most: Duration::from_secs(10 * MINUTE.as_secs()),
});
static BACKOFF_MAX: Shape = Shape::Scalar(Scalar::Duration {
    least: SECOND,
    most: Duration::from_secs(24 * HOUR.as_secs()),
});
