//! What flows say about several regions.

use super::Decoder;
use crate::config::{Durability, Idempotency, OnPartition, Order, Ownership, Sharding};
use crate::diagnostic::{Code, Problem};
use crate::shape::Fields;

/// Slices of the keys of a flow, if it does not say.
const SHARDS_DEFAULT: u64 = 16;

pub(super) fn ownership(fields: &Fields) -> Option<Ownership> {
    Some(Ownership {
        on_partition: match fields.word("on-partition")? {
            "takeover" => OnPartition::Takeover,
            _ => OnPartition::Hold,
        },
        stable_for: fields.duration("stable-for")?,
    })
}

/// What `fields` says of durability, else what holds for the whole; `None` if that is broken.
pub(super) fn durability(fields: &Fields, whole: Option<Durability>) -> Option<Durability> {
    match fields.get("durability") {
        None => whole,
        Some(_) => fields.word("durability").map(of_word),
    }
}

pub(super) fn of_word(word: &str) -> Durability {
    match word {
        "remote" => Durability::Remote,
        _ => Durability::Local,
    }
}

impl Decoder<'_> {
    pub(super) fn sharding(&mut self, deliver: &Fields, order: Order) -> Option<Sharding> {
        let homed = match deliver.get("homed") {
            None => false,
            Some(_) => deliver.flag("homed")?,
        };
        let by_keys = order == Order::PerKey && !homed;
        if !by_keys && deliver.get("shards").is_some() {
            let why = if homed { "`homed`" } else { "this `order`" };
            self.contradicts(
                deliver,
                "shards",
                &format!("`shards` has no effect with {why}"),
            );
        }
        if homed && order == Order::Total {
            self.contradicts(
                deliver,
                "homed",
                "`homed` has no effect with `order: total`, which one region keeps",
            );
        }
        Some(match order {
            Order::Total => Sharding::Whole,
            _ if !by_keys => Sharding::Origins,
            _ => {
                let shards = match deliver.get("shards") {
                    None => SHARDS_DEFAULT,
                    Some(_) => deliver.integer("shards")?,
                };
                Sharding::Keys(u16::try_from(shards).ok()?)
            }
        })
    }

    pub(super) fn idempotency(&mut self, deliver: &Fields) -> Option<Idempotency> {
        let fields = deliver.fields("idempotency")?;
        let of_keys = ["ttl", "scope"]
            .into_iter()
            .find(|key| fields.get(key).is_some());
        let by = match (fields.get("by"), of_keys) {
            (Some(_), _) => fields.word("by")?,
            (None, Some(_)) => "key",
            (None, None) => "nothing",
        };
        if let Some(key) = of_keys.filter(|_| by != "key") {
            let what = format!("`{key}` is about keys, and `by` says `{by}`");
            self.contradicts(fields, key, &what);
        }
        Some(match by {
            "natural" => Idempotency::Natural,
            "key" => Idempotency::Key {
                ttl: fields.duration("ttl"),
                global: fields.word("scope") == Some("global"),
            },
            _ => Idempotency::Nothing,
        })
    }

    /// Reports a key that cannot hold beside others.
    pub(super) fn contradicts(&mut self, fields: &Fields, key: &str, what: &str) {
        self.report(
            Problem::new(Code::Contradiction, fields.span_of(key), what)
                .label("has no effect")
                .help(format!("remove `{key}`")),
        );
    }
}
