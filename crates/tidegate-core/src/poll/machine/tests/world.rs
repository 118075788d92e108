//! Sources that misbehave, and a shell that crashes: whatever happens, nothing is passed over.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use tidegate_types::time::UnixMillis;

use crate::log::entry::{Blame, Polled};
use crate::poll::{
    Append, AttemptId, Failed, Fetch, Fetched, Mark, Output, Page, Paging, Poll, Position, Resume,
    Settings,
};
use crate::random::Random;
use crate::receive::fingerprint;

const EVERY: Duration = Duration::from_secs(30);
const OVERLAP: Duration = Duration::from_secs(60);
const PAGE: usize = 3;

/// How the source lets itself be read.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// `next` is null at the end.
    List,
    /// There is always a cursor.
    Feed,
    /// The newest first, from the start each time.
    NewestFirst,
    Numbers,
    /// By time, oldest first, in pages.
    Time,
    /// By time, newest first, with tokens within a round.
    TimeNewestFirst,
}

const KINDS: [Kind; 6] = [
    Kind::List,
    Kind::Feed,
    Kind::NewestFirst,
    Kind::Numbers,
    Kind::Time,
    Kind::TimeNewestFirst,
];

impl Kind {
    fn settings(self) -> Settings {
        let mark = |newest_first, page_size| {
            Some(Mark {
                overlap: OVERLAP,
                reach: None,
                newest_first,
                page_size,
            })
        };
        let (paging, resume, mark) = match self {
            Self::List | Self::Feed => (Paging::Token, Resume::Last, None),
            Self::NewestFirst => (Paging::Token, Resume::Start, None),
            Self::Numbers => (
                Paging::Number {
                    first: 1,
                    size: None,
                },
                Resume::Start,
                None,
            ),
            Self::Time => (Paging::Single, Resume::Start, mark(false, Some(3))),
            Self::TimeNewestFirst => (Paging::Token, Resume::Start, mark(true, None)),
        };
        Settings {
            mark,
            pages_max: 4,
            ..Settings::new("flow", paging, resume)
        }
    }
}

/// Items by the order in which they appeared, each with its time.
struct Source {
    kind: Kind,
    items: Vec<UnixMillis>,
    hostile: bool,
}

impl Source {
    fn answer(&self, fetch: &Fetch, random: &mut Random) -> Fetched<Vec<usize>> {
        if self.hostile {
            match random.next() % 8 {
                0 => return failed(None),
                1 => return failed(Some(Duration::from_secs(random.next() % 4000))),
                2 => {
                    if let Some(page) = self.empty_page(fetch, random) {
                        return page;
                    }
                }
                _ => {}
            }
        }
        let (mut items, next) = self.page(fetch);
        if self.hostile && random.next().is_multiple_of(3) {
            items.reverse();
            if let Some(first) = items.first().copied() {
                items.push(first);
            }
        }
        self.page_of(items, next)
    }

    /// An empty page that says that more follows.
    fn empty_page(&self, fetch: &Fetch, random: &mut Random) -> Option<Fetched<Vec<usize>>> {
        if !matches!(self.kind, Kind::List | Kind::Feed) {
            return None;
        }
        let at = offset(&fetch.position);
        let next = format!("{at};{}", random.next() % 3);
        Some(self.page_of(Vec::new(), Some(next)))
    }

    fn page(&self, fetch: &Fetch) -> (Vec<usize>, Option<String>) {
        let end = self.items.len();
        let from = |at: usize| (at..end.min(at + PAGE)).collect::<Vec<_>>();
        match self.kind {
            Kind::List => {
                let at = offset(&fetch.position);
                (from(at), (at + PAGE < end).then(|| (at + PAGE).to_string()))
            }
            Kind::Feed => {
                let at = offset(&fetch.position);
                (from(at), Some(end.min(at + PAGE).to_string()))
            }
            Kind::NewestFirst => {
                let before = match &fetch.position {
                    Position::Token(_) => offset(&fetch.position),
                    _ => end,
                };
                let items: Vec<_> = (before.saturating_sub(PAGE)..before).rev().collect();
                let last = items.last().copied().filter(|last| *last > 0);
                (items, last.map(|last| last.to_string()))
            }
            Kind::Numbers => {
                let Position::Page(number) = fetch.position else {
                    panic!("{fetch:?}");
                };
                (from((usize::try_from(number).unwrap() - 1) * PAGE), None)
            }
            Kind::Time => {
                let since = fetch.since.unwrap_or_default();
                let mut items: Vec<_> = (0..end).filter(|it| self.items[*it] >= since).collect();
                items.sort_by_key(|it| self.items[*it]);
                items.truncate(PAGE);
                (items, None)
            }
            Kind::TimeNewestFirst => {
                let before = match &fetch.position {
                    Position::Token(_) => u64::try_from(offset(&fetch.position)).unwrap(),
                    _ => u64::MAX,
                };
                let mut items: Vec<_> = (0..end).filter(|it| self.items[*it].0 < before).collect();
                items.sort_by_key(|it| std::cmp::Reverse(self.items[*it]));
                items.truncate(PAGE);
                let last = items.last().map(|last| self.items[*last].0.to_string());
                (items, last)
            }
        }
    }

