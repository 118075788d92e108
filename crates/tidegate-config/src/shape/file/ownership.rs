//! What flows say about several regions: who acts, and when what they did counts as safe.

use super::super::{Field, Scalar, Shape, Word};
use super::{DAY, MINUTE};

pub(super) const ON_PARTITION: Field = Field::optional(
    "on-partition",
    &ON_PARTITION_WORDS,
    "What the regions do where nothing settles who acts: no `lease` store, or none of them reaches it. \
     Has no effect with one region.",
)
.default("hold");

pub(super) const STABLE_FOR: Field = Field::optional(
    "stable-for",
    &STABLE_FOR_BOUNDS,
    "How long a region that came back must do well before it gets its work back. Shorter returns sooner, \
     and moves more often while a region comes and goes.",
)
.default("10m");

pub(super) const DURABILITY: Field = Field::optional(
    "durability",
    &DURABILITY_WORDS,
    "What must have happened before the other side is told that an event is safe: by default what \
     `log.durability` says.",
);

static ON_PARTITION_WORDS: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new(
        "hold",
        "only the region that comes first for the work does it, until an operator pins another",
    ),
    Word::new(
        "takeover",
        "a region that sees the others down does their work; two may do the same while they do not see each other",
    ),
]));

static STABLE_FOR_BOUNDS: Shape = Shape::Scalar(Scalar::Duration {
    least: MINUTE,
    most: DAY,
});

pub(super) static DURABILITY_WORDS: Shape = Shape::Scalar(Scalar::Word(&[
    Word::new("local", "the event is synced to this region's disk"),
    Word::new("remote", "it is also on disk in another region"),
]));

/// The most key shards of a flow: each is a record that moves, and one region acts for many of them.
pub(super) const SHARDS_MAX: u64 = 1024;

pub(super) static SHARDS: Shape = Shape::Scalar(Scalar::Integer {
    least: 1,
    most: SHARDS_MAX,
});

pub(super) static FLAG: Shape = Shape::Scalar(Scalar::Flag);
