//! Regions that know old and wrong things of each other: every order of events in small worlds.
//!
//! The world stands still: each of three regions is able, cut off from the endpoint, or dead. What a
//! region knows of another is true, or an old good or bad report, or nothing because that one gave the
//! shard up since. News arrive, sessions of the dead end, and regions do what they decide, in any
//! order. All states are walked. If no path comes back to a state then every path ends, so nobody
//! throws the shard to and fro, however late the news; and where a path ends the right one acts.

use std::collections::HashMap;

use super::super::*;
use super::world::{config, endpoint, owner, region, settings};

const COUNT: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Truth {
    Able,
    Cut,
    Dead,
}

/// What one region knows of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Known {
    True,
    OldGood,
    OldBad,
    /// It gave the shard up, and no report has come since.
    GaveUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    owner: Option<u8>,
    known: [[Known; COUNT]; COUNT],
    /// The time for which a region must have been well has passed since the last move.
    waited: bool,
}

/// What is left out of the machine that makes the views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sabotage {
    Nothing,
    /// Old reports of a region that gave the shard up are believed.
    BelieveWhoGaveUp,
}

struct World {
    truth: [Truth; COUNT],
    sabotage: Sabotage,
    config: ShardConfig,
}

impl World {
    fn lives(&self, of: usize) -> bool {
        self.truth[of] != Truth::Dead
    }

    fn view(&self, state: &State, me: usize) -> View {
        let mut view = View {
            owner: state.owner.map(|it| owner(region(it))),
            ..View::default()
        };
        view.set_role(endpoint(0), Role::Active);
        for (place, of) in (0..).map(region).enumerate().take(COUNT) {
            let (live, able) = match (state.known[me][place], self.truth[place]) {
                _ if place == me => (self.lives(me), self.truth[me] == Truth::Able),
                (Known::OldGood, _) | (Known::True, Truth::Able) => (true, true),
                (Known::GaveUp, _) | (Known::True, Truth::Cut) => (true, false),
                (Known::OldBad, _) | (Known::True, Truth::Dead) => (false, false),
            };
            if live {
                view.up = view.up.with(of);
                view.lease_ok = view.lease_ok.with(of);
                view.caught_up = view.caught_up.with(of);
            }
            if able {
                view.reach.set(of, endpoint(0), Breaker::Closed);
            }
            if live && able && state.waited {
                view.stable = view.stable.with(of);
            }
        }
        view
    }

    /// The shard leaves its owner: what others knew of that one no longer counts.
    fn hand(&self, state: &State, to: Option<u8>) -> State {
        let mut next = State {
            owner: to,
            waited: false,
            ..*state
        };
        if let Some(from) = state.owner.filter(|_| self.sabotage == Sabotage::Nothing) {
            for (me, known) in next.known.iter_mut().enumerate() {
                let known = &mut known[usize::from(from)];
                if me != usize::from(from) && *known != Known::OldBad {
                    *known = Known::GaveUp;
                }
            }
        }
        next
    }

    /// Everything that may happen next, and whether the shard moves by it.
    fn next(&self, state: &State) -> Vec<(State, bool)> {
        let mut all = Vec::new();
        let mut news_outstanding = false;
        for me in (0..COUNT).filter(|me| self.lives(*me)) {
            for of in (0..COUNT).filter(|of| *of != me && state.known[me][*of] != Known::True) {
                let mut next = *state;
                next.known[me][of] = Known::True;
                news_outstanding = true;
                all.push((next, false));
            }
            let place = u8::try_from(me).unwrap();
            match decide(&self.config, &self.view(state, me), region(place)).action {
                Action::Acquire => all.push((self.hand(state, Some(place)), true)),
                Action::Yield { to, .. } => {
                    let to = u8::try_from(to.index()).unwrap();
                    all.push((self.hand(state, Some(to)), true));
                }
                _ => {}
            }
        }
        if state.owner.is_some_and(|it| !self.lives(usize::from(it))) {
            all.push((self.hand(state, None), false));
        }
        // That time is far longer than news take.
        if !state.waited && !news_outstanding {
            all.push((
                State {
                    waited: true,
                    ..*state
                },
                false,
            ));
        }
        all
    }

    /// Whether this is right where nothing can happen any more.
    fn is_right(&self, state: &State) -> bool {
        let owner = state.owner.map(usize::from);
        match (0..COUNT).find(|it| self.truth[*it] == Truth::Able) {
            // Stable and caught up as they are then, the first one has it back.
            Some(first) => owner == Some(first),
            None => owner.is_some_and(|it| self.lives(it)) || (0..COUNT).all(|it| !self.lives(it)),
        }
    }

    /// The most moves on any path from here; `None` if a path comes back to a state.
    fn most_moves(&self, from: State, seen: &mut HashMap<State, Option<u32>>) -> Option<u32> {
        if let Some(known) = seen.get(&from) {
            return *known;
        }
        // On the way: whoever comes here again has gone in a circle.
        seen.insert(from, None);
        let next = self.next(&from);
        assert!(
            !next.is_empty() || self.is_right(&from),
            "{:?} {from:?}",
            self.truth
        );
        let mut most = 0;
        for (state, moved) in next {
            most = most.max(self.most_moves(state, seen)? + u32::from(moved));
        }
        seen.insert(from, Some(most));
        Some(most)
    }
}

/// Every state that a search may begin in: any owner, any old news.
fn beginnings() -> impl Iterator<Item = State> {
    const NEWS: [Known; 3] = [Known::True, Known::OldGood, Known::OldBad];
    let news = (0..3_usize.pow(6)).map(|mut code| {
        let mut known = [[Known::True; COUNT]; COUNT];
        for (me, of) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
            known[me][of] = NEWS[code % 3];
            code /= 3;
        }
        known
    });
    let owners = [None, Some(0), Some(1), Some(2)];
    news.flat_map(move |known| {
        let each = owners
            .into_iter()
            .flat_map(|owner| [(owner, false), (owner, true)]);
        each.map(move |(owner, waited)| State {
            owner,
            known,
            waited,
        })
    })
}

/// The most moves on any path in any world, and how many states there are; `None` for a circle.
fn search(sabotage: Sabotage) -> Option<(u32, usize)> {
    use Truth::{Able, Cut, Dead};
    let (mut most, mut states) = (0, 0);
    for code in 0..27_usize {
        let kinds = [Able, Cut, Dead];
        let truth = [kinds[code % 3], kinds[code / 3 % 3], kinds[code / 9]];
        let config = config(&settings()[0], 3);
        let world = World {
            truth,
            sabotage,
            config,
        };
        let mut seen = HashMap::new();
        for beginning in beginnings() {
            most = most.max(world.most_moves(beginning, &mut seen)?);
        }
        states += seen.len();
    }
    Some((most, states))
}

#[test]
fn old_news_never_throw_a_shard_to_and_fro_and_the_right_one_acts_in_the_end() {
    // At most four moves, in some two hundred thousand states.
    assert_eq!(search(Sabotage::Nothing), Some((4, 207_894)));
}

#[test]
fn believing_who_gave_the_shard_up_goes_in_circles() {
    assert_eq!(search(Sabotage::BelieveWhoGaveUp), None);
}
