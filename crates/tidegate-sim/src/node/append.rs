//! Writing a frame, and what becomes of those who wait for it.

use tidegate_core::log::engine::{AppendError, Engine, FullCause};
use tidegate_core::receive::batch::{Batch, ToAppend};
use tidegate_core::receive::intake::{Answer, Content, Refusal};
use tidegate_types::position::{FrameNumber, Place};

use super::views::Written;
use super::{Ticket, UnderWay, Up};
use crate::context::{Context, Request};
use crate::report::{Rule, Situation};
use crate::scenario::Sabotage;

impl Up {
    pub(super) fn append(
        &mut self,
        cx: &mut Context,
        mut batch: Batch<Ticket>,
        sabotage: Option<Sabotage>,
    ) -> UnderWay {
        let before = self.log.head();
        let work = batch.work();
        let large = matches!(work, ToAppend::Large(_));
        let appended = match work {
            ToAppend::Frame(draft) => self.log.append(cx.wall(), &before, draft),
            ToAppend::Large(entry) => self.log.append_large(cx.wall(), &before, entry),
        };
        let head = self.log.head().frame;
        let broken_off = large && appended.is_err() && head > before.frame;
        if broken_off {
            cx.seen(Situation::SeriesBroken);
        }
        let failures = self.log.status().failures;
        if failures > self.failures {
            self.failures = failures;
            cx.seen(Situation::WentOn);
        }
        match appended {
            Ok(head) => {
                if large {
                    cx.seen(Situation::LargeKept);
                }
                self.synced(batch, head.frame)
            }
            Err(_) if broken_off && sabotage == Some(Sabotage::BrokenSeriesBelieved) => {
                self.synced(batch, head)
            }
            Err(error) => {
                cx.note(format!("frame {} refused: {error}", before.frame.next()));
                let refusal = refusal(cx, &error);
                let answers = self.intake.failed(batch, refusal);
                UnderWay::Written {
                    answers,
                    written: None,
                }
            }
        }
    }

    fn synced(&mut self, batch: Batch<Ticket>, frame: FrameNumber) -> UnderWay {
        let (answers, changes) = self.intake.synced(batch, frame);
        UnderWay::Written {
            answers,
            written: Some(Written { frame, changes }),
        }
    }

    /// The sabotage of answering too early: what is offered equals the one entry under way.
    pub(super) fn repeat_of_taken(
        &mut self,
        ticket: Ticket,
        content: &Content,
    ) -> Option<(Ticket, Answer)> {
        let (Ticket::Request(request), Content::Event { id, .. }) = (ticket, content) else {
            return None;
        };
        let same = |first: &Request| (first.sender, first.item) == (request.sender, request.item);
        let taken = matches!(&self.frame, Some(UnderWay::Taken { batch }) if batch.entries() == 1);
        if taken && !self.awaited.is_empty() && self.awaited.iter().all(same) {
            let head = self.log.head();
            let (incarnation, frame) = (head.incarnation, head.frame.next());
            let place = Place {
                incarnation,
                frame,
                index: 0,
            };
            return Some((ticket, Answer::Repeat { id: *id, place }));
        }
        self.awaited.push(request);
        None
    }
}

fn refusal(cx: &mut Context, error: &AppendError) -> Refusal {
    match error {
        AppendError::Full(cause) => {
            cx.seen(match cause {
                FullCause::Disk => Situation::DiskFullRefused,
                FullCause::SizeLimit => Situation::LogFullRefused,
            });
            Refusal::Full
        }
        AppendError::TooLarge { .. } => Refusal::TooLarge,
        AppendError::Corrupt(damage) => {
            cx.violate(Rule::Opens, damage.to_string());
            Refusal::Damaged
        }
        AppendError::Conflict { .. } | AppendError::Failed(_) => {
            cx.seen(Situation::WriteRefused);
            Refusal::WriteFailed
        }
    }
}
