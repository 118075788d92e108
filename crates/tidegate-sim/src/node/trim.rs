//! When the log is trimmed, and what is on disk before.
//!
//! A trim goes in stages, each begun only after the one before is on disk and applied, so that no
//! refusal and no crash between them loses anything: first open faults of the old segments are
//! carried forward and passed subscriptions named, then the checkpoint is written, then the
//! segments go.

use std::collections::BTreeMap;

use tidegate_core::log::engine::{Engine, TrimReport};
use tidegate_core::log::entry::{Checkpoint, Cursor, Entry, System};
use tidegate_core::receive::intake::Answer;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use super::views::Content;
use super::{Log, Own};
use crate::context::Context;
use crate::report::Situation;
use crate::scenario::{SUBSCRIPTIONS, Sabotage, Settings, Subscription};

/// Open faults carried forward in one go.
const CARRIED_MAX: usize = 16;

/// The name of the system event that tells of a subscription which the log has passed, and of its tags.
pub(crate) const PASSED: &str = "subscription-passed";
pub(crate) const PASSED_NAME: &str = "subscription";
pub(crate) const PASSED_OLDEST: &str = "oldest";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Idle,
    /// Faults and notes are on their way to disk.
    Preparing { waiting: usize },
    /// The checkpoint is on its way to disk and into the views.
    Checkpoint { oldest: FrameNumber },
}

/// The trimming of one log.
#[derive(Debug, Default)]
pub(crate) struct Trimmer {
    stage: Stage,
    told_held: bool,
    /// Up to where each subscription was named as passed, on disk.
    said: BTreeMap<&'static str, FrameNumber>,
    saying: Vec<(&'static str, FrameNumber)>,
    /// The first frame that would be kept if nobody held the log.
    pub(crate) wanted: FrameNumber,
}

/// What a look at the log sees.
pub(crate) struct Sight<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) views: &'a Content,
    /// Whether the views have applied all that is written.
    pub(crate) views_current: bool,
    pub(crate) cursors: &'a BTreeMap<String, Place>,
    /// The first frame that a flow needs and has not parked.
    pub(crate) flows: Option<FrameNumber>,
}

impl Trimmer {
    /// Does what is due, and gives the entries to append first.
    pub(crate) fn look(
        &mut self,
        cx: &mut Context,
        log: &mut Log,
        sight: &Sight<'_>,
    ) -> Vec<(Own, Entry)> {
        match self.stage {
            Stage::Preparing { waiting: 0 } if sight.views_current => self.stage = Stage::Idle,
            Stage::Checkpoint { oldest } if sight.views.pruned >= oldest => {
                self.remove(cx, log, sight, oldest);
            }
            _ => {}
        }
        if self.stage != Stage::Idle {
            return Vec::new();
        }
        let low_water = low_water(cx.wall(), log, sight);
        let policy = &sight.settings.policy;
        let plan = log.trim_plan(cx.wall(), policy, low_water);
        if plan.held_by_low_water > 0 {
            let unheld = log.trim_plan(cx.wall(), policy, FrameNumber(u64::MAX));
            self.wanted = self.wanted.max(unheld.oldest);
        }
        let mut entries: Vec<_> = self.held_note(cx, &plan).into_iter().collect();
        if plan.segments > 0 {
            entries.extend(self.prepare(cx, log, sight, plan.oldest));
        }
        entries
    }

    /// What became of one of its entries.
    pub(crate) fn answered(&mut self, own: Own, answer: &Answer) {
        let noted = *answer == Answer::Noted;
        match (&mut self.stage, own) {
            (Stage::Preparing { waiting }, Own::Before) => {
                *waiting = waiting.saturating_sub(1);
                if !noted {
                    self.saying.clear();
                }
                if *waiting == 0 {
                    self.said.extend(self.saying.drain(..));
                }
            }
            (Stage::Checkpoint { .. }, Own::Checkpoint) if !noted => self.stage = Stage::Idle,
            _ => {}
        }
    }

    fn remove(&mut self, cx: &mut Context, log: &mut Log, sight: &Sight<'_>, oldest: FrameNumber) {
        self.stage = Stage::Idle;
        if let Ok(report) = log.trim(cx.wall(), &sight.settings.policy, oldest)
            && report.segments > 0
        {
            cx.seen(Situation::TrimDone);
            cx.note(format!("trimmed up to frame {}", report.oldest));
        }
    }

    fn held_note(&mut self, cx: &mut Context, plan: &TrimReport) -> Option<(Own, Entry)> {
        let held = plan.held_by_low_water > 0;
        if held == self.told_held {
            return None;
        }
        self.told_held = held;
        if held {
            cx.seen(Situation::TrimHeld);
        }
        let kind = if held { "trim-held" } else { "trim-released" };
        Some((Own::Note, system(cx.wall(), kind, Vec::new())))
    }

