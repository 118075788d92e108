//! A page has come: what it says about the next one.

use tidegate_types::time::UnixMillis;

use super::{Phase, Poll};
use crate::log::entry::{Blame, Fingerprint};
use crate::poll::kept::{Kept, Position, Round};
use crate::poll::output::{Failed, Fetch, Note, Page, Stuck, StuckReason};
use crate::poll::settings::{Paging, Resume};
use crate::poll::{CURSOR_BYTES_MAX, ETAG_BYTES_MAX};
use crate::receive::fingerprint;

/// Empty pages in a row after which a round rests although the source says that more follows: a feed
/// with a new cursor in every answer would else be asked without end.
const EMPTY_MAX: u32 = 16;

/// A page on its way to the log.
#[derive(Debug)]
pub(super) struct Pending<B> {
    pub(super) page: Page<B>,
    /// How the flow stands once it is durable.
    pub(super) next: Kept,
    pub(super) then: Then,
    pub(super) stuck: Option<Stuck>,
    /// How often it was refused.
    pub(super) refused: u32,
}

/// What follows a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The next one at once.
    Fetch,
    /// The next one when the next round is due.
    Rest,
    /// The next round, which begins anew.
    End,
    /// The same again, later.
    Blocked(StuckReason),
}

/// What a page says about the next one.
enum Step {
    More(Position, Option<UnixMillis>),
    End(Position),
    Stuck(StuckReason),
}

impl<B: Clone> Poll<B> {
    pub(super) fn take_page(&mut self, fetch: &Fetch, page: Page<B>) {
        self.wait(page.wait);
        if page
            .next
            .as_ref()
            .is_some_and(|next| next.len() > CURSOR_BYTES_MAX)
        {
            return self.failed(&Failed {
                blame: Blame::Them,
                text: format!("the next cursor has more than {CURSOR_BYTES_MAX} bytes"),
                wait: None,
            });
        }
        let Some(mut round) = self.kept.round else {
            // There is a round while a request is under way.
            return;
        };
        self.pages = self.pages.saturating_add(1);
        self.empty_in_a_row = if page.items == 0 {
            self.empty_in_a_row.saturating_add(1)
        } else {
            0
        };
        round.newest = round.newest.max(page.newest);
        let step = self.stuck_or(fetch, &page, self.step(fetch, &page, &round));
        self.previous = Some(page.fingerprint);
        let (next, then, stuck) = match step {
            Step::More(position, since) => {
                let next = Kept {
                    position,
                    round: Some(Round { since, ..round }),
                    etag: String::new(),
                    ..self.kept.clone()
                };
                (next, self.pace(), None)
            }
            Step::End(position) => (self.ended(fetch, &page, (position, round)), Then::End, None),
            Step::Stuck(reason) => {
                let stuck = self.stuck_at(fetch, reason);
                (self.blocked_at(reason), Then::Blocked(reason), Some(stuck))
            }
        };
        let pending = Pending {
            page,
            next,
            then,
            stuck,
            refused: 0,
        };
        if pending.is_worth_writing(&self.kept) {
            self.phase = Phase::Held(Box::new(pending), self.now);
        } else {
            self.settle(pending);
        }
    }

    /// The page is dealt with.
    pub(super) fn settle(&mut self, pending: Pending<B>) {
        self.kept = pending.next;
        if let Then::Blocked(reason) = pending.then {
            if !self.stuck {
                self.stuck = true;
                self.note(Note::Stuck(reason));
            }
            let seen = std::mem::take(&mut self.seen);
            self.forget_round();
            if reason == StuckReason::SamePage {
                // Asked again, the very same answer says at once that nothing has changed.
                self.seen = seen;
            }
            if self.kept.round.is_none() {
                // It begins anew, as if it were due now.
                self.begin();
            }
            return self.blocked(reason.to_string());
        }
        // That the first page comes says nothing about a source that ignores page numbers.
        let numbered = matches!(self.settings.paging, Paging::Number { .. });
        if !self.stuck || !numbered || self.pages > 1 {
            self.stuck = false;
            self.answered();
        }
        match pending.then {
            Then::Fetch | Then::Blocked(_) => {}
            Then::Rest | Then::End => self.rest(),
        }
    }

    fn step(&self, fetch: &Fetch, page: &Page<B>, round: &Round) -> Step {
        let mark = self.settings.mark;
        if mark.is_some_and(|mark| mark.newest_first)
            && page.newest.is_some_and(|newest| Some(newest) < round.since)
        {
            return Step::End(self.resume_at(fetch));
        }
        match self.settings.paging {
            Paging::Single => match mark.and_then(|mark| mark.page_size) {
                Some(size) if page.items >= size => {
                    if page.newest > round.since {
                        Step::More(Position::Start, page.newest)
                    } else {
                        Step::Stuck(StuckReason::SameTime)
                    }
                }
                _ => Step::End(Position::Start),
            },
            Paging::Token => match &page.next {
                None => Step::End(self.resume_at(fetch)),
                Some(token) => {
                    let next = Position::Token(token.clone());
                    if page.items == 0 && next == fetch.position {
                        Step::End(self.resume_at(fetch))
                    } else {
                        Step::More(next, round.since)
                    }
                }
            },
            Paging::Number { size, .. } => {
                let Position::Page(number) = fetch.position else {
                    return Step::End(Position::Start);
                };
                if page.items == 0 || size.is_some_and(|size| page.items < size) {
                    Step::End(Position::Start)
                } else {
                    Step::More(Position::Page(number.saturating_add(1)), round.since)
                }
            }
        }
    }

