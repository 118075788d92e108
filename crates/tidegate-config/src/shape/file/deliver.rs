//! `deliver`: what goes out, in which order, at which pace, with how much patience.

use std::time::Duration;

use super::super::{Field, List, Map, Named, Scalar, Shape, Tagged, Variant, Word};
use super::ownership::{FLAG, ON_PARTITION, SHARDS, STABLE_FOR};
use super::services::ON;
use super::verify::{HMAC_SENT, SECRET_FIELD, SECRETS_FIELD};
use super::{DAY, FLOWS_MAX, HOUR, JQ, KIB, MIB, MINUTE, SECOND, SECRET, TIB};

/// Most rules for statuses, as many as [`tidegate_core`] takes.
const RULES_MAX: usize = 64;

/// Most headers of a mapping; servers commonly take 100, and others are added.
const HEADERS_MAX: usize = 32;

const MILLISECOND: Duration = Duration::from_millis(1);

pub(super) static DELIVER: Shape = Shape::Map(Map::new(DELIVER_FIELDS));

const DELIVER_FIELDS: &[Field] = &[
    Field::required(
        "on",
        &ON,
        "The event types it delivers: a type, or the beginning of one and `*`.",
    )
    .example("[order.*]"),
    Field::optional(
        "from",
        &FROM,
        "Only events that these flows, or services (`services/NAME`), took in. All of them by default.",
    )
    .example("[shop-events]"),
    Field::optional(
        "when",
        &JQ,
        "A further condition in jq over the event as CloudEvents JSON (`.type`, `.source`, `.data`); \
         `false` or `null` leaves it out. An event on which it fails is set aside.",
    )
    .example("'.data.total > 0'"),
    Field::optional(
        "start",
        &START,
        "Where a flow begins that has never run: with what comes from now on, or with the oldest \
         event of the log.",
    )
    .default("now"),
    Field::empty("request", &REQUEST, "The request that is made of an event."),
    Field::optional("order", &ORDER, "What waits for what.").default("per-key"),
    Field::optional(
        "shards",
        &SHARDS,
        "Slices of the keys, of which each is delivered by one region at a time. More divide the work more \
         evenly. Only for `order: per-key`, and by default 16. Changing it needs the flow to be drained.",
    )
    .example("64"),
    Field::optional(
        "homed",
        &FLAG,
        "Whether all events of a key are taken in by the same region as a rule. Then each region delivers \
         what it took in. By default `false`: the keys are divided among the regions.",
    )
    .example("true"),
    ON_PARTITION,
    STABLE_FOR,
    Field::optional(
        "on-fault",
        &ON_FAULT,
        "What the later events of a key do when one is set aside.",
    )
    .default("block-key"),
    Field::empty(
        "idempotency",
        &IDEMPOTENCY,
        "What lets the other side tell a repeat.",
    ),
    Field::optional(
        "sign",
        &SIGN,
        "How requests are signed. Made anew for each attempt, with its time.",
    )
    .example("{ scheme: standard-webhooks, secret: \"${env:CRM_WEBHOOK_SECRET}\" }"),
    Field::empty("retry", &RETRY, "When an event is sent again."),
    Field::optional(
        "timeout",
        &TIMEOUT,
        "How long an attempt may take, from the lookup of the name to the last byte of the answer.",
    )
    .default("15s"),
    Field::empty(
        "classify",
        &CLASSIFY,
        "What answers mean, by their status: `404`, `5xx` or `500-599`. The first that fits decides; \
         for others the built-in table holds.",
    )
    .example("{ '404': retry, '409': delivered }"),
    Field::empty(
        "breaker",
        &BREAKER,
        "When the endpoint is left alone. Time under an open breaker uses up no attempts.",
    ),
    Field::optional(
        "batch",
        &BATCH,
        "Several events in one request. The expressions then look at a list of events.",
    )
    .example("{ events: 100, wait: 1s }"),
    Field::optional("rate", &RATE, "Requests per time.").example("{ requests: 50, per: 1s }"),
    Field::optional(
        "concurrency",
        &CONCURRENCY,
        "Requests under way at a time. More is faster towards a slow endpoint, and burdens it more.",
    )
    .default("10"),
    Field::optional(
        "to",
        &TO,
        "A queue or a bus of AWS that gets the events, instead of a `request`.",
    )
    .example("{ sqs: { queue-url: \"https://sqs.eu-central-1.amazonaws.com/111122223333/orders\", access-key: AKIDEXAMPLE, secret-key: \"${env:AWS_SECRET_ACCESS_KEY}\" } }"),
    Field::empty(
        "park",
        &PARK,
        "Where that goes which the flow cannot send and the log will not keep any longer, so that a dead \
         endpoint fills the log for nobody.",
    ),
];

