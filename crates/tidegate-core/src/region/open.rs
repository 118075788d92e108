//! Flows without an owner: receiving and serving, which every healthy region does.

use super::shard::{RegionId, RegionSet};

/// What an open flow does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenVerb {
    /// They call us with events.
    Receive {
        /// An answer 2xx needs the event in another region too.
        remote: bool,
    },
    /// They fetch events from us.
    Serve,
}

/// What is configured of an open flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpenConfig {
    /// What it does.
    pub verb: OpenVerb,
    /// The regions the flow's data may be in.
    pub allowed: RegionSet,
}

/// What a region knows when it is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OpenView {
    /// The own hub takes and syncs events.
    pub writable: bool,
    /// The own hub and its mirrors can be read.
    pub readable: bool,
    /// A peer confirms what is written here, or the flow may go on without (`on-lag: degrade`).
    pub confirmed: bool,
    /// The regions that are up.
    pub up: RegionSet,
    /// The regions that operators want empty.
    pub drained: RegionSet,
}

/// What a region does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenDecision {
    /// Take, or give, what is asked for.
    Accept,
    /// Answer 503 with `Retry-After` at once, so that the caller's next try goes elsewhere.
    Refuse(OpenRefusal),
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum OpenRefusal {
    /// The flow's data may not be in this region.
    #[error("the flow is not allowed in this region")]
    NotAllowed,
    /// The hub does not take events.
    #[error("this region cannot write")]
    NotWritable,
    /// The hub cannot be read.
    #[error("this region cannot read its logs")]
    NotReadable,
    /// The event would be in this region only.
    #[error("no other region confirms what is written here")]
    NotConfirmed,
    /// An operator wants the region empty.
    #[error("this region is being drained")]
    Drained,
}

/// Whether the region `me` answers a call of an open flow.
///
/// It asks what the region can do and not whether its probe passes: an event that can be kept is
/// better kept than sent away, perhaps to nowhere. For the same reason a drain is obeyed only while
/// another region that may answer is up and not drained.
#[must_use]
pub fn open(config: &OpenConfig, view: &OpenView, me: RegionId) -> OpenDecision {
    use OpenRefusal as Why;
    let able = match config.verb {
        OpenVerb::Receive { .. } if !view.writable => Err(Why::NotWritable),
        OpenVerb::Receive { remote: true } if !view.confirmed => Err(Why::NotConfirmed),
        OpenVerb::Serve if !view.readable => Err(Why::NotReadable),
        OpenVerb::Receive { .. } | OpenVerb::Serve => Ok(()),
    };
    let others = config.allowed.and(view.up).without(me);
    let refusal = if !config.allowed.contains(me) {
        Some(Why::NotAllowed)
    } else if let Err(why) = able {
        Some(why)
    } else if view.drained.contains(me) && !others.is_within(view.drained) {
        Some(Why::Drained)
    } else {
        None
    };
    refusal.map_or(OpenDecision::Accept, OpenDecision::Refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: RegionId = RegionId::new(0).expect("0 is below 16");
    const B: RegionId = RegionId::new(1).expect("1 is below 16");

    fn config(verb: OpenVerb) -> OpenConfig {
        OpenConfig {
            verb,
            allowed: RegionSet::ALL,
        }
    }

    fn well() -> OpenView {
        OpenView {
            writable: true,
            readable: true,
            confirmed: true,
            up: RegionSet::EMPTY.with(A).with(B),
            drained: RegionSet::EMPTY,
        }
    }

    #[test]
    fn a_flow_is_refused_exactly_for_what_it_needs() {
        let receive = OpenVerb::Receive { remote: false };
        let remote = OpenVerb::Receive { remote: true };
        let (no_write, no_read, no_peer) = (
            OpenView {
                writable: false,
                ..well()
            },
            OpenView {
                readable: false,
                ..well()
            },
            OpenView {
                confirmed: false,
                ..well()
            },
        );
        let refuse = OpenDecision::Refuse;
        let cases = [
            (receive, well(), OpenDecision::Accept),
            (receive, no_write, refuse(OpenRefusal::NotWritable)),
            (receive, no_read, OpenDecision::Accept),
            (receive, no_peer, OpenDecision::Accept),
            (remote, well(), OpenDecision::Accept),
            (remote, no_write, refuse(OpenRefusal::NotWritable)),
            (remote, no_peer, refuse(OpenRefusal::NotConfirmed)),
            (OpenVerb::Serve, no_write, OpenDecision::Accept),
            (OpenVerb::Serve, no_peer, OpenDecision::Accept),
            (OpenVerb::Serve, no_read, refuse(OpenRefusal::NotReadable)),
        ];
        for (verb, view, expected) in cases {
            assert_eq!(open(&config(verb), &view, A), expected, "{verb:?} {view:?}");
        }
    }

    #[test]
    fn the_own_probe_does_not_turn_callers_away() {
        let view = OpenView {
            up: RegionSet::EMPTY.with(B),
            ..well()
        };
        let receive = config(OpenVerb::Receive { remote: false });
        assert_eq!(open(&receive, &view, A), OpenDecision::Accept);
    }

    #[test]
    fn a_drain_is_obeyed_only_while_another_region_may_answer() {
        let serve = config(OpenVerb::Serve);
        let drained = OpenView {
            drained: RegionSet::EMPTY.with(A),
            ..well()
        };
        let refused = OpenDecision::Refuse(OpenRefusal::Drained);
        assert_eq!(open(&serve, &drained, A), refused);
        assert_eq!(open(&serve, &drained, B), OpenDecision::Accept);

        let alone = OpenView {
            up: RegionSet::EMPTY.with(A),
            ..drained
        };
        assert_eq!(open(&serve, &alone, A), OpenDecision::Accept);
        let both = OpenView {
            drained: drained.drained.with(B),
            ..drained
        };
        assert_eq!(open(&serve, &both, A), OpenDecision::Accept);
        let only_here = OpenConfig {
            allowed: RegionSet::EMPTY.with(A),
            ..serve
        };
        assert_eq!(open(&only_here, &drained, A), OpenDecision::Accept);
    }

    #[test]
    fn data_never_goes_where_it_may_not_be() {
        let elsewhere = OpenConfig {
            allowed: RegionSet::EMPTY.with(B),
            ..config(OpenVerb::Serve)
        };
        let refused = OpenDecision::Refuse(OpenRefusal::NotAllowed);
        assert_eq!(open(&elsewhere, &well(), A), refused);
    }
}
