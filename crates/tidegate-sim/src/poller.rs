//! A flow that polls, and the source it reads.
//!
//! The source has a list that grows. It fails, asks for pauses, gives pages that nobody can read, empty
//! ones, and items twice and in another order. The node dies at any moment; what it has read is in its
//! log alone.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_core::log::entry::{Blame, Entry, Polled};
use tidegate_core::poll::{
    Append, AttemptId, Backoff, Failed, Fetch, Fetched, Output, Page, Paging, Poll, Position,
    Resume, Settings,
};
use tidegate_core::receive::fingerprint;
use tidegate_core::receive::intake::{Answer, Content, Refusal};
use tidegate_core::receive::page;
use tidegate_types::position::FrameNumber;
use tidegate_types::time::UnixMillis;

use crate::context::Step;
use crate::item::{Flow, Item, Offered, Shape};
use crate::node::{Own, Ticket};
use crate::report::{Rule, Situation};
use crate::scenario::Sabotage;
use crate::world::World;

/// Mean time between two looks at the machine.
pub(crate) const POLL_EVERY: Duration = Duration::from_millis(40);

/// How long after a round the next one begins.
const ROUND_EVERY: Duration = Duration::from_millis(400);

/// Items of a page.
const PAGE: u32 = 4;

/// One in so many items cannot be mapped.
const BROKEN_EVERY: u32 = 13;

/// Bytes of an item in turn: most share a frame, some pages take several.
const BYTES: [u32; 6] = [40, 900, 40, 12_000, 300, 90_000];

/// What a failure says that means a page nobody can read.
const UNREADABLE: &str = "unreadable";

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Poller {
    flow: Flow,
    sender: usize,
    /// How many items the source has.
    items: u32,
    machine: Option<Poll<Vec<u32>>>,
    answers: BTreeMap<AttemptId, Fetched<Vec<u32>>>,
}

impl Poller {
    /// One whose items are told from those of senders by `sender`.
    pub(crate) fn new(sender: usize) -> Self {
        Self {
            flow: Flow::new(sender),
            sender,
            items: 0,
            machine: None,
            answers: BTreeMap::new(),
        }
    }

    fn name(&self) -> String {
        format!("flow-{}", self.sender)
    }

    fn settings(&self) -> Settings {
        Settings {
            backoff: Backoff {
                least: Duration::from_millis(200),
                most: Duration::from_secs(2),
            },
            retry_after_max: Duration::from_secs(2),
            ..Settings::new(&self.name(), Paging::Token, Resume::Last)
        }
    }

    /// What is offered for an item.
    fn offer(&self, now: UnixMillis, number: u32) -> (Offered, Content) {
        let bytes = BYTES.get(number as usize % BYTES.len());
        let shape = if number % BROKEN_EVERY == BROKEN_EVERY - 1 {
            Shape::Broken
        } else {
            Shape::Event(bytes.copied().unwrap_or_default())
        };
        let item = Item {
            number,
            version: 0,
            shape,
        };
        self.flow.offer(now, &item, FrameNumber(0))
    }
}

impl World {
    /// The source grows, and the machine does what it wants done.
    pub(crate) fn poll(&mut self) {
        let wait = self.cx.random.around(POLL_EVERY);
        self.cx.after(wait, Step::Poll);
        if !self.healed && self.cx.random.chance(60) {
            self.poller.items += 1 + u32::try_from(self.cx.random.below(4)).unwrap_or(0);
        }
        self.poll_outputs();
    }

    fn poll_outputs(&mut self) {
        let life = self.node.life;
        for _ in 0..100 {
            let now = self.cx.wall();
            let Some(machine) = self
                .poller
                .machine
                .as_mut()
                .filter(|_| self.node.up.is_some())
            else {
                return;
            };
            match machine.poll_output(now) {
                None => return,
                Some(Output::Note(_)) => {}
                Some(Output::Plan { .. }) => machine.handle_planned(now, now.plus(ROUND_EVERY)),
                Some(Output::Fetch(fetch)) => {
                    let (attempt, answer) = (fetch.attempt, self.source(&fetch));
                    self.poller.answers.insert(attempt, answer);
                    let wait = self.cx.random.around(Duration::from_millis(30));
                    let attempt = attempt.0;
                    self.cx.after(wait, Step::Polled { life, attempt });
                }
                Some(Output::Append(append)) => self.append_page(append),
            }
        }
        self.cx
            .violate(Rule::Liveness, "the polling machine spins".to_owned());
    }

