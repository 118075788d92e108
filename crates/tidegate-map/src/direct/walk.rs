//! Walking a body once, keeping the extents of the parts that some path leads to.

use crate::json::JsonError;
use crate::json::scan::{Scanner, Span};
use crate::json::text;

/// A place in the trie of wanted paths.
pub(crate) type NodeId = usize;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// All wanted paths. Node 0 is the whole body.
#[derive(Clone, Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    keys: Vec<(String, NodeId)>,
    items: Vec<(usize, NodeId)>,
}

impl Default for Trie {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }
}

impl Trie {
    /// The root: the whole body.
    pub(crate) const ROOT: NodeId = 0;

    /// The node one step below `parent`, made if it is not there.
    pub(crate) fn child(&mut self, parent: NodeId, step: &Step) -> NodeId {
        let next = self.nodes.len();
        let node = &mut self.nodes[parent];
        let found = match step {
            Step::Key(key) => node.keys.iter().find(|(k, _)| k == key).map(|(_, id)| *id),
            Step::Index(index) => node
                .items
                .iter()
                .find(|(i, _)| i == index)
                .map(|(_, id)| *id),
        };
        if let Some(id) = found {
            return id;
        }
        match step {
            Step::Key(key) => node.keys.push((key.clone(), next)),
            Step::Index(index) => node.items.push((*index, next)),
        }
        self.nodes.push(Node::default());
        next
    }

    /// Checks that `json` is one JSON value and finds the wanted parts of it.
    pub(crate) fn walk<'a>(&self, json: &'a str) -> Result<Found<'a>, JsonError> {
        let mut walk = Walk {
            trie: self,
            json,
            scanner: Scanner::new(json),
            spans: vec![ABSENT; self.nodes.len()],
        };
        walk.value(Self::ROOT, 0)?;
        walk.scanner.end()?;
        Ok(Found {
            json,
            spans: walk.spans,
        })
    }
}

/// The parts of one body that were found.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    json: &'a str,
    spans: Vec<Span>,
}

/// No value is empty.
const ABSENT: Span = (0, 0);

impl<'a> Found<'a> {
    /// The text of the value at a node, if the body has it.
    pub(crate) fn get(&self, node: NodeId) -> Option<&'a str> {
        let (from, to) = *self.spans.get(node)?;
        if (from, to) == ABSENT {
            None
        } else {
            self.json.get(from..to)
        }
    }
}

struct Walk<'t, 'a> {
    trie: &'t Trie,
    json: &'a str,
    scanner: Scanner<'a>,
    spans: Vec<Span>,
}

impl Walk<'_, '_> {
    /// Takes a wanted value. Recursion follows the trie, no deeper than the scanner allows.
    fn value(&mut self, id: NodeId, depth: usize) -> Result<(), JsonError> {
        let node = &self.trie.nodes[id];
        let first = self.scanner.next_token();
        let start = self.scanner.at();
        match first {
            Some(b'{') if !node.keys.is_empty() => self.object(node, depth)?,
            Some(b'[') if !node.items.is_empty() => self.array(node, depth)?,
            Some(b'{' | b'[') => self.scanner.skip(depth)?,
            scalar => self.scanner.scalar(scalar)?,
        }
        self.spans[id] = (start, self.scanner.at());
        Ok(())
    }

    fn object(&mut self, node: &Node, depth: usize) -> Result<(), JsonError> {
        self.scanner.enter(depth)?;
        if self.scanner.next_token() == Some(b'}') {
            self.scanner.take();
            return Ok(());
        }
        loop {
            let (from, to) = self.scanner.key()?;
            match self.wanted(node, from, to) {
                Some(child) => {
                    // A key that stands twice: the last value counts, and nothing of the first is left.
                    if self.spans[child] != ABSENT {
                        self.forget(child);
                    }
                    self.value(child, depth + 1)?;
                }
                None => self.scanner.skip(depth + 1)?,
            }
            if !self.scanner.more(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, node: &Node, depth: usize) -> Result<(), JsonError> {
        self.scanner.enter(depth)?;
        if self.scanner.next_token() == Some(b']') {
            self.scanner.take();
            return Ok(());
        }
        let mut index = 0;
        loop {
            match node.items.iter().find(|(wanted, _)| *wanted == index) {
                Some((_, child)) => self.value(*child, depth + 1)?,
                None => self.scanner.skip(depth + 1)?,
            }
            index += 1;
            if !self.scanner.more(b']')? {
                return Ok(());
            }
        }
    }

    /// The node for the key whose text stands at `from..to`, if it is wanted.
    fn wanted(&self, node: &Node, from: usize, to: usize) -> Option<NodeId> {
        let raw = self.json.get(from..to)?;
        let key = text::decode(raw);
        node.keys
            .iter()
            .find(|(wanted, _)| *wanted == key)
            .map(|(_, child)| *child)
    }

    /// Drops what was found at and below a node. Recursion follows the trie.
    fn forget(&mut self, id: NodeId) {
        self.spans[id] = ABSENT;
        let node = &self.trie.nodes[id];
        let children = node
            .keys
            .iter()
            .map(|(_, child)| *child)
            .chain(node.items.iter().map(|(_, child)| *child));
        children.for_each(|child| self.forget(child));
    }
}
