//! The plan of the example against a table written by hand, and what a change does to a plan.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tidegate_core::plan::{Actor, Cause, Disruption, Doing, Risk};
use tidegate_core::region::{EndpointId, RegionId};

use super::fixtures::plain;
use super::load_fixed;
use crate::plan::{FlowPlan, Plan, Together, sheet};
use crate::{Config, SecretSource};

const TABLE: &str = include_str!("../../tests/fixtures/plan/every-topology.txt");

const A: RegionId = RegionId::new(0).expect("0 is below 16");
const B: RegionId = RegionId::new(1).expect("1 is below 16");
const P: EndpointId = EndpointId::new(0).expect("0 is below 16");
const Q: EndpointId = EndpointId::new(1).expect("1 is below 16");

/// Secrets in files beside the configuration.
struct Beside(PathBuf);

impl SecretSource for Beside {
    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, path: &str) -> std::io::Result<Vec<u8>> {
        fs::read(self.0.join(path))
    }
}

fn example() -> Config {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/every-topology");
    let text = fs::read_to_string(folder.join("tidegate.yaml")).expect("it is there");
    let loaded = crate::load("tidegate.yaml", &text, Some("us-west-2"), &Beside(folder));
    let shown = plain(&loaded);
    loaded.config.expect(&shown)
}

/// A line of the table.
#[derive(Clone, Debug)]
struct Line {
    kind: &'static str,
    like: &'static str,
    disruption: &'static str,
    who: BTreeSet<Actor>,
    codes: Vec<&'static str>,
}

fn table() -> Vec<Line> {
    let rows = TABLE.lines().filter(|line| line.contains('|'));
    let rows = rows.filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [kind, like, disruption, who, codes] = cells[..] else {
            panic!("five columns: {line}");
        };
        Line {
            kind,
            like,
            disruption,
            who: actors(who),
            codes: codes.split(' ').collect(),
        }
    })
    .collect()
}

fn actors(cell: &str) -> BTreeSet<Actor> {
    let pairs = cell.split(' ').filter(|pair| *pair != "nobody");
    pairs
        .map(|pair| {
            let (ours, theirs) = pair.split_once(':').expect("OURS:THEIRS");
            Actor {
                region: if ours == "A" { A } else { B },
                endpoint: match theirs {
                    "P" => Some(P),
                    "Q" => Some(Q),
                    _ => None,
                },
            }
        })
        .collect()
}

/// The codes as a set, however the table writes them. `L0` says that nothing is lost; beside another code
/// it says that nothing else is, which needs no saying.
fn codes(written: &str) -> Vec<BTreeSet<String>> {
    let written = written.trim_start_matches('*');
    let alternatives = written.split('/').map(|one| {
        let mut codes: BTreeSet<String> = one.split(['·', '+']).map(str::to_owned).collect();
        if codes.len() > 1 {
            codes.remove("L0");
        }
        codes
    });
    alternatives.collect()
}

fn disruption(name: &str, like: &str) -> Disruption {
    let (what, early) = match name.strip_suffix("-early") {
        Some(what) => (what, true),
        None => (name, false),
    };
    let cause = match what {
        "ours" => Cause::Region(A),
        "theirs" => Cause::Endpoint(P),
        "both" => Cause::Both(A, P),
        _ => Cause::Nothing,
    };
    let theirs = matches!(what, "theirs" | "both");
    Disruption {
        cause,
        promoted: (like == "standby" && theirs).then_some(!early),
    }
}

fn flow<'plan>(plan: &'plan Plan, name: &str) -> &'plan FlowPlan {
    let found = plan.flows.iter().find(|flow| flow.flow == name);
    found.unwrap_or_else(|| panic!("no flow {name}"))
}

fn together(flow: &FlowPlan, disruption: Disruption) -> Together {
    let all = flow.together().into_iter();
    let found = all.into_iter().find(|it| it.disruption == disruption);
    found.unwrap_or_else(|| panic!("{}: no {disruption:?}", flow.flow))
}

/// What is wrong with a flow in one line of the table.
fn differences(flow: &FlowPlan, line: &Line, disruption: Disruption) -> Vec<String> {
    let row = together(flow, disruption);
    let at = format!("{} in {}", flow.flow, flow.names.disruption(disruption));
    let mut found = Vec::new();
    if row.actors != line.who {
        found.push(format!("{at}: {:?} instead of {:?}", row.actors, line.who));
    }
    let held = &row.guarantees;
    let computed = [
        held.loss.to_string(),
        held.duplicates.to_string(),
        held.order.to_string(),
    ];
    for (computed, written) in computed.iter().zip(&line.codes) {
        let [set] = &codes(computed)[..] else {
            panic!("no alternatives are computed");
        };
        if !codes(written).contains(set) {
            found.push(format!("{at}: {computed} instead of {written}"));
        }
    }
    found
}