    /// How the source answers.
    fn source(&mut self, fetch: &Fetch) -> Fetched<Vec<u32>> {
        let at: u32 = match &fetch.position {
            Position::Token(token) => {
                let number = token.split(';').next().unwrap_or_default();
                number.parse().unwrap_or_default()
            }
            _ => 0,
        };
        let failed = |text: &str, wait| {
            Fetched::Failed(Failed {
                blame: Blame::Them,
                text: text.to_owned(),
                wait,
            })
        };
        let end = self.poller.items.min(at + PAGE);
        let mut items: Vec<u32> = (at..end).collect();
        let mut next = (end < self.poller.items).then(|| end.to_string());
        if !self.healed {
            let lossy = self.cx.now < self.lossy_until;
            match self.cx.random.below(if lossy { 4 } else { 30 }) {
                0 => {
                    let wait = Duration::from_millis(self.cx.random.below(3000));
                    return failed("busy", Some(wait));
                }
                1 => return failed(UNREADABLE, None),
                2 => {
                    items.clear();
                    next = Some(format!("{at};{}", self.cx.random.below(3)));
                }
                3 => {
                    items.reverse();
                    items.extend(items.first().copied());
                }
                _ => {}
            }
        }
        page_of(items, next)
    }

    /// An answer of the source arrives.
    pub(crate) fn polled(&mut self, attempt: u64) {
        let now = self.cx.wall();
        let attempt = AttemptId(attempt);
        let (Some(mut fetched), Some(machine)) = (
            self.poller.answers.remove(&attempt),
            self.poller.machine.as_mut(),
        ) else {
            return;
        };
        if self.scenario.sabotage == Some(Sabotage::PollPassesUnreadable)
            && matches!(&fetched, Fetched::Failed(failed) if failed.text == UNREADABLE)
        {
            let next = self.poller.items.to_string();
            fetched = page_of(Vec::new(), Some(next));
        }
        if matches!(&fetched, Fetched::Failed(_)) {
            self.cx.seen(Situation::PollFailed);
        }
        machine.handle_fetched(now, attempt, fetched);
        self.poll_outputs();
    }

    fn append_page(&mut self, append: Append<Vec<u32>>) {
        let now = self.cx.wall();
        let (mut contents, mut ids) = (Vec::new(), Vec::new());
        for number in append.body {
            let (offered, content) = self.poller.offer(now, number);
            self.audit.offered(&offered, FrameNumber(0));
            ids.push(offered.id);
            contents.push(content);
        }
        self.audit.page(append.polled.number, ids);
        if self.scenario.sabotage == Some(Sabotage::PollCursorFirst) {
            let cursor = Entry::Polled(Box::new(append.polled));
            self.offer_polled(Ticket::Page, Content::Plain(Box::new(cursor)));
            for content in contents {
                self.offer_polled(Ticket::Own(Own::Note), content);
            }
            return;
        }
        let page = page::Page::new(contents, append.polled, false);
        let page = if append.moved { page } else { page.unmoved() };
        self.offer_polled(Ticket::Page, Content::Page(Box::new(page)));
    }

    fn offer_polled(&mut self, ticket: Ticket, content: Content) {
        let answers = self.node.offer(&mut self.cx, ticket, content);
        self.answer(answers);
    }

    /// The log has answered for a page.
    pub(crate) fn page_answered(&mut self, answer: &Answer) {
        let now = self.cx.wall();
        let Some(machine) = self.poller.machine.as_mut() else {
            return;
        };
        match answer {
            Answer::Refused(Refusal::UnknownCursor) => {
                let detail = "a page was refused as older than the newest".to_owned();
                self.cx.violate(Rule::Poll, detail);
            }
            Answer::Refused(_) => {
                self.cx.seen(Situation::PageRefused);
                machine.handle_refused(now);
            }
            Answer::Page(kept) => {
                if kept.outcome.repeats > 0 {
                    self.cx.seen(Situation::PageRepeated);
                }
                machine.handle_appended(now, kept.place.is_some());
            }
            _ => machine.handle_appended(now, true),
        }
    }

    /// The node has started: the flow goes on where the log says.
    pub(crate) fn restart_poll(&mut self) {
        self.poller.answers.clear();
        let polls = self.node.views.content().map(|content| &content.polls);
        let newest: Option<Polled> = polls
            .and_then(|polls| polls.get(&self.poller.name()))
            .map(|(polled, _)| polled.clone());
        let number = newest.as_ref().map_or(0, |polled| polled.number);
        self.audit.poll_restored(&mut self.cx, number);
        let (now, seed) = (self.cx.wall(), self.cx.random.next());
        match Poll::restore(self.poller.settings(), newest.as_ref(), now, seed) {
            Ok(machine) => self.poller.machine = Some(machine),
            Err(error) => self.cx.violate(Rule::Poll, error.to_string()),
        }
    }

    /// An item of the source that does not stand in the log.
    pub(crate) fn unpolled(&self) -> Option<u32> {
        let now = self.cx.wall();
        (0..self.poller.items).find(|number| {
            let (offered, _) = self.poller.offer(now, *number);
            !self.audit.stands(&offered.id)
        })
    }
}

fn page_of(items: Vec<u32>, next: Option<String>) -> Fetched<Vec<u32>> {
    let bytes: Vec<u8> = items.iter().flat_map(|item| item.to_le_bytes()).collect();
    Fetched::Page(Page {
        items: u32::try_from(items.len()).unwrap_or(u32::MAX),
        faults: 0,
        filtered: 0,
        fingerprint: fingerprint::of_original(&bytes),
        next,
        newest: None,
        etag: String::new(),
        wait: None,
        body: items,
    })
}
