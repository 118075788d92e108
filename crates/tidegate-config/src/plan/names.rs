//! What regions, endpoints, shards and disruptions are called.

use tidegate_core::plan::{Cause, Disruption, Which};
use tidegate_core::region::{EndpointId, RegionId};

/// The names of one flow's world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub(super) system: String,
    pub(super) regions: Vec<String>,
    pub(super) endpoints: Vec<String>,
}

impl Names {
    /// The external system.
    #[must_use]
    pub fn system(&self) -> &str {
        &self.system
    }

    /// A region.
    #[must_use]
    pub fn region(&self, region: RegionId) -> &str {
        self.regions.get(region.index()).map_or("?", String::as_str)
    }

    /// An endpoint, within its system.
    #[must_use]
    pub fn endpoint(&self, endpoint: EndpointId) -> &str {
        self.endpoints
            .get(endpoint.index())
            .map_or("?", String::as_str)
    }

    /// Which shards: `open`, `all`, `keys@REGION`, `origin@REGION` or `part:ENDPOINT`.
    #[must_use]
    pub fn shard(&self, which: Which) -> String {
        match which {
            Which::Open => "open".to_owned(),
            Which::Whole => "all".to_owned(),
            Which::Keys { first, .. } => format!("keys@{}", self.region(first)),
            Which::Origin(region) => format!("origin@{}", self.region(region)),
            Which::Part(endpoint) => format!("part:{}", self.endpoint(endpoint)),
        }
    }

    /// A disruption for programs: `none`, `region:R`, `endpoint:E`, `region:R+endpoint:E`, `path:R/E`,
    /// `apart:R`, `lease-cut:R` or `lease-down`; behind it `,before-promotion` or `,after-promotion`
    /// where that makes a difference.
    #[must_use]
    pub fn disruption(&self, disruption: Disruption) -> String {
        let (region, endpoint) = (|id| self.region(id), |id| self.endpoint(id));
        let cause = match disruption.cause {
            Cause::Nothing => "none".to_owned(),
            Cause::Region(it) => format!("region:{}", region(it)),
            Cause::Endpoint(it) => format!("endpoint:{}", endpoint(it)),
            Cause::Both(ours, theirs) => {
                format!("region:{}+endpoint:{}", region(ours), endpoint(theirs))
            }
            Cause::Path(ours, theirs) => format!("path:{}/{}", region(ours), endpoint(theirs)),
            Cause::Apart(it) => format!("apart:{}", region(it)),
            Cause::LeaseCut(it) => format!("lease-cut:{}", region(it)),
            Cause::LeaseDown => "lease-down".to_owned(),
        };
        let promotion = match disruption.promoted {
            None => "",
            Some(false) => ",before-promotion",
            Some(true) => ",after-promotion",
        };
        format!("{cause}{promotion}")
    }

    /// A disruption for people.
    #[must_use]
    pub fn told(&self, disruption: Disruption) -> String {
        let region = |id| self.region(id);
        let endpoint = |id| format!("{}/{}", self.system, self.endpoint(id));
        let cause = match disruption.cause {
            Cause::Nothing => "all is well".to_owned(),
            Cause::Region(it) => format!("{} is down", region(it)),
            Cause::Endpoint(it) => format!("{} is down", endpoint(it)),
            Cause::Both(ours, theirs) => {
                format!("{} and {} are down", region(ours), endpoint(theirs))
            }
            Cause::Path(ours, theirs) => {
                format!("no way from {} to {}", region(ours), endpoint(theirs))
            }
            Cause::Apart(it) => format!("{} is apart from the others", region(it)),
            Cause::LeaseCut(it) => format!("no lease store for {}", region(it)),
            Cause::LeaseDown => "no lease store for anybody".to_owned(),
        };
        let promotion = match disruption.promoted {
            None => "",
            Some(false) => ", before promotion",
            Some(true) => ", after promotion",
        };
        format!("{cause}{promotion}")
    }
}
