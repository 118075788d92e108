//! A reader that hops between regions whose mirrors lag, against what was really appended.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::secret::Secret;
use tidegate_types::time::UnixMillis;

use crate::feed::cursor::{CursorKeys, FilterHash};
use crate::feed::*;

/// One frame: for each of its entries, whether the reader wants it.
type FrameEntries = Vec<bool>;

/// One origin as it really is.
#[derive(Debug, Default)]
struct Origin {
    lives: Vec<Vec<FrameEntries>>,
    /// First frame of each life that is kept, from 1 on.
    first: Vec<u64>,
}

/// How much of an origin a region holds: lives, and frames of the last one of them.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    lives: usize,
    frames: usize,
}

#[derive(Debug)]
struct World {
    origins: Vec<Origin>,
    /// By region, then origin. A region holds all of its own.
    held: Vec<Vec<Held>>,
    keys: CursorKeys,
    filter: FilterHash,
    cursor: Option<String>,
    given: Vec<(usize, Place)>,
    /// Places that were gone before they were read, with the reader told so.
    told_gone: Vec<(usize, Place)>,
}

#[derive(Clone, Debug)]
enum Act {
    Append {
        origin: usize,
        frame: FrameEntries,
    },
    NewLife {
        origin: usize,
    },
    Mirror {
        region: usize,
        origin: usize,
        frames: usize,
    },
    Trim {
        origin: usize,
        frames: u64,
    },
    Fetch {
        region: usize,
        limit: usize,
    },
}

fn incarnation(life: usize) -> Incarnation {
    Incarnation(life as u64 + 10)
}

impl World {
    fn new(origins: usize) -> Self {
        let origin = || Origin {
            lives: vec![Vec::new()],
            first: vec![1],
        };
        Self {
            origins: (0..origins).map(|_| origin()).collect(),
            held: vec![vec![Held::default(); origins]; origins],
            keys: CursorKeys::new("stock", &[Secret::new("0123456789abcdef")]).unwrap(),
            filter: FilterHash::of(["*"]),
            cursor: None,
            given: Vec::new(),
            told_gone: Vec::new(),
        }
    }

    fn act(&mut self, act: &Act) {
        let count = self.origins.len();
        match act {
            Act::Append { origin, frame } => {
                let origin = origin % count;
                let life = self.origins[origin].lives.last_mut().unwrap();
                life.push(frame.clone());
                self.hold_own(origin);
            }
            Act::NewLife { origin } => {
                let origin = origin % count;
                self.origins[origin].lives.push(Vec::new());
                self.origins[origin].first.push(1);
                self.hold_own(origin);
            }
            Act::Mirror {
                region,
                origin,
                frames,
            } => {
                self.mirror(region % count, origin % count, *frames);
            }
            Act::Trim { origin, frames } => {
                let of = &mut self.origins[origin % count];
                for (first, life) in of.first.iter_mut().zip(&of.lives) {
                    let left = life.len() as u64 + 1 - *first;
                    *first += left.min(*frames);
                    if left > *frames {
                        break;
                    }
                }
            }
            Act::Fetch { region, limit } => self.fetch(region % count, *limit),
        }
    }

    fn hold_own(&mut self, origin: usize) {
        let lives = &self.origins[origin].lives;
        self.held[origin][origin] = Held {
            lives: lives.len(),
            frames: lives.last().unwrap().len(),
        };
    }

    fn mirror(&mut self, region: usize, origin: usize, frames: usize) {
        let lives = &self.origins[origin].lives;
        let held = &mut self.held[region][origin];
        held.lives = held.lives.max(1);
        for _ in 0..frames {
            if held.frames < lives[held.lives - 1].len() {
                held.frames += 1;
            } else if held.lives < lives.len() {
                *held = Held {
                    lives: held.lives + 1,
                    frames: 0,
                };
            }
        }
    }

