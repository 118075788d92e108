//! The dependency graph, as `cargo metadata` resolves it for this platform.
//!
//! Cargo resolves the features of all crates together here, so an edge may be there that a crate
//! built alone would not have. It is there in what we ship, and that is what counts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context, Result};
use serde_json::Value;

/// What an edge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// In the product, or in a build script of it.
    Product,
    /// In tests and examples.
    Dev,
}

/// Packages by name and what they depend on.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    edges: BTreeMap<String, BTreeSet<(String, Kind)>>,
    members: BTreeSet<String>,
}

impl Graph {
    /// Reads the answer of `cargo metadata --format-version 1`.
    ///
    /// # Errors
    /// When the answer has another shape.
    pub(crate) fn from_metadata(metadata: &Value) -> Result<Self> {
        let mut names = BTreeMap::new();
        for package in array(&metadata["packages"], "packages")? {
            names.insert(text(&package["id"], "id")?, text(&package["name"], "name")?);
        }
        let name = |id: &Value| -> Result<&str> {
            let id = text(id, "package id")?;
            names
                .get(id)
                .copied()
                .with_context(|| format!("cargo metadata has no package {id}"))
        };

        let mut graph = Self::default();
        for id in array(&metadata["workspace_members"], "workspace_members")? {
            graph.members.insert(name(id)?.to_owned());
        }
        for node in array(&metadata["resolve"]["nodes"], "resolve.nodes")? {
            let from = name(&node["id"])?;
            for dep in array(&node["deps"], "deps")? {
                let to = name(&dep["pkg"])?;
                for kind in array(&dep["dep_kinds"], "dep_kinds")? {
                    let kind = if kind["kind"] == "dev" {
                        Kind::Dev
                    } else {
                        Kind::Product
                    };
                    graph.add(from, to, kind);
                }
            }
        }
        Ok(graph)
    }

    /// The crates of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(String::as_str)
    }

    /// Whether a crate belongs to the workspace.
    pub(crate) fn is_member(&self, name: &str) -> bool {
        self.members.contains(name)
    }

    /// What a crate itself depends on.
    pub(crate) fn direct(&self, from: &str) -> impl Iterator<Item = (&str, Kind)> {
        self.edges
            .get(from)
            .into_iter()
            .flatten()
            .map(|(to, kind)| (to.as_str(), *kind))
    }

    /// The shortest way from one crate to another through product edges, other than those in
    /// `except`; both ends included.
    pub(crate) fn path(
        &self,
        from: &str,
        to: &str,
        except: &[(&str, &str)],
    ) -> Option<Vec<String>> {
        let mut before = BTreeMap::from([(from.to_owned(), None)]);
        let mut queue = VecDeque::from([from.to_owned()]);
        while let Some(at) = queue.pop_front() {
            if at == to {
                return Some(way_back(&before, at));
            }
            for (next, kind) in self.direct(&at) {
                let spared = except.contains(&(at.as_str(), next));
                if kind == Kind::Product && !spared && !before.contains_key(next) {
                    before.insert(next.to_owned(), Some(at.clone()));
                    queue.push_back(next.to_owned());
                }
            }
        }
        None
    }

    fn add(&mut self, from: &str, to: &str, kind: Kind) {
        self.edges
            .entry(from.to_owned())
            .or_default()
            .insert((to.to_owned(), kind));
    }

    /// A graph from names, for tests: the first of each row depends on the others.
    #[cfg(test)]
    pub(crate) fn from_rows(members: &[&str], rows: &[(Kind, &[&str])]) -> Self {
        let mut graph = Self::default();
        graph
            .members
            .extend(members.iter().map(|&name| name.to_owned()));
        for (kind, row) in rows {
            for to in &row[1..] {
                graph.add(row[0], to, *kind);
            }
        }
        graph
    }
}

fn way_back(before: &BTreeMap<String, Option<String>>, end: String) -> Vec<String> {
    let mut way = vec![end];
    while let Some(Some(previous)) = way.last().and_then(|at| before.get(at)) {
        way.push(previous.clone());
    }
    way.reverse();
    way
}

fn array<'a>(value: &'a Value, what: &str) -> Result<&'a Vec<Value>> {
    value
        .as_array()
        .with_context(|| format!("cargo metadata has no list {what}"))
}

fn text<'a>(value: &'a Value, what: &str) -> Result<&'a str> {
    value
        .as_str()
        .with_context(|| format!("cargo metadata has no text {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_becomes_a_graph() {
        let graph = Graph::from_metadata(&json!({
            "packages": [{"id": "a#1", "name": "a"}, {"id": "b#1", "name": "b"}, {"id": "c#1", "name": "c"}],
            "workspace_members": ["a#1"],
            "resolve": {"nodes": [
                {"id": "a#1", "deps": [
                    {"pkg": "b#1", "dep_kinds": [{"kind": null}]},
                    {"pkg": "c#1", "dep_kinds": [{"kind": "dev"}, {"kind": "build"}]}]},
                {"id": "b#1", "deps": []}]}
        }))
        .unwrap();
        assert!(graph.is_member("a") && !graph.is_member("b"));
        let direct: Vec<_> = graph.direct("a").collect();
        assert_eq!(
            direct,
            [("b", Kind::Product), ("c", Kind::Product), ("c", Kind::Dev)]
        );
    }

    #[test]
    fn another_shape_is_an_error() {
        assert!(Graph::from_metadata(&json!({"packages": []})).is_err());
    }

    #[test]
    fn the_shortest_way_follows_product_edges_only() {
        let rows: &[(Kind, &[&str])] = &[
            (Kind::Product, &["a", "b", "c"]),
            (Kind::Product, &["b", "d"]),
            (Kind::Product, &["c", "a"]),
            (Kind::Dev, &["a", "d", "e"]),
        ];
        let graph = Graph::from_rows(&["a"], rows);
        assert_eq!(graph.path("a", "d", &[]).unwrap(), ["a", "b", "d"]);
        assert_eq!(graph.path("a", "d", &[("b", "d")]), None);
        assert_eq!(graph.path("a", "e", &[]), None);
    }
}
