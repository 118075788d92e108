//! One region's node: the log, the intake and the views, driven as the real hub drives them.
//!
//! A frame takes three steps: its batch is taken and waits for the disk, it is written and synced,
//! its answers go out. The node may die before, within and after each of them.

mod append;
pub(crate) mod parks;
pub(crate) mod trim;
pub(crate) mod views;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::log::embedded::EmbeddedLog;
use tidegate_core::log::engine::{Engine, LogReader};
use tidegate_core::log::entry::Entry;
use tidegate_core::log::memdisk::Crash;
use tidegate_core::log::recovery::OpenError;
use tidegate_core::receive::batch::Batch;
use tidegate_core::receive::intake::{Answer, Content, Intake, Offer, Refusal};
use tidegate_core::receive::ledger::Ledger as _;
use tidegate_types::position::{FrameNumber, Place};

use crate::context::{Context, Request, Step};
use crate::disk::SimDisk;
use crate::report::{Rule, Situation};
use crate::scenario::{Sabotage, Settings};
use parks::{OpenFailure, Parks};
use trim::{Sight, Trimmer};
use views::{Started, Views, Written};

/// How often the node looks at the size of its log.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The log under test.
pub(crate) type Log = EmbeddedLog<SimDisk>;

/// What became of offers, each with who made it.
pub(crate) type Answers = Vec<(Ticket, Answer)>;

/// Who made an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ticket {
    Request(Request),
    Cursor {
        subscriber: usize,
    },
    /// A page of a source.
    Page,
    Own(Own),
    /// A part of what a flow writes.
    Flow {
        flow: usize,
        serial: u64,
    },
    /// What the park of a flow gives up.
    Park {
        flow: usize,
    },
}

/// What the node writes of its own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    Note,
    /// Must be on disk before a checkpoint.
    Before,
    Checkpoint,
}

/// A node, up or down.
pub(crate) struct Node {
    pub(crate) disk: SimDisk,
    pub(crate) settings: Settings,
    pub(crate) views: Views,
    pub(crate) parks: Parks,
    /// Syncs and the views are slow until then.
    pub(crate) slow_until: Duration,
    pub(crate) views_stall_until: Duration,
    /// Counts starts; steps of an earlier life mean nothing.
    pub(crate) life: u64,
    pub(crate) up: Option<Up>,
    sabotage: Option<Sabotage>,
}

/// A running process.
pub(crate) struct Up {
    pub(crate) log: Log,
    pub(crate) reader: Arc<dyn LogReader>,
    pub(crate) intake: Intake<Ticket>,
    pub(crate) failures: u64,
    frame: Option<UnderWay>,
    unapplied: VecDeque<Written>,
    trimmer: Trimmer,
    full: bool,
    /// Requests without an answer, kept for the sabotage that answers too early.
    awaited: Vec<Request>,
}

/// The frame that is being made.
#[derive(Debug)]
enum UnderWay {
    Taken {
        batch: Batch<Ticket>,
    },
    Written {
        answers: Answers,
        written: Option<Written>,
    },
}

impl Node {
    pub(crate) fn new(
        disk: SimDisk,
        settings: Settings,
        parks: Parks,
        sabotage: Option<Sabotage>,
    ) -> Self {
        Self {
            disk,
            settings,
            parks,
            views: Views::default(),
            slow_until: Duration::ZERO,
            views_stall_until: Duration::ZERO,
            life: 0,
            up: None,
            sabotage,
        }
    }

    /// Opens what is on disk. `None` if the machine stopped meanwhile, or the disk failed.
    pub(crate) fn start(&mut self, cx: &mut Context) -> Option<()> {
        let options = self.settings.options();
        if self.sabotage == Some(Sabotage::TornTailBelieved) {
            // Without a tear there is nothing to believe.
            let _believed: Option<()> = self.disk.believe_torn_tail(&options, cx.wall());
        }
        let opened = EmbeddedLog::open(self.disk.clone(), options, cx.wall());
        let (log, report) = match opened {
            Ok(opened) => opened,
            Err(_) if self.disk.stopped() => return None,
            // The disk failed; the next start will do.
            Err(OpenError::Io { .. }) => return None,
            Err(error) => {
                cx.violate(Rule::Opens, error.to_string());
                return None;
            }
        };
        cx.note(report.to_string());
        let found = [
            (report.cut.is_some(), Situation::TornTailCut),
            (report.footers_repaired > 0, Situation::FooterRepaired),
            (report.unfinished_removed > 0, Situation::UnfinishedRemoved),
        ];
        for (_, situation) in found.into_iter().filter(|(found, _)| *found) {
            cx.seen(situation);
        }
        if let Some(damage) = report.damage {
            cx.violate(Rule::Opens, damage.to_string());
            return None;
        }
        let reader = log.reader();
        match self.parks.start(cx.wall()) {
            Ok(()) => {}
            Err(OpenFailure::Disk) => return None,
            Err(OpenFailure::Damaged(problem)) => {
                cx.violate(Rule::Opens, format!("a park: {problem}"));
                return None;
            }
        }
        self.start_views(cx, &*reader, report.new_log)?;
        let cursors = self.views.content().map(|content| content.cursors.clone());
        let end = (log.head().incarnation, log.head().frame);
        self.up = Some(Up {
            log,
            reader,
            intake: Intake::new(self.settings.limits, end, cursors.unwrap_or_default()),
            failures: 0,
            frame: None,
            unapplied: VecDeque::new(),
            trimmer: Trimmer::default(),
            full: false,
            awaited: Vec::new(),
        });
        let life = self.life;
        cx.after(LOOK_EVERY, Step::Look { life });
        Some(())
    }