static FROM: Shape = Shape::List(List {
    item: &FROM_NAME,
    least: 1,
    most: FLOWS_MAX,
});
static FROM_NAME: Shape = Shape::Scalar(Scalar::Text { most: 128 });

static START: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new(
        "now",
        "what is taken in after the flow was first configured",
    ),
    Word::new("oldest", "all that the log still holds"),
]));

static ORDER: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new(
        "per-key",
        "an event leaves after the receipts of all earlier ones of its key are on disk",
    ),
    Word::new("none", "nothing waits"),
    Word::new(
        "total",
        "an event leaves after the receipts of all earlier ones are on disk",
    ),
]));

static ON_FAULT: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new(
        "block-key",
        "they wait until it is resubmitted or discarded",
    ),
    Word::new("skip", "they go on"),
]));

static REQUEST: Shape = Shape::Map(Map::new(&[
    Field::optional("method", &METHOD, "The method.").default("POST"),
    Field::optional(
        "path",
        &PATH,
        "Path and query below the system's URL, with jq expressions in braces. What they give is \
         escaped; in the path it must not be empty. By default the system's URL as it stands.",
    )
    .example("'/orders/{.data.id}?source=tidegate'"),
    Field::empty(
        "headers",
        &HEADERS,
        "Further headers, each value an expression. Null leaves the header out. Headers that frame a \
         message, such as `host` and `content-length`, cannot be set.",
    )
    .example("{ x-tenant: .data.tenant }"),
    Field::optional(
        "body",
        &JQ,
        "The body. By default the event's data as it is; of a batch the events as CloudEvents. `.` is \
         the event as CloudEvents JSON.",
    )
    .example("'{ id: .data.id, total: .data.total }'"),
    Field::optional(
        "content-type",
        &CONTENT_TYPE,
        "The media type of the body. By default that of the data, `application/json` if `body` is \
         given, and `application/cloudevents-batch+json` for a batch without `body`.",
    )
    .example("application/cloudevents+json"),
]));

static METHOD: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("POST", ""),
    Word::new("PUT", ""),
    Word::new("PATCH", ""),
    Word::new("DELETE", ""),
]));
static PATH: Shape = Shape::Scalar(Scalar::Template);
static CONTENT_TYPE: Shape = Shape::Scalar(Scalar::MediaType);
static HEADERS: Shape = Shape::Named(Named {
    what: "header",
    value: &JQ,
    most: HEADERS_MAX,
});
static HEADER: Shape = Shape::Scalar(Scalar::Header);

static IDEMPOTENCY: Shape = Shape::Map(
    Map::new(&[
        Field::optional(
            "by",
            &BY,
            "What makes a repeat harmless there. By default `key` if `ttl` or `scope` is said, else \
             `nothing`.",
        )
        .example("natural"),
        Field::optional(
            "header",
            &HEADER,
            "The header with the key, which is the same for every attempt: the event's id.",
        )
        .default("idempotency-key"),
        Field::optional(
            "ttl",
            &TTL,
            "How long the other side remembers a key. `check` warns if retries go on for longer.",
        )
        .example("24h"),
        Field::optional("scope", &SCOPE, "Where a key is known; by default `per-endpoint`.").example("global"),
    ])
    .short("by"),
);
static BY: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new(
        "key",
        "it remembers the key in the header and does nothing twice",
    ),
    Word::new(
        "natural",
        "a repeat changes nothing: it writes by id and version",
    ),
    Word::new(
        "nothing",
        "nothing is known: a repeat may do its work twice",
    ),
]));
static TTL: Shape = Shape::Scalar(Scalar::Duration {
    least: MINUTE,
    most: Duration::from_secs(DAY.as_secs() * 365),
});
static SCOPE: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("per-endpoint", "at the endpoint that saw it"),
    Word::new("global", "at all endpoints of the system"),
]));

static SIGN: Shape = Shape::Tagged(Tagged {
    tag: "scheme",
    doc: "How a request proves that it is ours.",
    variants: &[
        Variant {
            word: "standard-webhooks",
            doc: "Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`. A secret \
                  is `whsec_…` (HMAC) or `whsk_…` (Ed25519 private key). With several, every one signs.",
            map: Map::new(&[SECRET_FIELD, SECRETS_FIELD]).one_of(&[&["secret", "secrets"]]),
        },
        Variant {
            word: "hmac",
            doc: "Any other HMAC, by its parts.",
            map: HMAC_SENT,
        },
        Variant {
            word: "aws-sigv4",
            doc: "AWS Signature Version 4.",
            map: Map::new(AWS_FIELDS),
        },
    ],
});