#[test]
fn the_table_has_every_row() {
    let table = table();
    let late = table
        .iter()
        .filter(|line| !line.disruption.ends_with("-early"));
    // Four disruptions; three topologies, and a fourth one for polls.
    assert_eq!(late.count(), 4 * (3 + 3 + 3 + 4));
    let different: BTreeSet<_> = table
        .iter()
        .map(|line| (line.kind, line.like, line.disruption))
        .collect();
    assert_eq!(different.len(), table.len());
}

#[test]
fn a_wrong_cell_is_found() {
    let plan = Plan::of(&example());
    let flow = flow(&plan, "poll-shared-other");
    let lines = table();
    let line = lines
        .iter()
        .find(|line| (line.kind, line.like, line.disruption) == ("poll", "shared", "theirs"));
    let line = line.expect("it is among them");
    let calm = disruption(line.disruption, line.like);
    let found = |line: &Line| differences(flow, line, calm).len();
    assert_eq!(found(line), 0);
    let who = actors("B:Q");
    assert_eq!(
        found(&Line {
            who,
            ..line.clone()
        }),
        1
    );
    for (column, wrong) in ["L0·Lx", "Dt", "Ok"].into_iter().enumerate() {
        let mut line = line.clone();
        line.codes[column] = wrong;
        assert_eq!(found(&line), 1, "{wrong}");
    }
}

