//! When the log is trimmed, and what is written before.
//!
//! A trim has two steps, so that a crash between them loses nothing: first the entries that must
//! outlive the old segments are appended (open faults and how far sources were read carried forward, then a checkpoint with the
//! cursors); once the views have applied the checkpoint, and with it forgotten the identities of
//! the old frames, the segments are removed. What flows that deliver hold of them is parked before
//! ([`crate::parks`]).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use tidegate_core::log::engine::{Engine, LogReader, ReadError, TrimReport};
use tidegate_core::log::entry::{Checkpoint, Cursor, Entry};
use tidegate_core::receive::intake::Intake;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use crate::appender::system;
use crate::parks::Parks;
use crate::settings::{Retention, SubscriptionRetention};
use crate::stats::HubStats;
use crate::views::{Views, ViewsError};

/// A checkpoint that has not come back after this long was refused (too much was waiting): plan anew.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(60);

/// Between two looks for faults that are left behind: the views have applied the last ones by then.
/// A fault that is carried twice is one fault still.
const CARRY_EVERY: Duration = Duration::from_secs(1);

/// Open faults carried forward at a time.
const CARRIED_MAX: usize = 1024;

/// The trimming of one log.
pub(crate) struct Trimmer {
    pub(crate) retention: Arc<ArcSwap<Retention>>,
    pub(crate) reader: Arc<dyn LogReader>,
    pub(crate) views: Arc<Views>,
    pub(crate) stats: Arc<HubStats>,
    pub(crate) parks: Arc<Parks>,
    pending: Option<Pending>,
    next: UnixMillis,
    told_held: bool,
}

/// A checkpoint is on its way.
#[derive(Clone, Copy, Debug)]
struct Pending {
    oldest: FrameNumber,
    since: UnixMillis,
}

/// What holds the log.
struct LowWater {
    frame: FrameNumber,
    holder: Option<String>,
    /// What the holder needs is being parked.
    parking: bool,
}

impl Trimmer {
    pub(crate) fn new(
        retention: Arc<ArcSwap<Retention>>,
        reader: Arc<dyn LogReader>,
        views: Arc<Views>,
        stats: Arc<HubStats>,
        parks: Arc<Parks>,
    ) -> Self {
        Self {
            retention,
            reader,
            views,
            stats,
            parks,
            pending: None,
            next: UnixMillis(0),
            told_held: false,
        }
    }

