//! An external system that fetches a feed and keeps its own cursor.
//!
//! It deals with a page and keeps a cursor: the page's, or that of the event where it stopped. It
//! dies between the two, its requests and answers are lost, it asks for an old page again, it sends
//! cursors that were altered or belong to another feed, and what its feed gives is changed.

use std::time::Duration;

use tidegate_core::feed::cursor::CursorError;
use tidegate_types::position::Place;

use crate::context::Step;
use crate::feed::{Feed, FeedPage, Held, Refused};
use crate::report::{Rule, Situation};
use crate::scenario::{CONSUMERS, Consumption, Sabotage};
use crate::world::World;

/// Mean time between two pages of a consumer.
pub(crate) const FETCH_EVERY: Duration = Duration::from_millis(180);

/// Events of a page at most.
const LIMIT_MAX: usize = 20;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) spec: Consumption,
    pub(crate) feed: Feed,
    /// Its cursor, and what the feed gave when it was made.
    cursor: Option<(String, &'static str)>,
    /// A request of earlier, and what came of it.
    earlier: Option<Earlier>,
    pub(crate) stalled_until: Duration,
}

#[derive(Debug)]
struct Earlier {
    cursor: String,
    on: &'static str,
    given: Vec<Place>,
}

impl Consumer {
    pub(crate) fn all(sabotage: Option<Sabotage>) -> Vec<Self> {
        let one = |spec: &Consumption| {
            let on = spec.on.first().copied().unwrap_or_default();
            Some(Self {
                spec: *spec,
                feed: Feed::new(spec.name, on, spec.retention, sabotage)?,
                cursor: None,
                earlier: None,
                stalled_until: Duration::ZERO,
            })
        };
        CONSUMERS.iter().filter_map(one).collect()
    }

    /// Where it goes on.
    fn at(&self) -> Option<Place> {
        let (text, _) = self.cursor.as_ref()?;
        self.feed.place(text).ok().flatten()
    }

    fn keep(&mut self, text: String) {
        self.cursor = Some((text, self.feed.on));
    }

    /// The feed gives something else from now on.
    fn change(&mut self) {
        let others = self.spec.on.iter().filter(|on| **on != self.feed.on);
        if let Some(on) = others.copied().next() {
            self.feed.on = on;
        }
    }
}

impl World {
    /// A consumer fetches, and deals with what comes or dies over it.
    pub(crate) fn fetch(&mut self, index: usize) {
        let wait = self.cx.random.around(FETCH_EVERY);
        self.cx.after(wait, Step::Fetch { consumer: index });
        let stalled = |it: &Consumer| self.cx.now < it.stalled_until;
        if self.node.up.is_none() || self.consumers.get(index).is_none_or(stalled) {
            return;
        }
        let lossy = self.cx.now < self.lossy_until;
        if self.cx.random.chance(if lossy { 300 } else { 5 }) {
            return;
        }
        if self.healed {
            return self.fetch_next(index);
        }
        match self.cx.random.below(100) {
            0..3 => self.fetch_altered(index),
            3..5 => self.fetch_with_cursor_of_another(index),
            5..9 => self.fetch_again(index),
            9..11 => {
                if let Some(consumer) = self.consumers.get_mut(index) {
                    consumer.change();
                }
                self.fetch_next(index);
            }
            _ => self.fetch_next(index),
        }
    }

    fn serve(
        &self,
        index: usize,
        cursor: Option<&str>,
        limit: usize,
    ) -> Option<Result<FeedPage, Refused>> {
        let held = Held {
            reader: &*self.node.up.as_ref()?.reader,
            now: self.cx.wall(),
        };
        let consumer = self.consumers.get(index)?;
        Some(consumer.feed.serve(&held, cursor, limit))
    }

    fn fetch_next(&mut self, index: usize) {
        let limit = 1 + self.cx.random.index(LIMIT_MAX);
        let Some(consumer) = self.consumers.get(index) else {
            return;
        };
        let (name, on, from) = (consumer.spec.name, consumer.feed.on, consumer.at());
        let cursor = consumer.cursor.clone();
        let changed = cursor.as_ref().is_some_and(|(_, made_for)| *made_for != on);
        let text = cursor.as_ref().map(|(text, _)| text.as_str());
        let Some(answer) = self.serve(index, text, limit) else {
            return;
        };
        let broken = match answer {
            Ok(_) if changed => "goes on although its feed gives other events now".to_owned(),
            Ok(page) => return self.deal(index, from, text, page),
            Err(Refused::Filter(_)) if !changed => {
                "is told of a change that was not made".to_owned()
            }
            Err(Refused::Filter(cursor)) => {
                self.cx.seen(Situation::FeedChanged);
                let Some(consumer) = self.consumers.get_mut(index) else {
                    return;
                };
                consumer.keep(cursor);
                if consumer.at() == from {
                    return;
                }
                "is moved by a change of its feed".to_owned()
            }
            Err(Refused::Gone { cursor, first }) => {
                self.cx.seen(Situation::FeedGone);
                if let Some(consumer) = self.consumers.get_mut(index) {
                    consumer.keep(cursor);
                    let retention = consumer.spec.retention;
                    let moved = (from, consumer.at());
                    self.audit
                        .gone(&mut self.cx, index, moved, (first, retention));
                }
                return;
            }
            Err(Refused::Log(error)) => format!("cannot go on: {error}"),
            Err(refused) => format!("cannot go on: {refused:?}"),
        };
        self.cx.violate(Rule::Feed, format!("{name} {broken}"));
    }

