//! What goes wrong, and when.

use std::time::Duration;

use tidegate_core::log::memdisk::{Crash, Faults};

use crate::context::Step;
use crate::disk::SimDisk;
use crate::report::{FaultKind, Situation};
use crate::world::World;

/// How long after a start that failed the next one comes.
const RESTART_AFTER: Duration = Duration::from_millis(200);

/// How a machine goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doom {
    /// The process is killed; what it wrote can be read, synced or not.
    Kill,
    /// So is it, and the views are lost with it.
    KillAndViews,
    /// What was not synced is lost or torn.
    Power,
}

impl World {
    /// Something goes wrong, and the next thing is planned.
    pub(crate) fn fault(&mut self) {
        let wait = self.cx.random.around(self.scenario.fault_every);
        self.cx.after(wait, Step::Fault);
        let Some(kind) = self.cx.random.pick(FaultKind::ALL).copied() else {
            return;
        };
        self.cx.note(format!("fault: {kind}"));
        self.cx.report.struck(kind);
        let soon = self.cx.random.below(4);
        let disk = self.some_disk();
        match kind {
            FaultKind::Kill => self.doom(Doom::Kill),
            FaultKind::PowerLoss => self.doom(Doom::Power),
            FaultKind::ViewsLost => self.doom(Doom::KillAndViews),
            FaultKind::SyncFails => {
                disk.set_faults(Faults {
                    sync_fails_in: Some(soon),
                    ..Faults::default()
                });
            }
            FaultKind::WriteFails => {
                disk.set_faults(Faults {
                    write_fails_in: Some(soon),
                    ..Faults::default()
                });
            }
            FaultKind::CreateFails => {
                disk.set_faults(Faults {
                    create_fails_in: Some(0),
                    ..Faults::default()
                });
            }
            FaultKind::DiskFull => {
                let more = self.cx.random.below(2 * self.node.settings.segment_bytes);
                disk.limit(Some(more));
                let wait = self
                    .cx
                    .random
                    .between(Duration::from_secs(1), Duration::from_secs(5));
                self.cx.after(wait, Step::DiskFreed);
            }
            FaultKind::SlowSync => self.node.slow_until = self.until(4),
            FaultKind::ViewsStall => self.node.views_stall_until = self.until(4),
            FaultKind::Partition => self.lossy_until = self.until(4),
            FaultKind::SubscriberStalls => {
                let until = self.until(25);
                let at = self.cx.random.index(self.subscribers.len());
                if let Some(subscriber) = self.subscribers.get_mut(at) {
                    subscriber.stalled_until = until;
                }
            }
            FaultKind::ConsumerStalls => {
                let until = self.until(12);
                let at = self.cx.random.index(self.consumers.len());
                if let Some(consumer) = self.consumers.get_mut(at) {
                    consumer.stalled_until = until;
                }
            }
            FaultKind::EndpointBad => self.worsen_endpoint(),
            FaultKind::EndpointAway => {
                let until = self.until(20);
                let at = self.cx.random.index(self.flows.len());
                if let Some(flow) = self.flows.get_mut(at) {
                    flow.endpoint.go_away(until);
                }
            }
            FaultKind::ClockBack => {
                let by = self.cx.random.around(Duration::from_secs(2));
                self.cx.step_clock_back(by);
            }
        }
    }

    /// The disk or the machine fails soon after a large entry has come, so that its series of chunks
    /// breaks off more often than chance would have it.
    pub(crate) fn break_series(&mut self) {
        let soon = Some(2 + self.cx.random.below(6));
        let faults = match self.cx.random.below(4) {
            0 => Faults {
                sync_fails_in: soon,
                ..Faults::default()
            },
            1 => Faults {
                write_fails_in: soon,
                ..Faults::default()
            },
            2 => Faults {
                stops_in: soon,
                ..Faults::default()
            },
            _ => return,
        };
        self.node.disk.set_faults(faults);
    }

    /// One of the endpoints does not behave for a while.
    fn worsen_endpoint(&mut self) {
        let until = self.until(9);
        let at = self.cx.random.index(self.flows.len());
        if let Some(flow) = self.flows.get_mut(at) {
            let mood = flow.endpoint.worsen(&mut self.cx.random, until);
            self.cx.note(format!("{}: {mood:?}", flow.flow.name));
        }
    }

    /// The disk of the log, or now and then that of a park.
    fn some_disk(&mut self) -> SimDisk {
        let parks = &self.node.parks.stores;
        let at = self.cx.random.index(parks.len());
        let park = parks.get(at).filter(|_| self.cx.random.chance(300));
        park.map_or(&self.node.disk, |store| &store.disk).clone()
    }

    /// A moment up to so many seconds ahead.
    fn until(&mut self, seconds: u64) -> Duration {
        let now = self.cx.now;
        now + self
            .cx
            .random
            .between(Duration::from_millis(500), Duration::from_secs(seconds))
    }

    /// The machine goes down: now, or in the middle of one of the next calls of the disk.
    fn doom(&mut self, doom: Doom) {
        if self.node.up.is_none() {
            return;
        }
        self.doom = Some(doom);
        if self.cx.random.chance(300) {
            self.crash();
        } else {
            let calls = self.cx.random.below(8);
            self.some_disk().set_faults(Faults {
                stops_in: Some(calls),
                ..Faults::default()
            });
            let wait = self.cx.random.around(Duration::from_millis(300));
            self.cx.after(
                wait,
                Step::Doom {
                    life: self.node.life,
                },
            );
        }
    }

    /// The machine is down, and will start again.
    pub(crate) fn crash(&mut self) {
        let doom = self.doom.take().unwrap_or(Doom::Power);
        let how = match doom {
            Doom::Kill | Doom::KillAndViews => Crash::KeepAll,
            Doom::Power => match self.cx.random.below(4) {
                0 => Crash::LoseAll,
                1 => Crash::KeepBytes(self.cx.random.index(3000)),
                _ => Crash::Tear,
            },
        };
        self.cx.note(format!("down: {how:?}"));
        self.node.crash(&mut self.cx, how);
        if doom == Doom::KillAndViews {
            self.node.views.lose();
        }
        self.requests.clear();
        self.stop_flows();
        let wait = self
            .cx
            .random
            .between(Duration::from_millis(20), Duration::from_millis(900));
        self.cx.after(wait, Step::Restart);
    }

    /// The node starts; now and then that is interrupted as well.
    pub(crate) fn restart(&mut self) {
        if self.node.up.is_some() {
            return;
        }
        let interrupted = !self.healed && self.cx.random.chance(200);
        let mut sick = self.node.disk.clone();
        if interrupted {
            let calls = self.cx.random.below(4);
            sick = self.some_disk();
            self.doom = Some(if self.cx.random.chance(500) {
                Doom::Kill
            } else {
                Doom::Power
            });
            sick.set_faults(Faults {
                stops_in: Some(calls),
                ..Faults::default()
            });
        }
        let started = self.node.start(&mut self.cx);
        if self.node.stopped() {
            self.cx.seen(Situation::StartInterrupted);
            return self.crash();
        }
        if interrupted {
            self.doom = None;
            sick.set_faults(Faults::default());
        }
        if started.is_some() {
            self.started();
        } else {
            self.cx.seen(Situation::StartFailed);
            self.cx.after(RESTART_AFTER, Step::Restart);
        }
    }
}
