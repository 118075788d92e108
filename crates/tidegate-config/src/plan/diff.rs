//! What a change of the configuration does to guarantees.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use tidegate_core::plan::{Doing, Guarantees, Risk};

use super::{FlowPlan, Plan, Together};

/// What differs between two plans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diff {
    /// What holds no longer.
    pub weaker: Vec<Difference>,
    /// What holds now and did not before.
    pub stronger: Vec<Difference>,
    /// Flows that are new.
    pub added: Vec<String>,
    /// Flows that are gone.
    pub removed: Vec<String>,
}

/// One guarantee of a flow in a disruption that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The flow.
    pub flow: String,
    /// The disruption, as in the plan for programs.
    pub disruption: String,
    /// What differs: `loss`, `duplicates`, `order`, `action` or `risk`.
    pub what: &'static str,
    /// What held.
    pub old: String,
    /// What holds now.
    pub new: String,
}

impl Diff {
    /// Whether a guarantee is weaker.
    #[must_use]
    pub fn weakens(&self) -> bool {
        !self.weaker.is_empty()
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let list = |of: &[Difference]| of.iter().map(Difference::to_json).collect::<Vec<_>>();
        json!({
            "weaker": list(&self.weaker),
            "stronger": list(&self.stronger),
            "added": self.added,
            "removed": self.removed,
        })
    }
}

impl Difference {
    fn to_json(&self) -> Json {
        json!({
            "flow": self.flow,
            "disruption": self.disruption,
            "what": self.what,
            "old": self.old,
            "new": self.new,
        })
    }
}

pub(super) fn diff(old: &Plan, new: &Plan) -> Diff {
    let mut diff = Diff::default();
    let find = |plan: &'_ Plan, name: &str| -> Option<FlowPlan> {
        plan.flows.iter().find(|it| it.flow == name).cloned()
    };
    for before in &old.flows {
        match find(new, &before.flow) {
            None => diff.removed.push(before.flow.clone()),
            Some(after) => {
                diff.weaker.extend(lost(before, &after));
                // What was lost on the way back is what was won.
                let won = lost(&after, before).into_iter().map(|it| Difference {
                    old: it.new,
                    new: it.old,
                    ..it
                });
                diff.stronger.extend(won);
            }
        }
    }
    let gone = |flow: &&FlowPlan| find(old, &flow.flow).is_none();
    diff.added = new
        .flows
        .iter()
        .filter(gone)
        .map(|it| it.flow.clone())
        .collect();
    diff
}

/// What holds of `after` less than of `before`. A disruption that only one of them knows, since a region
/// or an endpoint came or went, is not compared.
fn lost(before: &FlowPlan, after: &FlowPlan) -> Vec<Difference> {
    let name = |flow: &FlowPlan, together: &Together| flow.names.disruption(together.disruption);
    let old: Vec<(String, Together)> = before
        .together()
        .into_iter()
        .map(|it| (name(before, &it), it))
        .collect();
    let mut found = Vec::new();
    for new in after.together() {
        let disruption = name(after, &new);
        if let Some((_, old)) = old.iter().find(|(known, _)| *known == disruption) {
            let differs = |what, old: String, new: String| Difference {
                flow: after.flow.clone(),
                disruption: disruption.clone(),
                what,
                old,
                new,
            };
            found.extend(weaker(old, &new).map(|(what, old, new)| differs(what, old, new)));
        }
    }
    found
}

fn weaker(
    old: &Together,
    new: &Together,
) -> impl Iterator<Item = (&'static str, String, String)> + use<> {
    let mut found = Vec::new();
    match idle(new).cmp(&idle(old)) {
        Ordering::Greater => {
            found.push(("action", words(&old.actions), words(&new.actions)));
        }
        Ordering::Equal => found.extend(held_less(&old.guarantees, &new.guarantees)),
        // Where nobody acted, nothing was promised of what somebody does now.
        Ordering::Less => {}
    }
    let risks: BTreeSet<Risk> = new.risks.difference(&old.risks).copied().collect();
    let risks = risks
        .into_iter()
        .map(|risk| ("risk", String::new(), risk.what().to_owned()));
    found.extend(risks);
    found.into_iter()
}

fn held_less(held: &Guarantees, holds: &Guarantees) -> Vec<(&'static str, String, String)> {
    let mut found = Vec::new();
    if holds.loss.exceeds(&held.loss) {
        found.push(("loss", held.loss.to_string(), holds.loss.to_string()));
    }
    if holds.duplicates.exceeds(&held.duplicates) {
        let (old, new) = (held.duplicates.to_string(), holds.duplicates.to_string());
        found.push(("duplicates", old, new));
    }
    if holds.order > held.order {
        found.push(("order", held.order.to_string(), holds.order.to_string()));
    }
    found
}

/// For how many sets of shards nobody acts: 0 if somebody does for all, 2 if nobody does for any.
fn idle(together: &Together) -> u8 {
    let is_idle = |doing: &Doing| {
        matches!(
            doing,
            Doing::Hold | Doing::Stop | Doing::Refuse | Doing::Wait
        )
    };
    let some = together.actions.iter().any(is_idle);
    let all = together.actions.iter().all(is_idle);
    u8::from(some) + u8::from(all)
}

fn words(actions: &[Doing]) -> String {
    let words: Vec<&str> = actions.iter().map(|it| it.word()).collect();
    words.join(", ")
}