    fn page_of(&self, items: Vec<usize>, next: Option<String>) -> Fetched<Vec<usize>> {
        let bytes: Vec<u8> = items.iter().flat_map(|it| it.to_le_bytes()).collect();
        Fetched::Page(Page {
            items: u32::try_from(items.len()).unwrap(),
            faults: 0,
            filtered: 0,
            fingerprint: fingerprint::of_original(&bytes),
            next,
            newest: items.iter().map(|it| self.items[*it]).max(),
            etag: String::new(),
            wait: None,
            body: items,
        })
    }
}

/// The number before the `;` of a token.
fn offset(position: &Position) -> usize {
    match position {
        Position::Token(token) => token.split(';').next().unwrap().parse().unwrap(),
        _ => 0,
    }
}

fn failed(wait: Option<Duration>) -> Fetched<Vec<usize>> {
    Fetched::Failed(Failed {
        blame: Blame::Them,
        text: "no".to_owned(),
        wait,
    })
}

struct World {
    source: Source,
    random: Random,
    now: UnixMillis,
    poll: Poll<Vec<usize>>,
    fetching: Option<(AttemptId, Fetched<Vec<usize>>)>,
    appending: Option<Append<Vec<usize>>>,
    log: BTreeSet<usize>,
    newest: Option<Polled>,
    fetches: usize,
}

impl World {
    fn new(kind: Kind, seed: u64) -> Self {
        let now = UnixMillis(10_000_000);
        Self {
            source: Source {
                kind,
                items: Vec::new(),
                hostile: true,
            },
            random: Random::new(seed),
            now,
            poll: Poll::restore(kind.settings(), None, now, seed).unwrap(),
            fetching: None,
            appending: None,
            log: BTreeSet::new(),
            newest: None,
            fetches: 0,
        }
    }

    fn outputs(&mut self) {
        while let Some(output) = self.poll.poll_output(self.now) {
            match output {
                Output::Plan { after } => {
                    let at = after.map_or(self.now, |after| after.plus(EVERY));
                    self.poll.handle_planned(self.now, at);
                }
                Output::Fetch(fetch) => {
                    assert!(self.fetching.is_none() && self.appending.is_none());
                    self.fetches += 1;
                    let answer = self.source.answer(&fetch, &mut self.random);
                    self.fetching = Some((fetch.attempt, answer));
                }
                Output::Append(append) => {
                    assert!(self.fetching.is_none() && self.appending.is_none());
                    self.appending = Some(append);
                }
                Output::Note(_) => {}
            }
        }
    }

    /// What is under way ends.
    fn finish(&mut self) {
        if let Some((attempt, fetched)) = self.fetching.take() {
            self.poll.handle_fetched(self.now, attempt, fetched);
        }
        if let Some(append) = self.appending.take() {
            if self.source.hostile && self.random.next().is_multiple_of(5) {
                return self.poll.handle_refused(self.now);
            }
            self.write(append);
            self.poll.handle_appended(self.now, true);
        }
    }

    fn write(&mut self, append: Append<Vec<usize>>) {
        let before = self.newest.as_ref().map_or(0, |polled| polled.number);
        assert_eq!(append.polled.number, before + 1);
        self.log.extend(append.body);
        self.newest = Some(append.polled);
    }

    /// The process dies; what was to be appended is on disk or not.
    fn crash(&mut self) {
        self.fetching = None;
        if let Some(append) = self.appending.take() {
            match self.random.next() % 3 {
                0 => self.write(append),
                // Of consecutive frames only the first, without the cursor.
                1 => self.log.extend(append.body.first()),
                _ => {}
            }
        }
        let (settings, seed) = (self.source.kind.settings(), self.random.next());
        let newest = self.newest.as_ref();
        self.poll = Poll::restore(settings, newest, self.now, seed).unwrap();
    }

    fn step(&mut self) {
        self.outputs();
        match self.random.next() % 10 {
            0..=4 => self.finish(),
            5 => self.crash(),
            6 => {
                // Late by up to the overlap; no two from the same time.
                let late = self.random.next() % 50_000;
                let mut time = self.now.minus(Duration::from_millis(late));
                while self.source.items.contains(&time) {
                    time = time.plus(Duration::from_millis(1));
                }
                self.source.items.push(time);
            }
            7 => {
                self.now = self
                    .now
                    .plus(Duration::from_millis(self.random.next() % 10_000))
            }
            _ => self.pass(),
        }
    }

    fn pass(&mut self) {
        if let Some(at) = self.poll.next_timeout() {
            self.now = self.now.max(at);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_is_passed_over(seed: u64, steps in 1_usize..400) {
        for kind in KINDS {
            let mut world = World::new(kind, seed);
            for _ in 0..steps {
                world.step();
            }
            // The source comes to its senses, and everything it has arrives.
            world.source.hostile = false;
            let (count, fetches) = (world.source.items.len(), world.fetches);
            for _ in 0..2000 {
                world.outputs();
                if world.fetching.is_none() && world.appending.is_none() {
                    world.pass();
                }
                world.finish();
                if world.fetches > fetches + 3 * count + 40 {
                    break;
                }
            }
            let missing: Vec<_> = (0..count).filter(|it| !world.log.contains(it)).collect();
            prop_assert!(missing.is_empty(), "{kind:?}: {missing:?} of {count}");
            prop_assert!(!world.poll.status().stuck, "{kind:?}");
        }
    }
}