const ACCESS_KEY: Field =
    Field::required("access-key", &AWS_NAME, "The id of the access key.").example("AKIDEXAMPLE");
const SECRET_KEY: Field = Field::required("secret-key", &SECRET, "The secret access key.")
    .example("\"${env:AWS_SECRET_ACCESS_KEY}\"");
const SESSION_TOKEN: Field = Field::optional(
    "session-token",
    &SECRET,
    "The session token of a role's key.",
)
.example("\"${file:session-token}\"");

const AWS_FIELDS: &[Field] = &[
    ACCESS_KEY,
    SECRET_KEY,
    SESSION_TOKEN,
    Field::required("region", &AWS_NAME, "The region of the service.").example("eu-central-1"),
    Field::required("service", &AWS_NAME, "The service, as in its host name.")
        .example("execute-api"),
];
static TO: Shape = Shape::Map(
    Map::new(&[
        Field::optional(
            "sqs",
            &SQS,
            "A queue of SQS. Its name tells whether it is FIFO.",
        ),
        Field::optional("event-bridge", &EVENT_BRIDGE, "A bus of EventBridge."),
    ])
    .one_of(&[&["sqs", "event-bridge"]]),
);

static SQS: Shape = Shape::Map(Map::new(&[
    Field::required(
        "queue-url",
        &QUEUE_URL,
        "The URL of the queue, as AWS shows it.",
    )
    .example("\"https://sqs.eu-central-1.amazonaws.com/111122223333/orders\""),
    Field::optional(
        "region",
        &REGION,
        "The region of the queue. Needed only if the URL does not tell it.",
    )
    .example("eu-central-1"),
    ACCESS_KEY,
    SECRET_KEY,
    SESSION_TOKEN,
    Field::empty(
        "attributes",
        &ATTRIBUTES,
        "Attributes of the message, each value an expression. Null leaves the attribute out. One \
         more, which `idempotency.header` names, has the key that tells a repeat.",
    )
    .example("{ type: .type }"),
    Field::optional(
        "body",
        &JQ,
        "The text of the message. By default the event's data as it is. `.` is the event as \
         CloudEvents JSON.",
    )
    .example("'{ id: .data.id, total: .data.total }'"),
]));
static QUEUE_URL: Shape = Shape::Scalar(Scalar::Url);
static REGION: Shape = Shape::Scalar(Scalar::Name);
/// SQS takes ten; one has the idempotency key.
static ATTRIBUTES: Shape = Shape::Named(Named {
    what: "attribute",
    value: &JQ,
    most: 9,
});

static EVENT_BRIDGE: Shape = Shape::Map(Map::new(&[
    Field::required("bus", &AWS_TEXT, "The name of the bus, or its ARN.").example("orders"),
    Field::required(
        "source",
        &AWS_TEXT,
        "What entries name as their source; rules match it.",
    )
    .example("com.example.orders"),
    Field::required("region", &REGION, "The region of the bus.").example("eu-central-1"),
    ACCESS_KEY,
    SECRET_KEY,
    SESSION_TOKEN,
    Field::optional(
        "body",
        &JQ,
        "The entry's detail, a JSON object. By default the event's data as it is. `.` is the event \
         as CloudEvents JSON. The entry's `detail-type` is the event's type.",
    )
    .example("'{ id, total: .data.total }'"),
]));
static AWS_TEXT: Shape = Shape::Scalar(Scalar::Text { most: 1600 });

static AWS_NAME: Shape = Shape::Scalar(Scalar::Text { most: 128 });

static RETRY: Shape = Shape::Map(Map::new(&[
    Field::optional(
        "schedule",
        &SCHEDULE,
        "The delay before each attempt, the first one included; each is lengthened by chance, so that \
         many events do not come back at once. Only attempts that failed because of the event count. \
         When all have failed it is set aside.",
    )
    .default("[0s, 5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h]"),
    Field::optional(
        "retry-after-max",
        &RETRY_AFTER,
        "A longer `Retry-After` is cut to this, so that one answer cannot stop a flow for good.",
    )
    .default("1h"),
]));
static SCHEDULE: Shape = Shape::List(List {
    item: &DELAY,
    least: 1,
    most: 32,
});
static DELAY: Shape = Shape::Scalar(Scalar::Duration {
    least: Duration::ZERO,
    most: Duration::from_secs(DAY.as_secs() * 30),
});
static RETRY_AFTER: Shape = Shape::Scalar(Scalar::Duration {
    least: SECOND,
    most: DAY,
});
static TIMEOUT: Shape = Shape::Scalar(Scalar::Duration {
    least: Duration::from_millis(100),
    most: Duration::from_secs(300),
});

