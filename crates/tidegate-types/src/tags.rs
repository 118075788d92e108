//! Tags: what everything in the subsystem is labelled with.

/// The tags every metric, log line and system event of this node carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTags {
    /// Cloud account or the like.
    pub account: String,
    /// Our region.
    pub region: String,
    /// Stage, for example `prd`.
    pub stage: String,
    /// The subsystem.
    pub subsystem: String,
}

impl NodeTags {
    /// The tags as name and value, in the order they are shown.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("account", self.account.as_str()),
            ("region", self.region.as_str()),
            ("stage", self.stage.as_str()),
            ("subsystem", self.subsystem.as_str()),
            ("service", "tidegate"),
        ]
        .into_iter()
    }
}
