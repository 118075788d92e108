//! The plan of a configuration: every flow in every disruption, with the names of the file.
//!
//! Who acts and what holds is found by [`tidegate_core::plan`]; here the configuration becomes its
//! facts, and its numbers become names again.

mod diff;
mod facts;
mod names;
mod sheet;

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use tidegate_core::plan::{Actor, Disruption, Doing, Guarantees, Place, Risk, Row, Trigger};

use crate::config::Config;
pub use diff::{Diff, Difference};
pub use names::Names;

/// What a flow does, in one word of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They call us.
    Receive,
    /// We fetch from them.
    Poll,
    /// We call them.
    Deliver,
    /// They fetch from us.
    Serve,
}

/// The plan of all flows, in the order of receive, deliver, poll, serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The flows.
    pub flows: Vec<FlowPlan>,
}

/// The plan of one flow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlowPlan {
    /// Its name.
    pub flow: String,
    /// What it does.
    pub kind: Kind,
    /// The system, as `primary-secondary, other-cloud`.
    pub like: String,
    /// What regions and endpoints are called.
    pub names: Names,
    /// Each set of shards in each disruption.
    pub rows: Vec<Row>,
}

/// All shards of a flow in one disruption.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Together {
    /// The disruption.
    pub disruption: Disruption,
    /// Who acts or holds for any of them.
    pub actors: BTreeSet<Actor>,
    /// What is done for any of them, the common case alone where it is the same for all.
    pub actions: Vec<Doing>,
    /// What sets it off.
    pub triggers: BTreeSet<Trigger>,
    /// The worse of everything.
    pub guarantees: Guarantees,
    /// What is at risk for any of them.
    pub risks: BTreeSet<Risk>,
}

impl Kind {
    /// The word in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Poll => "poll",
            Self::Deliver => "deliver",
            Self::Serve => "serve",
        }
    }
}

impl Plan {
    /// The plan of a configuration. The region that it was read for makes no difference.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            flows: facts::flows(config),
        }
    }

    /// For programs: an array of objects with `flow`, `shard`, `disruption`, `actors`, `action`,
    /// `guarantees` and `risks`, and beside them `kind`, `system`, `triggers` and `rule`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let rows = self
            .flows
            .iter()
            .flat_map(|flow| flow.rows.iter().map(move |row| flow.row_json(row)));
        rows.collect()
    }

    /// What the change from `self` to `new` does to guarantees.
    #[must_use]
    pub fn diff(&self, new: &Self) -> Diff {
        diff::diff(self, new)
    }
}

/// What the partner behind `system` has to know, in Markdown; `None` if there is no such system.
#[must_use]
pub fn sheet(config: &Config, system: &str) -> Option<String> {
    sheet::sheet(config, system)
}

impl FlowPlan {
    /// The shards of each disruption together, in the order of the rows.
    #[must_use]
    pub fn together(&self) -> Vec<Together> {
        let mut found: Vec<Together> = Vec::new();
        for row in &self.rows {
            match found.iter_mut().find(|it| it.disruption == row.disruption) {
                Some(together) => together.add(row),
                None => found.push(Together::new(row)),
            }
        }
        found
    }

    /// Where the setting stands that cures a risk, as a path in the file.
    #[must_use]
    pub fn setting(&self, risk: Risk) -> String {
        let (place, key) = risk.setting();
        match place {
            Place::Top => key.to_owned(),
            Place::System => format!("systems.{}.{key}", self.names.system()),
            Place::Does => format!("flows.{}.{}.{key}", self.flow, self.kind.word()),
        }
    }

    fn row_json(&self, row: &Row) -> Json {
        let actors: Vec<Json> = row.actors.iter().map(|it| self.actor_json(it)).collect();
        let risks: Vec<Json> = row.risks.iter().map(|it| self.risk_json(*it)).collect();
        let triggers: Vec<&str> = row.triggers.iter().map(|it| it.code()).collect();
        json!({
            "flow": self.flow,
            "kind": self.kind.word(),
            "system": self.names.system(),
            "shard": self.names.shard(row.which),
            "disruption": self.names.disruption(row.disruption),
            "actors": actors,
            "action": row.action.word(),
            "triggers": triggers,
            "rule": row.rule.map(|it| it.to_string()),
            "guarantees": {
                "loss": row.guarantees.loss.to_string(),
                "duplicates": row.guarantees.duplicates.to_string(),
                "order": row.guarantees.order.to_string(),
            },
            "risks": risks,
        })
    }

    fn actor_json(&self, actor: &Actor) -> Json {
        json!({
            "region": self.names.region(actor.region),
            "endpoint": actor.endpoint.map(|it| self.names.endpoint(it)),
        })
    }

    fn risk_json(&self, risk: Risk) -> Json {
        json!({
            "risk": risk.what(),
            "setting": self.setting(risk),
            "cure": risk.cure(),
        })
    }
}

impl Together {
    fn new(row: &Row) -> Self {
        Self {
            disruption: row.disruption,
            actors: row.actors.iter().copied().collect(),
            actions: vec![row.action],
            triggers: row.triggers.iter().copied().collect(),
            guarantees: row.guarantees.clone(),
            risks: row.risks.iter().copied().collect(),
        }
    }

    fn add(&mut self, row: &Row) {
        self.actors.extend(&row.actors);
        if !self.actions.contains(&row.action) {
            self.actions.push(row.action);
        }
        self.triggers.extend(&row.triggers);
        self.guarantees = self.guarantees.clone().and(&row.guarantees);
        self.risks.extend(&row.risks);
    }
}