    fn prepare(
        &mut self,
        cx: &mut Context,
        log: &Log,
        sight: &Sight<'_>,
        oldest: FrameNumber,
    ) -> Vec<(Own, Entry)> {
        let mut before = carried(log, sight, oldest);
        before.extend(polls_carried(sight, oldest));
        if !before.is_empty() {
            cx.seen(Situation::FaultsCarried);
        }
        let last = Place {
            incarnation: log.head().incarnation,
            frame: FrameNumber(oldest.0.saturating_sub(1)),
            index: u32::MAX,
        };
        let mut cursors = sight.cursors.clone();
        for Subscription { name, .. } in &SUBSCRIPTIONS {
            if cursors
                .get(*name)
                .is_some_and(|place| place.frame >= oldest)
            {
                continue;
            }
            if self.said.get(name).is_none_or(|said| *said < oldest) {
                cx.seen(Situation::SubscriptionPassed);
                before.push(passed(cx.wall(), name, oldest));
                self.saying.push((name, oldest));
            }
            cursors.insert((*name).to_owned(), last);
        }
        if !before.is_empty() {
            self.stage = Stage::Preparing {
                waiting: before.len(),
            };
            return before
                .into_iter()
                .map(|entry| (Own::Before, entry))
                .collect();
        }
        let time = cx.wall();
        let cursors = cursors.into_iter();
        let checkpoint = Checkpoint {
            oldest,
            time,
            cursors: cursors
                .map(|(subscription, place)| Cursor {
                    subscription,
                    place,
                    time,
                })
                .collect(),
            faults_open: sight.views.faults.len() as u64,
        };
        self.stage = Stage::Checkpoint { oldest };
        vec![(Own::Checkpoint, Entry::Checkpoint(checkpoint))]
    }
}

/// The open faults that would go with the frames before `oldest`, carried.
fn carried(log: &Log, sight: &Sight<'_>, oldest: FrameNumber) -> Vec<Entry> {
    if sight.sabotage == Some(Sabotage::FaultsLeftBehind) {
        return Vec::new();
    }
    let reader = log.reader();
    let leaving = sight
        .views
        .faults
        .values()
        .filter(|fault| fault.place.frame < oldest);
    let entries = leaving
        .take(CARRIED_MAX)
        .filter_map(|fault| reader.read_entry(fault.place.frame, fault.place.index).ok());
    let carried = entries.filter_map(|entry| match entry {
        Entry::Fault(mut fault) => {
            fault.carried = true;
            Some(Entry::Fault(fault))
        }
        _ => None,
    });
    carried.collect()
}

/// How far sources were read, where that would go with the frames before `oldest`.
fn polls_carried(sight: &Sight<'_>, oldest: FrameNumber) -> Vec<Entry> {
    if sight.sabotage == Some(Sabotage::PollCursorLeftBehind) {
        return Vec::new();
    }
    let polls = sight.views.polls.values();
    let leaving = polls.filter(|(_, place)| place.frame < oldest);
    let carried = leaving.map(|(polled, _)| {
        let mut polled = polled.clone();
        polled.carried = true;
        Entry::Polled(Box::new(polled))
    });
    carried.collect()
}

/// The first frame that holds something a subscription has not read.
fn low_water(now: UnixMillis, log: &Log, sight: &Sight<'_>) -> FrameNumber {
    let reader = log.reader();
    let bounds = reader.bounds();
    let after_head = bounds.head.frame.next();
    match sight.sabotage {
        Some(Sabotage::TrimIgnoresLowWater) => return after_head,
        Some(Sabotage::TrimNever) => return bounds.first,
        _ => {}
    }
    let reading_at = |subscription: &Subscription| {
        let at = sight
            .cursors
            .get(subscription.name)
            .map_or(bounds.first, |place| place.frame);
        let released = subscription.lag_max.and_then(|lag| {
            let released = reader.frame_at_time(now.minus(lag));
            released.ok()
        });
        at.max(released.unwrap_or(bounds.first))
    };
    SUBSCRIPTIONS
        .iter()
        .map(reading_at)
        .min()
        .unwrap_or(after_head)
        .min(after_head)
        .min(sight.flows.unwrap_or(after_head))
}

fn passed(now: UnixMillis, subscription: &str, oldest: FrameNumber) -> Entry {
    let tags = vec![
        (PASSED_NAME.to_owned(), subscription.to_owned()),
        (PASSED_OLDEST.to_owned(), oldest.to_string()),
    ];
    system(now, PASSED, tags)
}

/// A system event of the node itself.
pub(crate) fn system(now: UnixMillis, kind: &str, tags: Vec<(String, String)>) -> Entry {
    Entry::System(System {
        kind: kind.to_owned(),
        time: now,
        text: kind.to_owned(),
        tags,
    })
}