    fn views(&self, region: usize) -> Vec<OriginView> {
        let views = self.held[region].iter().enumerate();
        views
            .map(|(number, held)| {
                let origin = &self.origins[number];
                let lives = (0..held.lives).map(|life| {
                    let ended = life + 1 < held.lives;
                    let last = if ended {
                        origin.lives[life].len()
                    } else {
                        held.frames
                    } as u64;
                    Life {
                        incarnation: incarnation(life),
                        // A region that is behind may not hold what its origin has removed already.
                        first: FrameNumber(origin.first[life].min(last + 1)),
                        last: FrameNumber(last),
                        ended,
                    }
                });
                OriginView {
                    origin: format!("o{number}"),
                    lives: lives.collect(),
                }
            })
            .collect()
    }

    /// One request of the reader; what it is given is checked at the end.
    fn fetch(&mut self, region: usize, limit: usize) {
        let position = match &self.cursor {
            Some(text) => self.keys.open(self.filter, text).unwrap(),
            None => Vector::default(),
        };
        let views = self.views(region);
        let plan = match plan(&position, &views) {
            Ok(plan) => plan,
            Err(Unservable::Ahead { .. }) => return,
            Err(Unservable::Gone { .. }) => return self.start_over(&position, &views),
        };
        let pages = plan
            .reads
            .iter()
            .map(|read| self.read(read, limit))
            .collect();
        let limits = MergeLimits {
            entries: limit,
            bytes: usize::MAX,
        };
        let page = merge(plan.from, pages, limits);
        for (number, given) in page.given.iter().enumerate() {
            self.given.push(given.item);
            // Now and then the reader keeps the position of an event instead of the page's.
            if number + 1 == page.given.len() && limit.is_multiple_of(3) {
                self.cursor = Some(self.keys.seal(self.filter, &given.position));
                return;
            }
        }
        self.cursor = Some(self.keys.seal(self.filter, &page.position));
    }

    fn read(&self, read: &Read, limit: usize) -> OriginPage<(usize, Place)> {
        let number: usize = read.origin.trim_start_matches('o').parse().unwrap();
        let life = usize::try_from(read.after.incarnation.0).unwrap() - 10;
        let frames = &self.origins[number].lives[life];
        let last = usize::try_from(read.last.0).unwrap();
        let mut page = OriginPage {
            origin: read.origin.clone(),
            found: Vec::new(),
            through: read.after,
            at_end: !read.ended,
        };
        for (frame, entries) in frames.iter().enumerate().take(last) {
            for (index, wanted) in entries.iter().enumerate() {
                let place = Place {
                    incarnation: read.after.incarnation,
                    frame: FrameNumber(frame as u64 + 1),
                    index: u32::try_from(index).unwrap(),
                };
                if place <= read.after {
                    continue;
                }
                if *wanted {
                    if page.found.len() == limit {
                        page.at_end = false;
                        return page;
                    }
                    // Clocks differ: the time only orders, and badly at that.
                    let time = UnixMillis((frame as u64) * (number as u64 + 1) % 7);
                    page.found.push(OriginEntry {
                        place,
                        time,
                        bytes: 1,
                        item: (number, place),
                    });
                }
                page.through = place;
            }
            let whole = Place {
                incarnation: read.after.incarnation,
                frame: FrameNumber(frame as u64 + 1),
                index: WHOLE_FRAME,
            };
            page.through = page.through.max(whole.max(read.after));
        }
        page
    }

    /// The reader was told that something is gone: that must be true, and it goes on from the way out.
    fn start_over(&mut self, position: &Vector, views: &[OriginView]) {
        let out = earliest(position, views);
        let mut missed = Vec::new();
        for (number, view) in views.iter().enumerate() {
            let (old, new) = (position.mark(&view.origin), out.mark(&view.origin));
            if let (Some(old), Some(new)) = (old, new)
                && old != new
            {
                let between = self.frames_between(number, old, new);
                assert!(between > 0, "nothing was gone between {old:?} and {new:?}");
                let wanted = self.wanted(number).into_iter();
                missed.extend(
                    wanted
                        .filter(|it| *it > old && *it <= new)
                        .map(|it| (number, it)),
                );
            }
        }
        self.told_gone.extend(missed);
        self.cursor = Some(self.keys.seal(self.filter, &out));
    }

