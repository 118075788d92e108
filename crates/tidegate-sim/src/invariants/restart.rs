//! What must hold after a crash, and at the end.

use std::collections::BTreeMap;

use tidegate_core::log::engine::LogReader;
use tidegate_core::log::entry::Entry;
use tidegate_core::log::frame::Frame;
use tidegate_types::position::Place;

use super::{Audit, READ_BYTES};
use crate::context::Context;
use crate::item::fingerprint_of;
use crate::node::parks::Parks;
use crate::node::views::Content;
use crate::report::{Rule, Situation};

impl Audit {
    /// The node has opened its log after a crash.
    pub(crate) fn restarted(
        &mut self,
        cx: &mut Context,
        reader: &dyn LogReader,
        views: Option<&Content>,
        parks: &Parks,
    ) {
        let bounds = reader.bounds();
        let seen = self.history.head();
        if bounds.head.frame < seen {
            let detail = format!(
                "frame {seen} was seen, the log ends at {}",
                bounds.head.frame
            );
            return cx.violate(Rule::Durable, detail);
        }
        if bounds.head.frame > seen {
            cx.seen(Situation::UnansweredKept);
        }
        // A removal that was not synced may be undone.
        self.first = self.first.min(bounds.first);
        self.each_frame(cx, reader, |_, _| None);
        self.deliveries.restarted(cx, self.first, &parks.stores);
        match Content::rebuilt(reader, &parks.marks()) {
            Ok((rebuilt, _)) if views.is_some_and(|views| self.agree(views, &rebuilt)) => {}
            Ok((rebuilt, _)) => cx.violate(Rule::Views, difference(views, &rebuilt)),
            Err(error) => cx.violate(Rule::Views, error.to_string()),
        }
    }

    /// Whether views that were kept say the same as rebuilt ones. A retry of an event that was given up is left out:
    /// kept views know of it until they are rebuilt, since no receipt ever closes it.
    fn agree(&self, kept: &Content, rebuilt: &Content) -> bool {
        let stands = |content: &Content| {
            let flows = content.flows.iter();
            let stood = flows.map(|(name, flow)| {
                let mut stood = flow.restored();
                if let Some(stood) = &mut stood {
                    let given_up = |place| self.deliveries.is_told(name, place);
                    stood.retrying.retain(|entry| !given_up(entry.place));
                }
                (name.clone(), stood)
            });
            stood.collect::<Vec<_>>()
        };
        let others = |content: &Content| Content {
            flows: BTreeMap::new(),
            ..content.clone()
        };
        stands(kept) == stands(rebuilt) && others(kept) == others(rebuilt)
    }

    /// Reads all that is kept, compares it with what was seen, and asks more of each frame.
    fn each_frame(
        &self,
        cx: &mut Context,
        reader: &dyn LogReader,
        mut problem: impl FnMut(&Self, &Frame) -> Option<String>,
    ) {
        let mut next = reader.bounds().first;
        loop {
            let frames = match reader.read(next, READ_BYTES) {
                Ok(frames) => frames,
                Err(error) => return cx.violate(Rule::Durable, error.to_string()),
            };
            for frame in &frames {
                if frame.number() != next || !self.history.agrees(frame) {
                    let detail = format!("frame {next} is not the one that was seen");
                    return cx.violate(Rule::Durable, detail);
                }
                if let Some(problem) = problem(self, frame) {
                    return cx.violate(Rule::Acknowledged, problem);
                }
                next = frame.number().next();
            }
            if frames.is_empty() {
                return;
            }
        }
    }

    /// A last look: every entry that is kept is what was seen, and everything that was acknowledged
    /// and is not past the horizon stands there.
    pub(crate) fn finish(&self, cx: &mut Context, reader: &dyn LogReader) {
        self.each_frame(cx, reader, |audit, frame| {
            let entries = match reader.entries(frame) {
                Ok(entries) => entries,
                Err(error) => return Some(error.to_string()),
            };
            entries.into_iter().find_map(|(index, entry)| {
                let incarnation = frame.header().incarnation;
                let place = Place {
                    incarnation,
                    frame: frame.number(),
                    index,
                };
                let (id, fingerprint) = match &entry {
                    Entry::Event(entry) => (entry.event.id, fingerprint_of(&entry.event)),
                    Entry::Fault(fault) => (fault.id, fault.fingerprint),
                    _ => return None,
                };
                let seen = audit.history.at(place);
                let same =
                    seen.is_some_and(|seen| (seen.id, seen.fingerprint) == (id, fingerprint));
                (!same).then(|| format!("{place:?} holds {id}, which is not what was seen"))
            })
        });
    }
}

fn difference(kept: Option<&Content>, rebuilt: &Content) -> String {
    let Some(kept) = kept else {
        return "they are not open".to_owned();
    };
    let only = |a: &Content, b: &Content| {
        let mut ids = a.known.iter();
        ids.find(|(id, known)| b.known.get(id) != Some(known))
            .map(|(id, known)| (*id, known.place))
    };
    let mut flows = kept.flows.iter();
    let flow = flows.find(|(name, flow)| rebuilt.flows.get(*name) != Some(flow));
    if let Some((name, flow)) = flow {
        let other = rebuilt.flows.get(name);
        return format!("flow {name}: kept {flow:?}, and rebuilt {other:?}");
    }
    format!(
        "kept {:?} and rebuilt {:?} applied; an identity in kept only {:?}, in rebuilt only {:?}; \
         faults {} and {}; cursors {:?} and {:?}",
        (kept.applied, kept.pruned),
        (rebuilt.applied, rebuilt.pruned),
        only(kept, rebuilt),
        only(rebuilt, kept),
        kept.faults.len(),
        rebuilt.faults.len(),
        kept.cursors,
        rebuilt.cursors
    )
}