    /// The views go on with what a crash left of them, or begin anew.
    fn start_views(
        &mut self,
        cx: &mut Context,
        reader: &dyn LogReader,
        new_log: bool,
    ) -> Option<()> {
        let marks = match self.sabotage {
            Some(Sabotage::ParkMarkUnread) => Vec::new(),
            _ => self.parks.marks(),
        };
        match self.views.start(reader, &marks) {
            Ok(Started::Rebuilt { .. }) if new_log => {}
            Ok(Started::Rebuilt { adopted }) => {
                cx.seen(Situation::ViewsRebuilt);
                if adopted {
                    cx.seen(Situation::ParkMarkAdopted);
                }
            }
            Ok(Started::CaughtUp(0)) => {}
            Ok(Started::CaughtUp(_)) => cx.seen(Situation::ViewsCaughtUp),
            Err(_) if self.stopped() => return None,
            Err(error) => {
                cx.violate(Rule::Views, format!("they cannot catch up: {error}"));
                return None;
            }
        }
        Some(())
    }

    /// The process ends here and now.
    pub(crate) fn crash(&mut self, cx: &mut Context, how: Crash) {
        self.life += 1;
        self.up = None;
        self.views.crash(&mut cx.random, self.sabotage);
        self.disk.crash(how);
        if self.parks.crash(how) {
            cx.seen(Situation::ParkInterrupted);
        }
    }

    /// Whether the machine has stopped in the middle of a call.
    pub(crate) fn stopped(&self) -> bool {
        self.disk.stopped() || self.parks.stopped()
    }

    /// Offers something; gives what can be answered at once.
    pub(crate) fn offer(&mut self, cx: &mut Context, ticket: Ticket, content: Content) -> Answers {
        let mut answers = Vec::new();
        let content = match content {
            Content::Event {
                id, horizon, entry, ..
            } if self.sabotage == Some(Sabotage::ContentIgnored) => Content::Event {
                id,
                fingerprint: [0; 16],
                horizon,
                entry,
            },
            content => content,
        };
        let Some(up) = &mut self.up else {
            return answers;
        };
        let grows = matches!(
            content,
            Content::Event { .. } | Content::Fault(_) | Content::Page(_)
        );
        if up.full && grows {
            cx.seen(Situation::LogFullRefused);
            answers.push((ticket, Answer::Refused(Refusal::Full)));
            return answers;
        }
        if self.sabotage == Some(Sabotage::RepeatNotWaiting) {
            answers.extend(up.repeat_of_taken(ticket, &content));
        }
        if answers.is_empty()
            && let Err((ticket, refusal)) = up.intake.offer(Offer { ticket, content })
        {
            cx.seen(Situation::OverloadRefused);
            answers.push((ticket, Answer::Refused(refusal)));
        }
        self.pump(cx, &mut answers);
        answers
    }

    /// Takes the next batch, if none is under way.
    fn pump(&mut self, cx: &mut Context, answers: &mut Answers) {
        let Some(up) = &mut self.up else {
            return;
        };
        if up.frame.is_some() || up.intake.is_idle() {
            return;
        }
        if up.intake.is_held() {
            cx.seen(Situation::HeldByLedger);
            return;
        }
        let before = answers.len();
        let batch = up.intake.next_batch(cx.wall(), &self.views, answers);
        for (_, answer) in answers.iter().skip(before) {
            if let Answer::Repeat { id, .. } | Answer::SetAside { fault: id, .. } = answer {
                let in_ledger = self.views.known(id).is_ok_and(|known| known.is_some());
                cx.seen(if in_ledger {
                    Situation::RepeatInLedger
                } else {
                    Situation::RepeatInWindow
                });
            }
        }
        let Some(batch) = batch else {
            return;
        };
        up.frame = Some(UnderWay::Taken { batch });
        let slow = cx.now < self.slow_until;
        let (least, most) = if slow { (100, 900) } else { (1, 6) };
        let wait = cx
            .random
            .between(Duration::from_millis(least), Duration::from_millis(most));
        cx.after(wait, Step::Write { life: self.life });
    }