    /// Deals with a page and keeps a cursor, or dies between the two.
    fn deal(&mut self, index: usize, from: Option<Place>, cursor: Option<&str>, page: FeedPage) {
        let random = &mut self.cx.random;
        let lost = random.chance(10);
        let dies = !self.healed && random.chance(40);
        let stops = page.given.len() > 1 && random.chance(200);
        let dealt = if stops {
            1 + random.index(page.given.len() - 1)
        } else {
            page.given.len()
        };
        let Some(consumer) = self.consumers.get_mut(index) else {
            return;
        };
        if lost {
            return;
        }
        let places = || page.given.iter().map(|(place, _)| *place);
        if let Some(cursor) = cursor.filter(|_| !page.given.is_empty()) {
            consumer.earlier = Some(Earlier {
                cursor: cursor.to_owned(),
                on: consumer.feed.on,
                given: places().collect(),
            });
        }
        let taken: Vec<Place> = places().take(dealt).collect();
        self.cx.report.fed += taken.len() as u64;
        let on = consumer.feed.on;
        self.audit.dealt_with(&mut self.cx, index, &taken, dies);
        if dies {
            let name = consumer.spec.name;
            return self.cx.note(format!("{name} crashes over {dealt} events"));
        }
        let kept = if stops {
            page.given.into_iter().nth(dealt - 1).map(|(_, text)| text)
        } else {
            page.next
        };
        if let Some(text) = kept {
            consumer.keep(text);
        }
        let to = consumer.at();
        if taken.is_empty() && to > from {
            self.cx.seen(Situation::FeedMovedOverNothing);
        }
        self.audit
            .moved(&mut self.cx, (index, on), (from, to), &taken);
        if !stops && to != page.position {
            let name = consumer.spec.name;
            let detail = format!(
                "{name} is left at {to:?} by a page up to {:?}",
                page.position
            );
            self.cx.violate(Rule::Feed, detail);
        }
    }

    /// A request of earlier is answered as it was, as far as both answers go.
    fn fetch_again(&mut self, index: usize) {
        let limit = 1 + self.cx.random.index(LIMIT_MAX);
        let Some((consumer, earlier)) = self
            .consumers
            .get(index)
            .and_then(|consumer| Some((consumer, consumer.earlier.as_ref()?)))
        else {
            return;
        };
        let same = earlier.on == consumer.feed.on;
        match self.serve(index, Some(&earlier.cursor), limit) {
            Some(Ok(page)) if same => {
                let now = page.given.iter().map(|(place, _)| place);
                if !now.zip(&earlier.given).all(|(now, then)| now == then) {
                    let name = consumer.spec.name;
                    let detail = format!("{name} asks again and gets something else: {page:?}");
                    return self.cx.violate(Rule::Feed, detail);
                }
                self.cx.seen(Situation::FeedAskedAgain);
            }
            // Changed or gone since, which is judged where the consumer goes on.
            _ => {}
        }
    }

    fn fetch_altered(&mut self, index: usize) {
        let Some((text, _)) = self.consumers.get(index).and_then(|it| it.cursor.clone()) else {
            return;
        };
        let at = self.cx.random.index(text.len());
        let mut altered = text.into_bytes();
        if let Some(byte) = altered.get_mut(at) {
            *byte = if *byte == b'A' { b'B' } else { b'A' };
        }
        let altered = String::from_utf8(altered).unwrap_or_default();
        match self.serve(index, Some(&altered), 1) {
            Some(Err(Refused::Cursor(_))) => self.cx.seen(Situation::FeedAlteredRefused),
            Some(answer) => {
                let detail = format!("the altered cursor {altered} is answered {answer:?}");
                self.cx.violate(Rule::Feed, detail);
            }
            None => {}
        }
    }

    fn fetch_with_cursor_of_another(&mut self, index: usize) {
        let other = (index + 1) % self.consumers.len().max(1);
        let Some((text, _)) = self.consumers.get(other).and_then(|it| it.cursor.clone()) else {
            return;
        };
        match self.serve(index, Some(&text), 1) {
            Some(Err(Refused::Cursor(CursorError::OtherFeed))) => {
                self.cx.seen(Situation::FeedOtherRefused);
            }
            Some(answer) => {
                let detail = format!("the cursor of another feed is answered {answer:?}");
                self.cx.violate(Rule::Feed, detail);
            }
            None => {}
        }
    }
}
