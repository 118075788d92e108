//! The rules, and their check over a graph.

use std::fmt;

use super::graph::{Graph, Kind};

/// Which crates of the workspace each crate may depend on, besides itself.
///
/// A crate that is not listed may not exist: a new one needs its place.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("tidegate-types", &[]),
    ("tidegate-core", &[TYPES]),
    ("tidegate-wire", &[TYPES, CORE]),
    ("tidegate-map", &[TYPES, CORE]),
    ("tidegate-config", PURE_BELOW_CONFIG),
    ("tidegate-sim", &[TYPES, CORE, WIRE, MAP, CONFIG]),
    ("tidegate-hub", &[TYPES, CORE, WIRE, MAP, CONFIG]),
    ("tidegate-gateway", &[TYPES, CORE, WIRE, MAP, CONFIG, HUB]),
    (
        "tidegate-console",
        &[TYPES, CORE, WIRE, MAP, CONFIG, HUB, GATEWAY],
    ),
    (
        "tidegate",
        &[TYPES, CORE, WIRE, MAP, CONFIG, HUB, GATEWAY, CONSOLE, SIM],
    ),
    ("xtask", &[TYPES, CORE, WIRE, MAP, CONFIG]),
];
const PURE_BELOW_CONFIG: &[&str] = &[TYPES, CORE, WIRE, MAP];

const TYPES: &str = "tidegate-types";
const CORE: &str = "tidegate-core";
const WIRE: &str = "tidegate-wire";
const MAP: &str = "tidegate-map";
const CONFIG: &str = "tidegate-config";
const SIM: &str = "tidegate-sim";
const HUB: &str = "tidegate-hub";
const GATEWAY: &str = "tidegate-gateway";
const CONSOLE: &str = "tidegate-console";

/// The crates without I/O, clock and global randomness.
pub(crate) const PURE: &[&str] = &[TYPES, CORE, WIRE, MAP, CONFIG, SIM];

/// What no pure crate may reach, however far, outside tests.
const IMPURE: &[&str] = &[
    "async-std",
    "axum",
    "dirs",
    "fjall",
    "getrandom",
    "hyper",
    "hyper-util",
    "mio",
    "notify",
    "rand",
    "reqwest",
    "rustix",
    "signal-hook",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "tokio-rustls",
    "tracing-subscriber",
    "ureq",
    "utoipa",
];

/// Edges that the rule above overlooks: `ring` seeds a random source of its own, which pure crates
/// do not use (the check of their sources looks for `ring::rand`).
const OVERLOOKED: &[(&str, &str)] = &[("ring", "getrandom")];

/// The crates whose types must not grow a serialised form by accident, and what they never name.
const NO_SERDE: &[&str] = &[TYPES, CORE];
const SERDE: &[&str] = &["serde", "serde_core", "serde_derive", "serde_json"];

/// A rule that does not hold, and why it is one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    /// The crate or the place in a file.
    pub(crate) at: String,
    /// What was found there.
    pub(crate) found: String,
    /// Why it must not be, and what to do instead.
    pub(crate) why: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    {}", self.at, self.found, self.why)
    }
}

/// Everything in the graph that breaks a rule.
pub(crate) fn check(graph: &Graph) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for member in graph.members() {
        breaches.extend(arrows(graph, member));
        if PURE.contains(&member) {
            breaches.extend(purity(graph, member));
        }
        if NO_SERDE.contains(&member) {
            breaches.extend(serde(graph, member));
        }
    }
    breaches
}

fn arrows(graph: &Graph, member: &str) -> Vec<Breach> {
    let Some((_, allowed)) = MAY_DEPEND_ON.iter().find(|(name, _)| *name == member) else {
        return vec![Breach {
            at: member.to_owned(),
            found: "has no place among the arrows".to_owned(),
            why: "add it to MAY_DEPEND_ON in xtask/src/deps/rules.rs and to ARCHITECTURE.md"
                .to_owned(),
        }];
    };
    let inside = graph.direct(member).filter(|(to, _)| graph.is_member(to));
    inside
        .filter(|(to, kind)| !allowed.contains(to) && !is_test_world(member, to, *kind))
        .map(|(to, kind)| Breach {
            at: member.to_owned(),
            found: format!(
                "depends on {to}{}",
                if kind == Kind::Dev {
                    " in its tests"
                } else {
                    ""
                }
            ),
            why: format!(
                "it may depend on: {}",
                if allowed.is_empty() {
                    "nothing here".to_owned()
                } else {
                    allowed.join(", ")
                }
            ),
        })
        .collect()
}

