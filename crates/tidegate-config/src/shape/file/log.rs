//! `log` and `limits`.

use std::time::Duration;

use super::super::{Field, Map, Scalar, Shape, Word};
use super::ownership::DURABILITY_WORDS;
use super::{DAY, GIB, HOUR, KIB, MIB, MINUTE, SECOND, TIB};

pub(super) static LOG: Shape = Shape::Map(Map::new(&[
    Field::optional(
        "keep",
        &KEEP,
        "How long events are kept at least, unless `size-max` is reached first. Longer lets \
         subscriptions lag and repeats be recognised for longer, and costs disk.",
    )
    .default("7d"),
    Field::optional(
        "size-max",
        &SIZE_MAX,
        "The most disk the log takes. When it is reached the oldest segments go early; when they \
         are still needed, new events are refused (503) until there is room.",
    )
    .default("10GiB"),
    Field::optional(
        "segment",
        &SEGMENT,
        "Size of one file of the log. The log is trimmed by whole segments: larger ones mean fewer \
         files and coarser trimming. Applies to segments that are begun after the change.",
    )
    .default("64MiB"),
    Field::optional(
        "durability",
        &DURABILITY_WORDS,
        "What must have happened before a sender is answered with success.",
    )
    .default("local"),
    Field::optional(
        "on-full",
        &ON_FULL,
        "What happens when disk or `size-max` is used up by what is still needed.",
    )
    .default("refuse"),
]));

static KEEP: Shape = Shape::Scalar(Scalar::Duration {
    least: HOUR,
    most: Duration::from_secs(DAY.as_secs() * 3650),
});

static SIZE_MAX: Shape = Shape::Scalar(Scalar::Bytes {
    least: 256 * MIB,
    most: 64 * TIB,
});

static SEGMENT: Shape = Shape::Scalar(Scalar::Bytes {
    least: MIB,
    most: GIB,
});

static ON_FULL: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("refuse", "new events are answered 503 with `Retry-After`"),
    Word::not_yet("trim-oldest", "the oldest events go, even if not read"),
]));

pub(super) static LIMITS: Shape = Shape::Map(Map::new(&[
    Field::optional(
        "body-max",
        &BODY_MAX,
        "The largest body of a request, before and after decompression; larger ones are answered \
         413. A flow may set its own. Raising it raises the memory that requests in flight can take.",
    )
    .default("1MiB"),
    Field::optional(
        "connections-max",
        &CONNECTIONS,
        "The most connections on a listener; further ones wait in the system's backlog.",
    )
    .default("1024"),
    Field::optional(
        "in-flight-max",
        &IN_FLIGHT,
        "The most requests that are worked on at a time; further ones are answered 503 with \
         `Retry-After`.",
    )
    .default("4096"),
    Field::optional(
        "queue-bytes-max",
        &QUEUE,
        "The most bytes of events that wait to be written; beyond it requests are answered 503. \
         Higher rides out longer stalls of the disk and takes that much memory.",
    )
    .default("64MiB"),
    Field::optional(
        "header-bytes-max",
        &HEADER_BYTES,
        "The largest head of a request; larger ones are answered 431.",
    )
    .default("32KiB"),
    Field::optional(
        "header-timeout",
        &SHORT_TIMEOUT,
        "How long the head of a request may take to arrive; slower connections are closed.",
    )
    .default("10s"),
    Field::optional(
        "request-timeout",
        &TIMEOUT,
        "How long a request may take from its head to its answer; then it is answered 408 (the body did not come) or 503.",
    )
    .default("30s"),
    Field::optional(
        "idle-timeout",
        &TIMEOUT,
        "How long a connection may wait for its next request before it is closed.",
    )
    .default("75s"),
    Field::optional(
        "drain-timeout",
        &TIMEOUT,
        "How long requests in flight may take to finish when the gateway stops. Keep it below the \
         grace period of whatever stops it (30 s in Kubernetes).",
    )
    .default("25s"),
]));

static BODY_MAX: Shape = Shape::Scalar(BODY_MAX_SCALAR);

/// A flow's own `body-max` has the same bounds.
pub(super) const BODY_MAX_SCALAR: Scalar = Scalar::Bytes {
    least: KIB,
    most: 32 * MIB,
};

static CONNECTIONS: Shape = Shape::Scalar(Scalar::Integer {
    least: 1,
    most: 65_536,
});

static IN_FLIGHT: Shape = Shape::Scalar(Scalar::Integer {
    least: 1,
    most: 65_536,
});

static QUEUE: Shape = Shape::Scalar(Scalar::Bytes {
    least: MIB,
    most: 4 * GIB,
});

static HEADER_BYTES: Shape = Shape::Scalar(Scalar::Bytes {
    least: 8 * KIB,
    most: MIB,
});

static SHORT_TIMEOUT: Shape = Shape::Scalar(Scalar::Duration {
    least: SECOND,
    most: MINUTE,
});

static TIMEOUT: Shape = Shape::Scalar(Scalar::Duration {
    least: SECOND,
    most: Duration::from_secs(600),
});
