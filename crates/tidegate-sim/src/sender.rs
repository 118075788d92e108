//! An external system: it sends, waits, tries again with back-off, and does not always behave.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::context::{Context, Request, Step};
use crate::item::{Flow, Item, Shape};

/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Acknowledged items it may send again.
const DONE_MAX: usize = 200;

/// New items at once, more than the node's queue takes.
const BURST: u64 = 40;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Sender {
    index: usize,
    pub(crate) flow: Flow,
    next_number: u32,
    next_serial: u32,
    large_left: u32,
    /// What is not acknowledged, with the attempts so far. Nothing is ever given up.
    pending: BTreeMap<Item, u32>,
    done: VecDeque<Item>,
    /// Requests whose answer it waits for.
    waiting: BTreeSet<Request>,
}

impl Sender {
    pub(crate) fn new(index: usize, large: u32) -> Self {
        Self {
            index,
            flow: Flow::new(index),
            next_number: 0,
            next_serial: 0,
            large_left: large,
            pending: BTreeMap::new(),
            done: VecDeque::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Something to send has come up.
    pub(crate) fn send(&mut self, cx: &mut Context, lossy: bool) {
        match cx.random.below(1000) {
            0..12 => {
                for _ in 0..BURST {
                    self.send_new(cx, lossy);
                }
            }
            12..40 => self.send_twice(cx, lossy),
            40..180 => self.repeat(cx, lossy),
            180..220 => self.reuse(cx, lossy),
            _ => self.send_new(cx, lossy),
        }
    }

    fn send_new(&mut self, cx: &mut Context, lossy: bool) {
        let item = self.new_item(cx);
        self.pending.insert(item, 1);
        self.transmit(cx, item, lossy);
    }

    fn send_twice(&mut self, cx: &mut Context, lossy: bool) {
        let item = self.new_item(cx);
        self.pending.insert(item, 1);
        self.transmit(cx, item, lossy);
        self.transmit(cx, item, lossy);
    }

    /// What was acknowledged comes once more.
    fn repeat(&mut self, cx: &mut Context, lossy: bool) {
        let at = cx.random.index(self.done.len());
        if let Some(item) = self.done.get(at).copied() {
            self.transmit(cx, item, lossy);
        }
    }

    /// Other content under an identity that was used before.
    fn reuse(&mut self, cx: &mut Context, lossy: bool) {
        let at = cx.random.index(self.done.len());
        let Some(item) = self.done.get(at).copied() else {
            return;
        };
        if let Shape::Event(bytes @ ..4096) = item.shape {
            let version = item.version.saturating_add(1);
            let item = Item {
                version,
                shape: Shape::Event(bytes + 1),
                ..item
            };
            self.pending.insert(item, 1);
            self.transmit(cx, item, lossy);
        }
    }

    fn new_item(&mut self, cx: &mut Context) -> Item {
        let number = self.next_number;
        self.next_number += 1;
        let mut below = |limit| u32::try_from(cx.random.below(limit)).unwrap_or_default();
        let shape = if self.large_left > 0 && number > 20 {
            self.large_left -= 1;
            Shape::Event(600_000 + below(900_000))
        } else if below(20) == 0 {
            Shape::Broken
        } else if below(4) == 0 {
            Shape::Event(1 + below(4000))
        } else {
            Shape::Event(1 + below(400))
        };
        Item {
            number,
            version: 0,
            shape,
        }
    }

    /// A request leaves. It or its answer may be lost on the way.
    fn transmit(&mut self, cx: &mut Context, item: Item, lossy: bool) {
        let request = Request {
            sender: self.index,
            serial: self.next_serial,
            item,
        };
        self.next_serial += 1;
        self.waiting.insert(request);
        if !cx.random.chance(if lossy { 500 } else { 10 }) {
            let delay = cx
                .random
                .between(Duration::from_micros(200), Duration::from_millis(15));
            cx.after(delay, Step::Arrive { request });
        }
        cx.after(PATIENCE, Step::Expire { request });
    }

    /// It is time to try an item again.
    pub(crate) fn retry(&mut self, cx: &mut Context, item: Item, lossy: bool) {
        if let Some(attempts) = self.pending.get_mut(&item) {
            *attempts += 1;
            self.transmit(cx, item, lossy);
        }
    }

    /// An answer has come; one that comes too late is not heard.
    pub(crate) fn reply(&mut self, cx: &mut Context, request: Request, accepted: bool) {
        if !self.waiting.remove(&request) {
            return;
        }
        if !accepted {
            return self.back_off(cx, request.item);
        }
        if self.pending.remove(&request.item).is_some() {
            self.done.push_back(request.item);
            if self.done.len() > DONE_MAX {
                self.done.pop_front();
            }
        }
    }

    /// No answer has come.
    pub(crate) fn expire(&mut self, cx: &mut Context, request: Request) {
        if self.waiting.remove(&request) {
            self.back_off(cx, request.item);
        }
    }

    fn back_off(&mut self, cx: &mut Context, item: Item) {
        let Some(attempts) = self.pending.get(&item) else {
            return;
        };
        let wait = BACKOFF_FIRST * 2_u32.saturating_pow(attempts.saturating_sub(1).min(8));
        let wait = wait.min(BACKOFF_MAX);
        let wait = cx.random.between(wait / 2, wait);
        cx.after(
            wait,
            Step::Retry {
                sender: self.index,
                item,
            },
        );
    }

    /// What is not acknowledged yet.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }
}