    /// Writes the frame that was taken.
    pub(crate) fn write(&mut self, cx: &mut Context) {
        self.disk.catch_up();
        let Some(up) = &mut self.up else {
            return;
        };
        if let Some(UnderWay::Taken { batch }) = up.frame.take() {
            let done = up.append(cx, batch, self.sabotage);
            up.frame = Some(done);
        }
        let wait = cx
            .random
            .between(Duration::from_micros(100), Duration::from_millis(3));
        cx.after(wait, Step::Settle { life: self.life });
    }

    /// Gives the answers of the frame that was written, and takes the next.
    pub(crate) fn settle(&mut self, cx: &mut Context) -> Answers {
        let mut settled = Vec::new();
        if let Some(up) = &mut self.up
            && let Some(UnderWay::Written { answers, written }) = up.frame.take()
        {
            up.awaited.clear();
            settled = answers;
            for (_, answer) in &settled {
                if let Answer::Repeat { .. } | Answer::SetAside { repeat: true, .. } = answer {
                    cx.seen(Situation::RepeatInBatch);
                }
            }
            if let Some(written) = written {
                if self.sabotage == Some(Sabotage::WindowForgotten) {
                    up.intake.applied(written.frame);
                }
                if up.unapplied.is_empty() {
                    self.schedule_apply(cx);
                }
                if let Some(up) = &mut self.up {
                    up.unapplied.push_back(written);
                }
            }
        }
        self.pump(cx, &mut settled);
        self.hear_own(&settled);
        settled
    }

    fn schedule_apply(&self, cx: &mut Context) {
        let stalled = self.views_stall_until.saturating_sub(cx.now);
        let lag = cx.random.around(Duration::from_millis(30));
        cx.after(stalled + lag, Step::Apply { life: self.life });
    }

    /// The views apply some of what is written.
    pub(crate) fn apply(&mut self, cx: &mut Context) -> Answers {
        let Some(up) = &mut self.up else {
            return Vec::new();
        };
        let count = 1 + cx.random.index(up.unapplied.len());
        for written in up.unapplied.drain(..count.min(up.unapplied.len())) {
            let frame = written.frame;
            self.views.commit(written);
            up.intake.applied(frame);
        }
        if !up.unapplied.is_empty() {
            self.schedule_apply(cx);
        }
        let mut answers = Vec::new();
        self.pump(cx, &mut answers);
        self.hear_own(&answers);
        answers
    }

    /// Looks at the size of the log, and trims it.
    pub(crate) fn look(&mut self, cx: &mut Context, flows: Option<FrameNumber>) -> Answers {
        cx.after(LOOK_EVERY, Step::Look { life: self.life });
        let (Some(up), Some(content)) = (&mut self.up, self.views.content()) else {
            return Vec::new();
        };
        up.full = up.log.status().bytes > self.settings.size_max;
        let sight = Sight {
            settings: &self.settings,
            sabotage: self.sabotage,
            views: content,
            views_current: up.unapplied.is_empty() && up.frame.is_none(),
            cursors: up.intake.cursors(),
            flows,
        };
        let entries = up.trimmer.look(cx, &mut up.log, &sight);
        self.parks.wanted = self.parks.wanted.max(up.trimmer.wanted);
        let mut answers = Vec::new();
        for (own, entry) in entries {
            let content = Content::Plain(Box::new(entry));
            answers.extend(self.offer(cx, Ticket::Own(own), content));
        }
        self.hear_own(&answers);
        answers
    }

    fn hear_own(&mut self, answers: &Answers) {
        for (ticket, answer) in answers {
            if let (Ticket::Own(own), Some(up)) = (ticket, &mut self.up) {
                up.trimmer.answered(*own, answer);
            }
        }
    }

    /// Whether the views have applied all that is on disk.
    pub(crate) fn is_settled(&self) -> bool {
        let settled = |up: &Up| up.frame.is_none() && up.unapplied.is_empty();
        self.up.as_ref().is_some_and(settled)
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_quiet(&self) -> bool {
        let quiet = |up: &Up| up.intake.is_idle() && up.frame.is_none() && up.unapplied.is_empty();
        self.up.as_ref().is_some_and(quiet)
    }

    /// How far each subscription has acknowledged, while the node is up.
    pub(crate) fn cursors(&self) -> Option<&BTreeMap<String, Place>> {
        self.up.as_ref().map(|up| up.intake.cursors())
    }
}

/// The entry a start writes.
pub(crate) fn started(cx: &Context) -> (Ticket, Content) {
    let entry: Entry = trim::system(cx.wall(), "started", Vec::new());
    (Ticket::Own(Own::Note), Content::Plain(Box::new(entry)))
}