static CLASSIFY: Shape = Shape::Named(Named {
    what: "status",
    value: &CLASS,
    most: RULES_MAX,
});
static CLASS: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("delivered", "done"),
    Word::new("retry", "about the event, and may pass: the attempt counts"),
    Word::new("reject", "about the event, and final: it is set aside"),
    Word::new("endpoint-down", "about the endpoint: the breaker counts it"),
    Word::new(
        "throttle",
        "the endpoint wants less: `Retry-After` is obeyed",
    ),
    Word::new(
        "gone",
        "the endpoint is gone for good: the flow stops until it is resumed",
    ),
]));

static BREAKER: Shape = Shape::Map(Map::new(&[
    Field::optional("failures", &COUNT, "So many failures in a row open it.").default("5"),
    Field::optional("percent", &PERCENT, "This share of failures within `window` opens it.")
        .default("70"),
    Field::optional("answers", &COUNT, "Answers within `window` for the share to count.").default("20"),
    Field::optional("window", &WINDOW, "The time that `percent` looks at.").default("30s"),
    Field::optional(
        "open-min",
        &OPEN,
        "How long it stays open the first time; then one request probes. Doubled with each that fails.",
    )
    .default("5s"),
    Field::optional("open-max", &OPEN, "How long it stays open at most.").default("60s"),
]));
static COUNT: Shape = Shape::Scalar(Scalar::Integer {
    least: 1,
    most: 10_000,
});
static PERCENT: Shape = Shape::Scalar(Scalar::Integer {
    least: 1,
    most: 100,
});
static WINDOW: Shape = Shape::Scalar(Scalar::Duration {
    least: SECOND,
    most: HOUR,
});
static OPEN: Shape = Shape::Scalar(Scalar::Duration {
    least: Duration::from_millis(100),
    most: DAY,
});

static BATCH: Shape = Shape::Map(Map::new(&[
    Field::required("events", &BATCH_EVENTS, "Events of one request at most.").example("100"),
    Field::optional(
        "bytes",
        &BATCH_BYTES,
        "Bytes of data of one request at most; one event may be larger.",
    )
    .default("1MiB"),
    Field::optional(
        "wait",
        &BATCH_WAIT,
        "How long the first event waits for more.",
    )
    .default("1s"),
]));
static BATCH_EVENTS: Shape = Shape::Scalar(Scalar::Integer {
    least: 2,
    most: 1000,
});
static PARK: Shape = Shape::Map(Map::new(&[
    Field::optional("quota", &QUOTA, "The most disk it takes, besides the log.").default("1GiB"),
    Field::optional("on-full", &ON_FULL, "What happens when that is taken.").default("hold"),
]));
static QUOTA: Shape = Shape::Scalar(Scalar::Bytes {
    least: 16 * MIB,
    most: TIB,
});
static ON_FULL: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new(
        "hold",
        "the log keeps what has no room, until it is full too and refuses new events",
    ),
    Word::new(
        "discard",
        "what has no room is given up, and the timeline says how many events and where they stood",
    ),
]));

static BATCH_BYTES: Shape = Shape::Scalar(Scalar::Bytes {
    least: KIB,
    most: 8 * MIB,
});
static BATCH_WAIT: Shape = Shape::Scalar(Scalar::Duration {
    least: MILLISECOND,
    most: HOUR,
});

static RATE: Shape = Shape::Map(Map::new(&[
    Field::required(
        "requests",
        &RATE_REQUESTS,
        "Requests within the time that `per` says.",
    )
    .example("50"),
    Field::optional(
        "per",
        &RATE_PER,
        "The time in which so many requests may go; they go evenly.",
    )
    .default("1s"),
    Field::optional(
        "burst",
        &RATE_BURST,
        "Requests that may go at once after a pause.",
    )
    .default("1"),
]));
static RATE_REQUESTS: Shape = Shape::Scalar(Scalar::Integer {
    least: 1,
    most: 1_000_000,
});
static RATE_PER: Shape = Shape::Scalar(Scalar::Duration {
    least: SECOND,
    most: DAY,
});
static RATE_BURST: Shape = Shape::Scalar(Scalar::Integer {
    least: 1,
    most: 10_000,
});

/// Requests of one flow under way: each holds a connection of its own.
static CONCURRENCY: Shape = Shape::Scalar(Scalar::Integer {
    least: 1,
    most: 1000,
});