    /// Where the next round begins.
    fn resume_at(&self, fetch: &Fetch) -> Position {
        match self.settings.resume {
            Resume::Last if self.settings.mark.is_none() => fetch.position.clone(),
            Resume::Last | Resume::Start => Position::Start,
        }
    }

    /// Whether the source only says that more follows.
    fn stuck_or(&mut self, fetch: &Fetch, page: &Page<B>, step: Step) -> Step {
        if !matches!(step, Step::More(..)) {
            return step;
        }
        let numbered = matches!(self.settings.paging, Paging::Number { .. });
        if numbered && self.previous == Some(page.fingerprint) {
            return Step::Stuck(StuckReason::PageIgnored);
        }
        if !self.seen.insert(key(fetch, page)) {
            return Step::Stuck(StuckReason::SamePage);
        }
        step
    }

    /// A round has a bound on its pages; past it, the next one goes on from there.
    fn pace(&mut self) -> Then {
        if self.pages >= self.settings.pages_max {
            self.note(Note::RoundCut { pages: self.pages });
            Then::Rest
        } else if self.empty_in_a_row >= EMPTY_MAX {
            Then::Rest
        } else {
            Then::Fetch
        }
    }

    /// How the flow stands when a round has ended with this page.
    fn ended(&self, fetch: &Fetch, page: &Page<B>, (position, round): (Position, Round)) -> Kept {
        // An item that claims to be from the future must not hide what is newer than now.
        let newest = round.newest.map(|newest| newest.min(round.began));
        let mut next = Kept {
            position,
            mark: self
                .kept
                .mark
                .max(newest.filter(|_| self.settings.mark.is_some())),
            round: None,
            etag: String::new(),
            request: self.settings.request,
        };
        // The next round begins with this very request, so it may ask whether the answer has changed.
        let since = |kept: &Kept| match (self.settings.mark, kept.mark) {
            (Some(mark), Some(at)) => Some(at.minus(mark.overlap)),
            _ => None,
        };
        let first = match (&next.position, self.settings.paging) {
            (Position::Start, Paging::Number { first, .. }) => Position::Page(first),
            (position, _) => position.clone(),
        };
        if first == fetch.position
            && since(&next) == fetch.since
            && page.etag.len() <= ETAG_BYTES_MAX
        {
            next.etag.clone_from(&page.etag);
        }
        next
    }

    /// How the flow stands when its source does not get on: where it stood, but for a source that
    /// ignores page numbers, which is read from its start again.
    fn blocked_at(&self, reason: StuckReason) -> Kept {
        let mut next = self.kept.clone();
        next.etag.clear();
        if reason == StuckReason::PageIgnored {
            next.position = Position::Start;
            next.round = None;
        }
        next
    }

    fn stuck_at(&self, fetch: &Fetch, reason: StuckReason) -> Stuck {
        let place = match &fetch.position {
            Position::Start => String::new(),
            Position::Token(token) => token.clone(),
            // The number differs each time, the fault does not.
            Position::Page(_) => "pages".to_owned(),
        };
        let since = fetch.since.filter(|_| reason == StuckReason::SameTime);
        let since = since.map_or_else(String::new, |since| since.to_string());
        let digest = fingerprint::of_event(&place, &since, &[]);
        let name = format!("stuck:{}", fingerprint::hex(&digest));
        Stuck { name, reason }
    }
}

impl<B> Pending<B> {
    /// Nothing is written for a poll that brought nothing and moved nothing.
    fn is_worth_writing(&self, kept: &Kept) -> bool {
        self.page.items > 0 || self.stuck.is_some() || self.is_moved(kept)
    }

    /// Whether the cursor says something new. That a round is under way is nothing new by itself.
    pub(super) fn is_moved(&self, kept: &Kept) -> bool {
        let moved = |kept: &Kept| Kept {
            round: None,
            ..kept.clone()
        };
        moved(kept) != moved(&self.next)
    }
}

/// Tells a page at a place of the source, and where it leads, from all others of a round.
fn key<B>(fetch: &Fetch, page: &Page<B>) -> Fingerprint {
    let mut rest = page.fingerprint.to_vec();
    rest.extend_from_slice(page.next.as_deref().unwrap_or_default().as_bytes());
    let place = match &fetch.position {
        Position::Start => String::new(),
        Position::Token(token) => format!("t{token}"),
        Position::Page(number) => format!("p{number}"),
    };
    let since = fetch
        .since
        .map_or_else(String::new, |since| since.0.to_string());
    fingerprint::of_event(&place, &since, &rest)
}
