//! Pages: several entries of one offer, the cursor last.

use tidegate_types::time::UnixMillis;

use super::{Answer, Content, Intake, Offer, Refusal, Verdict, push};
use crate::log::entry::{Entry, encode_entry};
use crate::receive::batch::{Batch, Fresh, Pending};
use crate::receive::ledger::Ledger;
use crate::receive::page::{Page, PageKept};

/// What became of a page that was put into a batch.
pub(super) enum Put {
    /// All of it is answered, or waits for the batch.
    Done,
    /// The batch is full; the rest stands in front of the queue.
    Full,
}

impl<T> Intake<T> {
    /// Puts a page into the batch, as much of it as there is room for.
    pub(super) fn put_page(
        &mut self,
        now: UnixMillis,
        ledger: &dyn Ledger,
        (ticket, mut page): (T, Box<Page>),
        batch: &mut Batch<T>,
        answers: &mut Vec<(T, Answer)>,
    ) -> Put {
        if let Err(refusal) = self.fence(&page) {
            answers.push((ticket, Answer::Refused(refusal)));
            return Put::Done;
        }
        // A page that is split needs one sync more, so one that fits a frame of its own waits for it.
        if !page.begun && !batch.is_empty() && page.bytes() > batch.room() {
            return self.put_back(ticket, page);
        }
        while let Some(content) = page.items.pop_front() {
            if batch.is_closed() {
                page.items.push_front(content);
                return self.put_back(ticket, page);
            }
            match self.put_item(now, ledger, &content, (&mut page, batch)) {
                Ok(true) => {}
                Ok(false) => {
                    page.items.push_front(content);
                    return self.put_back(ticket, page);
                }
                // What is in the log of it by then is there without its cursor, and comes again.
                Err(refusal) => {
                    answers.push((ticket, Answer::Refused(refusal)));
                    return Put::Done;
                }
            }
        }
        if !page.moved && !page.begun {
            let outcome = page.outcome;
            let place = None;
            answers.push((ticket, Answer::Page(PageKept { outcome, place })));
            return Put::Done;
        }
        let polled = Entry::Polled(page.polled.clone());
        let fresh = Fresh::Plain(Box::new(polled.clone()));
        let slot = if batch.is_closed() {
            None
        } else {
            batch.push(&encode_entry(&polled), fresh)
        };
        match slot {
            Some(slot) => {
                batch.wait(ticket, Pending::Page(slot, page.outcome));
                Put::Done
            }
            None => self.put_back(ticket, page),
        }
    }

    /// Adds one item; gives whether there was room for it.
    fn put_item(
        &self,
        now: UnixMillis,
        ledger: &dyn Ledger,
        content: &Content,
        (page, batch): (&mut Page, &mut Batch<T>),
    ) -> Result<bool, Refusal> {
        let verdict = match content {
            Content::Event { id, horizon, .. } if page.by_id => {
                self.judge_known(id, *horizon, ledger, batch)?
            }
            _ => None,
        };
        let verdict = match verdict {
            Some(verdict) => verdict,
            None => self.judge(now, ledger, content, batch),
        };
        let outcome = &mut page.outcome;
        let counted = match verdict {
            Verdict::Answer(Answer::Refused(refusal)) => return Err(refusal),
            Verdict::Answer(_) => &mut outcome.repeats,
            // The copy it follows may not reach the disk, and the page must fail with it.
            Verdict::Follow(_) => {
                page.begun = true;
                &mut outcome.repeats
            }
            Verdict::Append(entry, fresh) => {
                let counted = if fresh.is_fault() {
                    &mut outcome.set_aside
                } else {
                    &mut outcome.kept
                };
                if push(batch, content, entry, fresh).is_none() {
                    return Ok(false);
                }
                page.begun = true;
                counted
            }
        };
        *counted = counted.saturating_add(1);
        Ok(true)
    }

    fn put_back(&mut self, ticket: T, page: Box<Page>) -> Put {
        self.queued_bytes = self.queued_bytes.saturating_add(page.bytes());
        let content = Content::Page(page);
        self.queue.push_front(Offer { ticket, content });
        Put::Full
    }

    /// A page must follow the newest one of its flow that is known here: so a second reader of the same
    /// source cannot take the cursor back.
    fn fence(&self, page: &Page) -> Result<(), Refusal> {
        let newest = self.polls.get(&page.polled.flow);
        if newest.is_some_and(|newest| page.polled.number <= *newest) {
            return Err(Refusal::UnknownCursor);
        }
        Ok(())
    }

    /// The first page in the queue is dropped if part of it was in the batch that failed.
    pub(super) fn drop_begun(&mut self, refusal: Refusal, answers: &mut Vec<(T, Answer)>) {
        let begun =
            |offer: &mut Offer<T>| matches!(&offer.content, Content::Page(page) if page.begun);
        if let Some(offer) = self.queue.pop_front_if(begun) {
            self.queued_bytes = self.queued_bytes.saturating_sub(offer.content.bytes());
            answers.push((offer.ticket, Answer::Refused(refusal)));
        }
    }
}

impl<T> Batch<T> {
    /// Bytes of entries that still fit.
    fn room(&self) -> usize {
        let used = self.draft_len();
        crate::log::FRAME_BYTES_MAX.saturating_sub(used)
    }
}

impl Fresh {
    const fn is_fault(&self) -> bool {
        matches!(self, Self::Identity { fault: Some(_), .. })
    }
}

#[cfg(test)]
mod tests;
