//! `verify`: signature schemes and credentials.

use super::super::{Field, Map, Scalar, Shape, Tagged, Variant, Word};
use super::{DAY, SECOND, SECRET, SECRETS};

pub(super) static VERIFY: Shape = Shape::Tagged(Tagged {
    tag: "scheme",
    doc: "How a request proves that it is genuine. The word alone is short for `{ scheme: … }`.",
    variants: &[
        Variant {
            word: "standard-webhooks",
            doc: "Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`. A \
                  secret is `whsec_…` (HMAC) or `whpk_…` (Ed25519 public key).",
            map: TIMED,
        },
        Variant {
            word: "svix",
            doc: "Svix: as Standard Webhooks with the headers `svix-*`.",
            map: TIMED,
        },
        Variant {
            word: "github",
            doc: "GitHub: `x-hub-signature-256`.",
            map: PLAIN,
        },
        Variant {
            word: "stripe",
            doc: "Stripe: `stripe-signature`. The secret with its `whsec_`.",
            map: TIMED,
        },
        Variant {
            word: "shopify",
            doc: "Shopify: `x-shopify-hmac-sha256`. The secret of the app.",
            map: PLAIN,
        },
        Variant {
            word: "slack",
            doc: "Slack: `x-slack-signature`. The signing secret of the app; its URL verification \
                  is answered.",
            map: TIMED,
        },
        Variant {
            word: "hmac",
            doc: "Any other HMAC, by its parts.",
            map: HMAC,
        },
        Variant {
            word: "basic",
            doc: "User and password (RFC 7617).",
            map: BASIC,
        },
        Variant {
            word: "bearer",
            doc: "A token in `authorization: Bearer` (RFC 6750).",
            map: BEARER,
        },
        Variant {
            word: "api-key",
            doc: "A key in a header or query parameter of its own.",
            map: API_KEY,
        },
        Variant {
            word: "none",
            doc: "Nothing: whoever reaches the path is believed. For tests, and where the network \
                  or client certificates keep others out.",
            map: Map::new(&[]),
        },
    ],
});

pub(super) const SECRET_FIELD: Field =
    Field::optional("secret", &SECRET, "The secret shared with the other side.")
        .example("\"${env:WEBHOOK_SECRET}\"");

pub(super) const SECRETS_FIELD: Field = Field::optional(
    "secrets",
    &SECRETS,
    "Several secrets instead of one, to change it without losing a request.",
)
.example("[\"${env:NEW_SECRET}\", \"${env:OLD_SECRET}\"]");

const TOLERANCE_FIELD: Field = Field::optional(
    "tolerance",
    &TOLERANCE,
    "How far the time of signing may be from now, either way. Higher forgives clocks that are off \
     and late deliveries, and lets a captured request be replayed for longer.",
)
.default("300s");

static TOLERANCE: Shape = Shape::Scalar(Scalar::Duration {
    least: SECOND,
    most: DAY,
});

const PLAIN: Map = Map::new(&[SECRET_FIELD, SECRETS_FIELD]).one_of(&[&["secret", "secrets"]]);

const TIMED: Map =
    Map::new(&[SECRET_FIELD, SECRETS_FIELD, TOLERANCE_FIELD]).one_of(&[&["secret", "secrets"]]);

static HEADER: Shape = Shape::Scalar(Scalar::Header);
static SHORT_TEXT: Shape = Shape::Scalar(Scalar::Text { most: 64 });
static TEMPLATE: Shape = Shape::Scalar(Scalar::Text { most: 256 });

const HMAC_FIELDS: &[Field] = &[
    Field::required("header", &HEADER, "The header with the signature.").example("x-signature"),
    SECRET_FIELD,
    SECRETS_FIELD,
    Field::optional("algorithm", &ALGORITHM, "The hash of the HMAC.").default("sha256"),
    Field::optional("encoding", &ENCODING, "How the signature is written.").default("hex"),
    Field::optional(
        "prefix",
        &SHORT_TEXT,
        "What stands before the signature.",
    )
    .example("sha256="),
    Field::optional(
        "template",
        &TEMPLATE,
        "What is signed: text with `{body}`, `{timestamp}`, `{id}`, `{method}`, `{path}`, `{query}`, \
         `{header:NAME}`.",
    )
    .default("'{body}'")
    .example("'{timestamp}.{body}'"),
    Field::optional(
        "timestamp-header",
        &HEADER,
        "The header with the time of signing. Without a time nothing prevents replays.",
    )
    .example("x-timestamp"),
    Field::optional(
        "timestamp-key",
        &SHORT_TEXT,
        "The key of the time of signing in a signature header that is a list.",
    )
    .example("t"),
    Field::optional(
        "list-key",
        &SHORT_TEXT,
        "For a signature header that is a list `key=value,key=value`: the key of the signatures.",
    )
    .example("v1"),
    Field::optional(
        "id-header",
        &HEADER,
        "The header with the sender's id of the event; it must be signed.",
    )
    .example("x-event-id"),
    TOLERANCE_FIELD,
];

const HMAC: Map = Map::new(HMAC_FIELDS).one_of(&[&["secret", "secrets"]]);

/// The same for requests of ours: whoever takes them decides on the tolerance, which stands last.
pub(super) const HMAC_SENT: Map = Map::new(match HMAC_FIELDS.split_last() {
    Some((_, fields)) => fields,
    None => &[],
})
.one_of(&[&["secret", "secrets"]]);

static ALGORITHM: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("sha256", ""),
    Word::new("sha512", ""),
    Word::new("sha1", "only where a sender knows nothing better"),
]));

static ENCODING: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("hex", ""),
    Word::new("base64", ""),
]));

const BASIC_FIELDS: &[Field] = &[
    Field::required("user", &USER, "The user name.").example("partner"),
    Field::optional("password", &SECRET, "The password.").example("\"${env:PARTNER_PASSWORD}\""),
    Field::optional("passwords", &SECRETS, "Several passwords instead of one."),
];

const BASIC: Map = Map::new(BASIC_FIELDS).one_of(&[&["password", "passwords"]]);

static USER: Shape = Shape::Scalar(Scalar::Text { most: 128 });

const BEARER_FIELDS: &[Field] = &[
    Field::optional("token", &SECRET, "The token.").example("\"${env:PARTNER_TOKEN}\""),
    Field::optional("tokens", &SECRETS, "Several tokens instead of one."),
];

const BEARER: Map = Map::new(BEARER_FIELDS).one_of(&[&["token", "tokens"]]);

const API_KEY_FIELDS: &[Field] = &[
    Field::optional("header", &HEADER, "The header with the key.").example("x-api-key"),
    Field::optional(
        "query",
        &SHORT_TEXT,
        "The query parameter with the key. Proxies log queries, so a header is better.",
    )
    .example("api_key"),
    Field::optional("key", &SECRET, "The key.").example("\"${env:PARTNER_KEY}\""),
    Field::optional("keys", &SECRETS, "Several keys instead of one."),
];

const API_KEY: Map = Map::new(API_KEY_FIELDS).one_of(&[&["header", "query"], &["key", "keys"]]);