/// Tests of the shells may use the simulated world.
fn is_test_world(member: &str, to: &str, kind: Kind) -> bool {
    kind == Kind::Dev && to == SIM && !PURE.contains(&member)
}

fn purity(graph: &Graph, member: &str) -> Vec<Breach> {
    let reached = IMPURE
        .iter()
        .filter_map(|impure| graph.path(member, impure, OVERLOOKED));
    reached
        .map(|path| Breach {
            at: member.to_owned(),
            found: path.join(" → "),
            why: "a pure crate has no I/O, clock or randomness: the shell does that and hands in \
                  the result"
                .to_owned(),
        })
        .collect()
}

fn serde(graph: &Graph, member: &str) -> Vec<Breach> {
    let named = graph.direct(member).filter(|(to, _)| SERDE.contains(to));
    named
        .map(|(to, _)| Breach {
            at: member.to_owned(),
            found: format!("depends on {to}"),
            why: "serialised forms are contracts of the edge; write them in tidegate-wire or in a \
                  codec by hand"
                .to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &[(Kind, &[&str])]) -> Vec<String> {
        let members: Vec<&str> = MAY_DEPEND_ON.iter().map(|(name, _)| *name).collect();
        let graph = Graph::from_rows(&members, rows);
        check(&graph)
            .into_iter()
            .map(|breach| format!("{}: {}", breach.at, breach.found))
            .collect()
    }

    #[test]
    fn a_graph_that_follows_the_arrows_passes() {
        let rows: &[(Kind, &[&str])] = &[
            (Kind::Product, &[CORE, TYPES, "ring"]),
            (Kind::Product, &["ring", "getrandom"]),
            (Kind::Product, &[HUB, CORE, "tokio"]),
            (Kind::Product, &["tidegate", SIM, CONSOLE]),
            (Kind::Dev, &[CORE, "tempfile"]),
            (Kind::Dev, &[HUB, SIM]),
        ];
        assert_eq!(found(rows), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_that_points_back_is_named() {
        let rows: &[(Kind, &[&str])] = &[
            (Kind::Product, &[CORE, HUB]),
            (Kind::Product, &[SIM, GATEWAY]),
            (Kind::Dev, &[TYPES, CORE]),
        ];
        let expected = [
            "tidegate-core: depends on tidegate-hub",
            "tidegate-sim: depends on tidegate-gateway",
            "tidegate-types: depends on tidegate-core in its tests",
        ];
        assert_eq!(found(rows), expected);
    }

    #[test]
    fn a_pure_crate_that_reaches_a_runtime_is_named_with_the_way_there() {
        let rows: &[(Kind, &[&str])] = &[
            (Kind::Product, &[WIRE, "innocent"]),
            (Kind::Product, &["innocent", "tokio"]),
            (Kind::Product, &[TYPES, "uuid"]),
            (Kind::Product, &["uuid", "getrandom"]),
        ];
        let expected = [
            "tidegate-types: tidegate-types → uuid → getrandom",
            "tidegate-wire: tidegate-wire → innocent → tokio",
        ];
        assert_eq!(found(rows), expected);
    }

    #[test]
    fn what_a_pure_crate_depends_on_here_counts_too() {
        let rows: &[(Kind, &[&str])] = &[
            (Kind::Product, &[CONFIG, MAP]),
            (Kind::Product, &[MAP, "fjall"]),
        ];
        let expected = [
            "tidegate-config: tidegate-config → tidegate-map → fjall",
            "tidegate-map: tidegate-map → fjall",
        ];
        assert_eq!(found(rows), expected);
    }

    #[test]
    fn types_and_core_do_not_name_serde() {
        let rows: &[(Kind, &[&str])] = &[
            (Kind::Product, &[TYPES, "serde"]),
            (Kind::Product, &[WIRE, "serde"]),
        ];
        assert_eq!(found(rows), ["tidegate-types: depends on serde"]);
    }

    #[test]
    fn a_crate_without_a_place_is_named() {
        let graph = Graph::from_rows(&["tidegate-misc"], &[]);
        assert_eq!(check(&graph).len(), 1);
    }
}
