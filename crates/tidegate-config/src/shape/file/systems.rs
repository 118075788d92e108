//! `systems`: what the other side is like.

use std::time::Duration;

use super::super::{Field, List, Map, Named, Scalar, Shape, Word};
use super::{DAY, ENDPOINTS_MAX, FILE_PATH, JQ, NAME, NAMES, SECOND, SECRET, SYSTEMS_MAX};

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
        "The regions of yours that have a line to it; the others never call it. Only for `on-premises`, \
         and by default all.",
    )
    .example("[us-east-1]"),
    Field::optional(
        "allowed-regions",
        &NAMES,
        "The only regions of yours that may exchange events with it, for data that must not leave a \
         place. By default all.",
    )
    .example("[eu-central-1, eu-west-1]"),
    Field::optional("topology", &TOPOLOGY, "How it is built on its side.").default("single"),
    Field::optional(
        "mode",
        &MODE,
        "How active endpoints divide the work. Only for `active-active`, and by default `shared`.",
    ),
    Field::optional(
        "their-rpo",
        &RPO,
        "How much of the past it may lose when another of its endpoints takes over. What was delivered \
         within that time is sent again then, with the same keys.",
    )
    .example("30s"),
    Field::optional(
        "their-retry-horizon",
        &RETRY_HORIZON,
        "How long it sends a webhook again, or lists it, when it was not accepted. `0s` if it sends once.",
    )
    .example("3d"),
    Field::empty(
        "endpoints",
        &ENDPOINTS,
        "Its endpoints by name. Of a `primary-secondary` system the first one is the primary as long as \
         nothing else is known.",
    ),
    Field::optional("url", &URL, "Its base URL, if it has one endpoint; short for `endpoints: { main: … }`.")
        .example("https://crm.example/api"),
    Field::optional(
        "auth",
        &AUTH,
        "How you prove yourself to it, besides a certificate (`tls`) and a signature (`sign` of a flow).",
    )
    .example("{ bearer: { token: \"${env:CRM_TOKEN}\" } }"),
    Field::optional("tls", &TLS, "Certificates towards it.").example("{ ca: tls/crm-ca.pem }"),
    Field::optional(
        "proxy",
        &PROXY,
        "A forward proxy on the way to it. Only a proxy at `http://` is possible; `https` systems are \
         reached through a tunnel.",
    )
    .example("http://proxy.example:3128"),
    Field::empty(
        "private-ranges",
        &RANGES,
        "Ranges of addresses that are not public and may be connected to all the same. Without them \
         loopback, private and link-local addresses are refused, whatever the name resolves to.",
    )
    .example("[10.20.0.0/16]"),
    Field::empty(
        "ports",
        &PORTS,
        "Ports below 1024 besides 80 and 443 that may be connected to.",
    )
    .example("[81]"),
    Field::optional(
        "role-probe",
        &ROLE_PROBE,
        "How its active endpoint is found. Only for `primary-secondary`. Without it a promotion is seen \
         only when an operator pins the new primary.",
    )
    .example("{ path: /status, active: '.role == \"primary\"' }"),
    Field::not_yet("limits", "Rates that several flows share."),
]));

static AUTH: Shape = Shape::Map(Map::new(&[
    Field::optional(
        "oauth2",
        &OAUTH2,
        "OAuth 2.0 client credentials (RFC 6749, section 4.4): a token, kept until shortly before its \
         end.",
    ),
    Field::optional("basic", &BASIC_SHOWN, "User and password (RFC 7617)."),
    Field::optional("bearer", &BEARER_SHOWN, "A token in `authorization: Bearer` (RFC 6750)."),
    Field::optional("api-key", &API_KEY_SHOWN, "A key in a header or query parameter of its own."),
])
.one_of(&[&["oauth2", "basic", "bearer", "api-key"]]));

static OAUTH2: Shape = Shape::Map(Map::new(&[
    Field::required("token-url", &URL, "Where tokens are issued.")
        .example("https://login.crm.example/oauth2/token"),
    Field::required("client-id", &SHORT, "Your name there.").example("tidegate"),
    Field::required("client-secret", &SECRET, "Your secret there.")
        .example("\"${env:CRM_CLIENT_SECRET}\""),
    Field::optional(
        "client-in",
        &CLIENT_IN,
        "Where the two stand in the request.",
    )
    .default("header"),
    Field::optional("scope", &LONG, "What the token is to be good for.").example("orders.write"),
    Field::optional("audience", &LONG, "Whom it is to be good for.").example("https://crm.example"),
]));