    fn frames_between(&self, number: usize, old: Place, new: Place) -> usize {
        let lives = self.origins[number].lives.iter().enumerate();
        let frames = lives.flat_map(|(life, frames)| {
            (1..=frames.len()).map(move |frame| (incarnation(life), FrameNumber(frame as u64)))
        });
        let from = (old.incarnation, next_frame(old));
        let to = (new.incarnation, next_frame(new));
        frames.filter(|it| *it >= from && *it < to).count()
    }

    /// Places of what the reader wants of an origin.
    fn wanted(&self, number: usize) -> Vec<Place> {
        let mut places = Vec::new();
        for (life, frames) in self.origins[number].lives.iter().enumerate() {
            for (frame, entries) in frames.iter().enumerate() {
                for (index, _) in entries.iter().enumerate().filter(|(_, wanted)| **wanted) {
                    places.push(Place {
                        incarnation: incarnation(life),
                        frame: FrameNumber(frame as u64 + 1),
                        index: u32::try_from(index).unwrap(),
                    });
                }
            }
        }
        places
    }

    /// Every mirror catches up, and the reader reads until there is nothing more.
    fn finish(&mut self) {
        for region in 0..self.origins.len() {
            for origin in 0..self.origins.len() {
                self.mirror(region, origin, 10_000);
            }
        }
        loop {
            let before = self.cursor.clone();
            self.fetch(0, 4);
            self.fetch(self.origins.len() - 1, 4);
            if self.cursor == before {
                return;
            }
        }
    }

    /// Per origin everything came once and in order, but for what the reader was told is gone and
    /// what was removed before it began.
    fn check(&self, trims: bool) {
        let mut by_origin: BTreeMap<usize, Vec<Place>> = BTreeMap::new();
        for (origin, place) in &self.given {
            by_origin.entry(*origin).or_default().push(*place);
        }
        for number in 0..self.origins.len() {
            let given = by_origin.remove(&number).unwrap_or_default();
            assert!(given.is_sorted(), "out of order: {given:?}");
            let wanted = self.wanted(number);
            let never_seen = given.first().copied();
            let expected = wanted.into_iter().filter(|place| {
                let gone = self.told_gone.contains(&(number, *place));
                let before_start = trims && never_seen.is_none_or(|first| *place < first);
                !(gone || before_start)
            });
            assert_eq!(given, expected.collect::<Vec<_>>(), "origin {number}");
        }
    }
}

fn frame() -> impl Strategy<Value = FrameEntries> {
    prop::collection::vec(any::<bool>(), 0..4)
}

fn act(trims: bool) -> impl Strategy<Value = Act> {
    let trim_weight = u32::from(trims);
    prop_oneof![
        6 => (0..4_usize, frame()).prop_map(|(origin, frame)| Act::Append { origin, frame }),
        1 => (0..4_usize).prop_map(|origin| Act::NewLife { origin }),
        6 => (0..4_usize, 0..4_usize, 1..5_usize)
            .prop_map(|(region, origin, frames)| Act::Mirror { region, origin, frames }),
        trim_weight => (0..4_usize, 1..4_u64).prop_map(|(origin, frames)| Act::Trim { origin, frames }),
        6 => (0..4_usize, 1..6_usize).prop_map(|(region, limit)| Act::Fetch { region, limit }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_reader_that_hops_loses_nothing_and_gets_nothing_twice(
        origins in 1..5_usize,
        acts in prop::collection::vec(act(false), 0..150),
    ) {
        let mut world = World::new(origins);
        acts.iter().for_each(|act| world.act(act));
        world.finish();
        prop_assert!(world.told_gone.is_empty());
        world.check(false);
    }

    #[test]
    fn what_is_removed_unread_is_always_told(
        origins in 1..4_usize,
        acts in prop::collection::vec(act(true), 0..150),
    ) {
        let mut world = World::new(origins);
        // The reader has begun before anything was there, so that nothing is gone before its start.
        world.act(&Act::Fetch { region: 0, limit: 1 });
        acts.iter().for_each(|act| world.act(act));
        world.finish();
        world.check(true);
    }
}
