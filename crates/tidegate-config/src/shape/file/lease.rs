//! `lease`: the store in which regions agree on who acts.

use super::super::{Field, Map, Scalar, Shape};

pub(super) static LEASE: Shape = Shape::Map(
    Map::new(&[Field::required(
        "nats",
        &SERVER,
        "A NATS server with JetStream, `nats://` or `tls://`.",
    )
    .example("nats://witness.example:4222")])
    .short("nats"),
);

static SERVER: Shape = Shape::Scalar(Scalar::Text { most: 255 });
