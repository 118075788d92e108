//! `regions`: what each region of the subsystem has of its own.

use super::super::{Field, List, Map, Named, Scalar, Shape};
use super::systems::URL;
use super::{REGIONS_MAX, TAG};

/// Most ranges of addresses a region calls from; a partner has to enter each of them somewhere.
const EGRESS_MAX: usize = 16;

pub(super) static REGIONS: Shape = Shape::Named(Named {
    what: "region",
    value: &REGION,
    most: REGIONS_MAX,
});

static REGION: Shape = Shape::Map(Map::new(&[
    Field::optional(
        "account",
        &TAG,
        "Account of this region, where it differs from the one above.",
    ),
    Field::optional(
        "peer",
        &URL,
        "The address at which other regions read this region's log.",
    )
    .example("https://tidegate.us-east-1.example:7402"),
    Field::optional(
        "public",
        &URL,
        "The base URL at which external systems reach this region and no other. `plan --as` tells it \
         to partners.",
    )
    .example("https://us-east-1.events.orders.example"),
    Field::empty(
        "egress",
        &EGRESS,
        "The addresses this region calls from, which partners have to allow before a failover needs \
         them. `plan --as` tells them.",
    )
    .example("[203.0.113.7, 203.0.113.16/28]"),
]));

static EGRESS_RANGE: Shape = Shape::Scalar(Scalar::Cidr);
static EGRESS: Shape = Shape::List(List {
    item: &EGRESS_RANGE,
    least: 0,
    most: EGRESS_MAX,
});