#[test]
fn the_plan_of_the_example_is_the_table() {
    let plan = Plan::of(&example());
    let mut found = Vec::new();
    for line in table() {
        let in_this_row = disruption(line.disruption, line.like);
        // Egress push by key shards and by homed keys; everything in another cloud and behind lines.
        let mut flows = vec![format!("{}-{}-other", line.kind, line.like)];
        if line.kind == "deliver" {
            flows.push(format!("deliver-homed-{}-other", line.like));
        }
        if line.like != "single" {
            flows.push(format!("{}-{}-onsite", line.kind, line.like));
        }
        for name in flows {
            found.extend(differences(flow(&plan, &name), &line, in_this_row));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_stands_in_the_region_that_fails_fails_with_it() {
    let plan = Plan::of(&example());
    let mut found = Vec::new();
    for line in table() {
        let flow = flow(&plan, &format!("{}-{}-same", line.kind, line.like));
        let both = disruption(line.disruption, line.like);
        match line.disruption {
            // Ours alone does not happen: the row of both holds.
            "ours" => continue,
            "both" | "both-early" => {
                let ours = Disruption {
                    cause: Cause::Region(A),
                    ..both
                };
                found.extend(differences(flow, &line, ours));
            }
            _ => {}
        }
        found.extend(differences(flow, &line, both));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn with_one_line_nobody_takes_over() {
    let plan = Plan::of(&example());
    for kind in ["deliver", "poll"] {
        let flow = flow(&plan, &format!("{kind}-single-onsite"));
        let row = together(flow, disruption("ours", "single"));
        assert_eq!(row.actors, BTreeSet::new(), "{kind}");
        assert_eq!(row.actions, [Doing::Stop], "{kind}");
        assert!(row.risks.contains(&Risk::NoOtherRegion), "{kind}");
        // The other region has no part in it.
        let other = Disruption {
            cause: Cause::Region(B),
            promoted: None,
        };
        assert_eq!(together(flow, other).actors, actors("A:P"), "{kind}");
    }
}

#[test]
fn no_two_act_for_the_same_and_nobody_acts_where_it_is_down() {
    for flow in Plan::of(&example()).flows {
        for row in &flow.rows {
            let at = flow.names.disruption(row.disruption);
            for actor in &row.actors {
                let cause = row.disruption.cause;
                assert_ne!(
                    cause.region_down(),
                    Some(actor.region),
                    "{}: {at}",
                    flow.flow
                );
                if let (Cause::Endpoint(down) | Cause::Both(_, down), Some(used)) =
                    (cause, actor.endpoint)
                {
                    assert_ne!(down, used, "{}: {at}", flow.flow);
                }
            }
            let leased = matches!(row.action, Doing::Act | Doing::Hold);
            assert!(!leased || row.actors.len() == 1, "{}: {at}", flow.flow);
        }
    }
}

#[test]
fn programs_get_an_object_for_each_row() {
    let plan = Plan::of(&example());
    let json = plan.to_json();
    let rows = json.as_array().expect("it is an array");
    let count: usize = plan.flows.iter().map(|flow| flow.rows.len()).sum();
    assert_eq!(rows.len(), count);
    let wanted = rows.iter().find(|row| {
        row["flow"] == "deliver-shared-other"
            && row["shard"] == "keys@us-east-1"
            && row["disruption"] == "endpoint:east"
    });
    let row = wanted.expect("it is among them");
    assert_eq!(row["action"], "act");
    assert_eq!(
        row["actors"],
        serde_json::json!([{ "region": "us-east-1", "endpoint": "west" }])
    );
    assert_eq!(
        row["guarantees"],
        serde_json::json!({ "loss": "Lx", "duplicates": "Dw", "order": "Ok†" })
    );
    assert_eq!(row["risks"], serde_json::json!([]));
}

const TWO: &str = "subsystem: orders
regions: { us-east-1: {}, us-west-2: {} }
lease: { nats: nats://witness.example }
front-door: https://events.example
systems:
  crm:
    topology: primary-secondary
    their-rpo: 30s
    their-retry-horizon: 3d
    endpoints: { east: { url: https://east.example, near: us-east-1 }, west: { url: https://west.example, near: us-west-2 } }
flows:
  orders: { system: crm, deliver: { on: [order.*], idempotency: { ttl: 1d, scope: global } } }
  changes: { system: crm, poll: { every: 30s, request: /a, items: '.[]' }, event: { id: .body.id, type: '\"a\"' } }
";

fn plan_of(text: &str) -> Plan {
    let loaded = load_fixed("t.yaml", &format!("# region: us-east-1\n{text}"));
    let shown = plain(&loaded);
    Plan::of(&loaded.config.expect(&shown))
}

#[test]
fn a_change_that_weakens_is_told_with_what_it_weakens() {
    let old = plan_of(TWO);
    assert_eq!(old.diff(&old), crate::plan::Diff::default());
    let check = |from: &str, to: &str, flow: &str, what: &str| {
        assert!(TWO.contains(from), "{from}");
        let new = plan_of(&TWO.replace(from, to));
        let diff = old.diff(&new);
        let told = |list: &[crate::plan::Difference]| {
            list.iter().any(|it| it.flow == flow && it.what == what)
        };
        assert!(diff.weakens() && told(&diff.weaker), "{to}: {diff:?}");
        // The way back wins what was lost.
        let back = new.diff(&old);
        assert!(!back.weakens() && told(&back.stronger), "{to}: {back:?}");
    };
    check(
        "idempotency: { ttl: 1d, scope: global }",
        "start: now",
        "orders",
        "risk",
    );
    check(
        "request: /a",
        "request: /a, rereadable: false",
        "changes",
        "loss",
    );
    check(
        "lease: { nats: nats://witness.example }\n",
        "",
        "orders",
        "action",
    );
    check(
        "on: [order.*],",
        "on: [order.*], order: none,",
        "orders",
        "order",
    );
}

#[test]
fn flows_that_come_and_go_are_named() {
    let diff = plan_of(TWO).diff(&plan_of(&TWO.replace("  changes:", "  news:")));
    assert_eq!(
        (diff.added, diff.removed),
        (vec!["news".to_owned()], vec!["changes".to_owned()])
    );
}

#[test]
fn without_a_lease_store_a_flow_holds_or_is_done_twice() {
    let apart = Disruption {
        cause: Cause::Apart(A),
        promoted: None,
    };
    let alone = TWO.replace("lease: { nats: nats://witness.example }\n", "");
    let held = plan_of(&alone);
    let row = together(flow(&held, "changes"), apart);
    assert_eq!(row.actors, actors("A:P"));
    let down = together(flow(&held, "changes"), disruption("ours", "single"));
    assert_eq!(down.actions, [Doing::Stop]);
    assert!(down.risks.contains(&Risk::NoLease));

    let taken = plan_of(&alone.replace("items: '.[]'", "items: '.[]', on-partition: takeover"));
    let row = together(flow(&taken, "changes"), apart);
    assert_eq!(row.actors, actors("A:P B:P"));
    assert_eq!(row.guarantees.duplicates.to_string(), "D2");
    assert_eq!(row.guarantees.order.to_string(), "On");
    assert!(row.risks.contains(&Risk::Split));
    let down = together(flow(&taken, "changes"), disruption("ours", "single"));
    assert_eq!(down.actors, actors("B:P"));
}

#[test]
fn the_sheet_of_a_partner_says_what_they_see() {
    let config = example();
    let text = sheet(&config, "standby-other").expect("the system is there");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plan/standby-other.md");
    super::fixtures::same_as_file(&path, &text);
    assert_eq!(sheet(&config, "nobody"), None);
    let secrets = ["d2hzZWNf", "whsec_", "demo-only"];
    for system in &config.systems {
        let text = sheet(&config, &system.name).expect("it is there");
        assert!(
            secrets.iter().all(|secret| !text.contains(secret)),
            "{text}"
        );
    }
}