    /// Does what is due, and gives the entries to append first, if any.
    pub(crate) fn step<T>(
        &mut self,
        now: UnixMillis,
        engine: &mut dyn Engine,
        intake: &Intake<T>,
    ) -> Option<Vec<Entry>> {
        if let Some(pending) = self.pending {
            return self.finish(now, engine, pending);
        }
        if now < self.next {
            return None;
        }
        let retention = self.retention.load_full();
        let low_water = self.low_water(now, &retention, intake);
        let plan = engine.trim_plan(now, &retention.policy, low_water.frame);
        self.stats
            .held_segments
            .store(plan.held_by_low_water, Ordering::Relaxed);
        if plan.held_by_low_water > 0 {
            let unheld = FrameNumber(u64::MAX);
            let wanted = engine.trim_plan(now, &retention.policy, unheld).oldest;
            self.parks.want(wanted);
        }
        let mut entries = self.held_note(&plan, &low_water);
        if plan.segments > 0 {
            match self.prepare(now, &retention, plan.oldest, intake) {
                Ok(prepared) => entries.extend(prepared),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the log is not trimmed this time"
                ),
            }
        }
        (!entries.is_empty()).then_some(entries)
    }

    /// Removes the segments, once the views have applied the checkpoint.
    fn finish(
        &mut self,
        now: UnixMillis,
        engine: &mut dyn Engine,
        pending: Pending,
    ) -> Option<Vec<Entry>> {
        if !self
            .views
            .pruned()
            .is_ok_and(|pruned| pruned >= pending.oldest)
        {
            if now.since(pending.since) > CHECKPOINT_WAIT {
                self.pending = None;
            }
            return None;
        }
        self.pending = None;
        let retention = self.retention.load();
        match engine.trim(now, &retention.policy, pending.oldest) {
            Ok(report) => tracing::info!(
                log.segments = report.segments,
                log.frames = report.frames,
                log.bytes = report.bytes,
                "old segments of the log were removed"
            ),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "old segments of the log could not be removed"
            ),
        }
        None
    }

    /// The first frame that holds something a subscription has not read.
    fn low_water<T>(&self, now: UnixMillis, retention: &Retention, intake: &Intake<T>) -> LowWater {
        let bounds = self.reader.bounds();
        let mut low = LowWater {
            frame: bounds.head.frame.next(),
            holder: None,
            parking: false,
        };
        for subscription in &retention.subscriptions {
            let park = subscription.park.as_ref();
            let parked = park.and_then(|park| self.parks.state(&park.flow));
            let frame = self.reading_at(now, subscription, intake.cursors(), bounds.first);
            let frame = parked.map_or(frame, |(through, _)| through.max(frame));
            if frame < low.frame {
                low = LowWater {
                    frame,
                    holder: Some(subscription.name.clone()),
                    parking: park.is_some() && parked.is_none_or(|(_, full)| !full),
                };
            }
        }
        low
    }

    fn reading_at(
        &self,
        now: UnixMillis,
        subscription: &SubscriptionRetention,
        cursors: &std::collections::BTreeMap<String, Place>,
        first: FrameNumber,
    ) -> FrameNumber {
        let at = cursors
            .get(&subscription.name)
            .map_or(first, |place| place.frame);
        let released = subscription
            .lag_max
            .and_then(|lag| self.reader.frame_at_time(now.minus(lag)).ok())
            .unwrap_or(first);
        at.max(released)
    }

    /// Says once when unfinished work holds the log, and once when it no longer does.
    fn held_note(&mut self, plan: &TrimReport, low: &LowWater) -> Vec<Entry> {
        let held = plan.held_by_low_water > 0 && !low.parking;
        if held == self.told_held {
            return Vec::new();
        }
        self.told_held = held;
        let holder = low.holder.clone().unwrap_or_default();
        if !held {
            return vec![system(
                "trim-released",
                "the log is trimmed again".to_owned(),
                &[],
            )];
        }
        let text = format!(
            "the log keeps {} segments longer than its retention, because subscription {holder} has not read them",
            plan.held_by_low_water
        );
        tracing::warn!(subscription = holder, "{text}");
        vec![system("trim-held", text, &[("subscription", holder)])]
    }

    /// The entries that must be on disk before the frames below `oldest` may go.
    fn prepare<T>(
        &mut self,
        now: UnixMillis,
        retention: &Retention,
        oldest: FrameNumber,
        intake: &Intake<T>,
    ) -> Result<Vec<Entry>, TrimPrepareError> {
        let leaving = |place: &Place| place.frame < oldest;
        let faults = self
            .views
            .faults(None, CARRIED_MAX, |fault| leaving(&fault.place))?;
        let mut entries = Vec::new();
        for summary in &faults {
            let entry = self
                .reader
                .read_entry(summary.place.frame, summary.place.index)?;
            if let Entry::Fault(mut fault) = entry {
                fault.carried = true;
                entries.push(Entry::Fault(fault));
            }
        }
        for (mut polled, place) in self.views.polls()? {
            if leaving(&place) {
                polled.carried = true;
                entries.push(Entry::Polled(Box::new(polled)));
            }
        }
        if !entries.is_empty() {
            // The checkpoint waits until none is left behind: by itself it could be written although
            // the frame of a carried fault was not.
            self.next = now.plus(CARRY_EVERY);
            return Ok(entries);
        }
        let mut cursors = intake.cursors().clone();
        for name in retention
            .subscriptions
            .iter()
            .filter(|subscription| subscription.park.is_none())
            .map(|subscription| &subscription.name)
        {
            let behind = cursors.get(name).is_none_or(leaving);
            if behind {
                entries.push(passed(name, oldest));
                let place = before(self.reader.bounds().incarnation, oldest);
                cursors.insert(name.clone(), place);
            }
        }
        let cursors = cursors.into_iter();
        let cursors = cursors.map(|(subscription, place)| Cursor {
            subscription,
            place,
            time: now,
        });
        entries.push(Entry::Checkpoint(Checkpoint {
            oldest,
            time: now,
            cursors: cursors.collect(),
            faults_open: self.stats.faults_open.load(Ordering::Relaxed),
        }));
        self.pending = Some(Pending { oldest, since: now });
        Ok(entries)
    }
}

#[derive(Debug, thiserror::Error)]
enum TrimPrepareError {
    #[error("the open faults and the cursors of sources cannot be listed")]
    Views(#[from] ViewsError),
    #[error("an open fault cannot be read")]
    Log(#[from] ReadError),
}

/// The last place before a frame.
const fn before(incarnation: tidegate_types::position::Incarnation, frame: FrameNumber) -> Place {
    Place {
        incarnation,
        frame: FrameNumber(frame.0.saturating_sub(1)),
        index: u32::MAX,
    }
}

fn passed(subscription: &str, oldest: FrameNumber) -> Entry {
    let text = format!(
        "subscription {subscription} has not read everything before frame {oldest}, which is removed now, since it is older than its max-lag"
    );
    tracing::warn!(subscription, "{text}");
    system(
        "subscription-passed",
        text,
        &[("subscription", subscription.to_owned())],
    )
}