static CLIENT_IN: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new(
        "header",
        "in `authorization: Basic`, which every server must take",
    ),
    Word::new("body", "in the form"),
]));

static BASIC_SHOWN: Shape = Shape::Map(Map::new(&[
    Field::required("user", &SHORT, "The user name.").example("tidegate"),
    Field::required("password", &SECRET, "The password.").example("\"${env:CRM_PASSWORD}\""),
]));

static BEARER_SHOWN: Shape =
    Shape::Map(Map::new(&[
        Field::required("token", &SECRET, "The token.").example("\"${env:CRM_TOKEN}\"")
    ]));

static API_KEY_SHOWN: Shape = Shape::Map(
    Map::new(&[
        Field::optional("header", &HEADER, "The header with the key.").example("x-api-key"),
        Field::optional(
            "query",
            &SHORT,
            "The query parameter with the key. Proxies log queries, so a header is better.",
        )
        .example("api_key"),
        Field::required("key", &SECRET, "The key.").example("\"${env:CRM_API_KEY}\""),
    ])
    .one_of(&[&["header", "query"]]),
);

static TLS: Shape = Shape::Map(Map::new(&[
    Field::optional(
        "ca",
        &FILE_PATH,
        "PEM file of the authorities that are believed, instead of those of the public web.",
    )
    .example("tls/crm-ca.pem"),
    Field::optional(
        "cert",
        &FILE_PATH,
        "PEM file of your certificate chain, for mutual TLS.",
    )
    .example("tls/client.pem"),
    Field::optional("key", &FILE_PATH, "PEM file of its private key.")
        .example("tls/client-key.pem"),
]));

static PROXY: Shape = Shape::Map(
    Map::new(&[
        Field::required("url", &URL, "Its address.").example("http://proxy.example:3128"),
        Field::optional("user", &SHORT, "The user name there.").example("tidegate"),
        Field::optional("password", &SECRET, "The password there.")
            .example("\"${env:PROXY_PASSWORD}\""),
    ])
    .short("url"),
);

static SHORT: Shape = Shape::Scalar(Scalar::Text { most: 128 });
static LONG: Shape = Shape::Scalar(Scalar::Text { most: 1024 });
static HEADER: Shape = Shape::Scalar(Scalar::Header);

/// Most ranges and ports of a system; a longer list hides that all is open.
const EXCEPTIONS_MAX: usize = 32;

static RANGE: Shape = Shape::Scalar(Scalar::Cidr);
static RANGES: Shape = Shape::List(List {
    item: &RANGE,
    least: 0,
    most: EXCEPTIONS_MAX,
});
static PORT: Shape = Shape::Scalar(Scalar::Integer {
    least: 1,
    most: 65_535,
});
static PORTS: Shape = Shape::List(List {
    item: &PORT,
    least: 0,
    most: EXCEPTIONS_MAX,
});

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

static MODE: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("shared", "every endpoint takes and shows everything"),
    Word::new(
        "partitioned",
        "each endpoint has a part, or a log, of its own",
    ),
]));

static ROLE_PROBE: Shape = Shape::Map(Map::new(&[
    Field::required(
        "path",
        &PROBE_PATH,
        "What is asked at each endpoint, by `GET`.",
    )
    .example("/status"),
    Field::required(
        "active",
        &JQ,
        "Whether the endpoint that answered is the active one: jq over the body of the answer.",
    )
    .example("'.role == \"primary\"'"),
    Field::optional(
        "every",
        &PROBE_EVERY,
        "How often. A promotion is seen that much later at most.",
    )
    .default("5s"),
]));
static PROBE_PATH: Shape = Shape::Scalar(Scalar::RequestPath);
static PROBE_EVERY: Shape = Shape::Scalar(Scalar::Duration {
    least: SECOND,
    most: DAY,
});

static RETRY_HORIZON: Shape = Shape::Scalar(Scalar::Duration {
    least: Duration::ZERO,
    most: Duration::from_secs(DAY.as_secs() * 365),
});

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

pub(super) static URL: Shape = Shape::Scalar(Scalar::Url);
