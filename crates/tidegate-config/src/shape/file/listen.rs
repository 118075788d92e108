//! `listen`: addresses, TLS, the admin token.

use super::super::{Field, Map, Scalar, Shape, Word};
use super::{FILE_PATH, SECRET, SECRETS};

pub(super) static LISTEN: Shape = Shape::Map(Map::new(&[
    Field::empty(
        "public",
        &PUBLIC,
        "Where external systems and your own services reach the gateway. An address alone is \
         short for `{ address: … }`.",
    )
    .example("0.0.0.0:7400"),
    Field::empty(
        "admin",
        &ADMIN,
        "Where operators, the command line, probes and metrics reach it. An address alone is short \
         for `{ address: … }`.",
    )
    .example("127.0.0.1:7401"),
    Field::optional(
        "peer",
        &PEER,
        "Where the other regions of the subsystem read this region's log; `regions.NAME.peer` says how they \
         get there. Without it this region neither gives its log nor follows those of others.",
    ),
]));

static ADDRESS: Shape = Shape::Scalar(Scalar::Address);

static PUBLIC: Shape = Shape::Map(
    Map::new(&[
        Field::optional(
            "address",
            &ADDRESS,
            "IP address and port; `0.0.0.0` or `[::]` for all addresses of the machine, port 0 for \
             any free one.",
        )
        .default("127.0.0.1:7400"),
        Field::optional("tls", &TLS, TLS_DOC),
    ])
    .short("address"),
);

static ADMIN: Shape = Shape::Map(
    Map::new(&[
        Field::optional(
            "address",
            &ADDRESS,
            "IP address and port. Beyond loopback a token is required.",
        )
        .default("127.0.0.1:7401"),
        Field::optional(
            "token",
            &SECRET,
            "The bearer token that callers must present. Without it everybody on this machine is \
             served.",
        )
        .example("\"${env:TIDEGATE_ADMIN_TOKEN}\""),
        Field::optional("tls", &TLS, TLS_DOC),
    ])
    .short("address"),
);

static PEER: Shape = Shape::Map(Map::new(&[
    Field::optional(
        "address",
        &ADDRESS,
        "IP address and port. One of its own: nothing else is served there.",
    )
    .default("127.0.0.1:7402"),
    Field::optional(
        "tls",
        &PEER_TLS,
        "How regions prove who they are, here and where this region asks others. Read again for each new \
         connection.",
    ),
    Field::optional(
        "danger-plain",
        &DANGER_PLAIN,
        "Does without `tls`: whoever reaches the address can read the whole log in the name of any region. \
         For tests and trials on one machine.",
    ),
]));

static DANGER_PLAIN: Shape = Shape::Scalar(Scalar::Word(&[Word::new(
    "on-loopback",
    "plain HTTP between processes of this machine",
)]));

static PEER_TLS: Shape = Shape::Map(Map::new(&[
    Field::required(
        "cert",
        &FILE_PATH,
        "PEM file with this region's certificate, then its intermediates. It is shown to who asks and to \
         who is asked, so it must be good for both sides, and be for the host in this region's `peer` \
         address.",
    )
    .example("tls/region.pem"),
    Field::required("key", &FILE_PATH, "PEM file with the private key.")
        .example("tls/region-key.pem"),
    Field::required(
        "client-ca",
        &FILE_PATH,
        "PEM file with the authorities that issue the certificates of all regions; no others are believed.",
    )
    .example("tls/regions.pem"),
]));

/// Tokens of services use the same list.
pub(super) static TOKENS: &Shape = &SECRETS;

const TLS_DOC: &str = "TLS for this listener; without it, it speaks plain HTTP. Certificate and \
                       key are read again when the files change.";

static TLS: Shape = Shape::Map(Map::new(&[
    Field::required(
        "cert",
        &FILE_PATH,
        "PEM file with the certificate, then its intermediates.",
    )
    .example("tls/cert.pem"),
    Field::required("key", &FILE_PATH, "PEM file with the private key.").example("tls/key.pem"),
    Field::optional(
        "client-ca",
        &FILE_PATH,
        "PEM file with the authorities whose client certificates are taken (mTLS). Without it no \
         certificate is asked for.",
    )
    .example("tls/clients.pem"),
    Field::optional(
        "client-auth",
        &CLIENT_AUTH,
        "Whether a client must present a certificate. No effect without `client-ca`.",
    )
    .default("required"),
]));

static CLIENT_AUTH: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("required", "connections without a certificate are refused"),
    Word::new("optional", "a certificate is checked if one is presented"),
]));
