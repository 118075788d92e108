//! The machine in a world of its own, against naive models; and tables for single rules.

mod tables;
mod world;

use std::time::Duration;

use proptest::prelude::*;

use self::world::{FAILURES, Logged, Mood, Trouble, World};
use crate::deliver::*;
use crate::random::Random;
use world::START;

fn events(count: u64, keys: u64, random: &mut Random) -> Vec<Logged> {
    let draw = |random: &mut Random| Logged::Event {
        key: match random.next() % (keys + 1) {
            0 => String::new(),
            key => format!("k{key}"),
        },
        wanted: !random.next().is_multiple_of(5),
    };
    (0..count).map(|_| draw(random)).collect()
}

/// An endpoint that does everything wrong until `heal`, and everything right from then on.
fn hostile(heal: Duration) -> Mood {
    let mut dead_until = START;
    let mut kind = 0;
    Box::new(move |random, now, sent| {
        let soon = Duration::from_millis(random.next() % 20);
        if now >= START.plus(heal) {
            return (Answer::status(200), soon);
        }
        // A poisoned event gets its own answer, always.
        let poison = match sent.number % 41 {
            0 => Some(Answer::status(422)),
            7 => Some(Answer::status(500)),
            13 => Some(Answer::failed(Failure::Reset)),
            19 => Some(Answer::status(404)),
            _ => None,
        };
        if let Some(answer) = poison {
            return (answer, soon);
        }
        if now >= dead_until && random.next().is_multiple_of(300) {
            dead_until = now.plus(Duration::from_secs(random.next() % 300));
            kind = random.next() % 6;
        }
        if now < dead_until {
            let mut throttled = Answer::status(503);
            throttled.retry_after = Some(Duration::from_secs(random.next() % 100_000));
            return match kind {
                0 => (Answer::status(500), soon),
                1 => (Answer::failed(Failure::Connect), soon),
                2 => (Answer::failed(Failure::Timeout), Duration::from_secs(15)),
                3 => (throttled, soon),
                4 => (Answer::status(429), soon),
                _ => (Answer::status(401), soon),
            };
        }
        match random.next() % 50 {
            0 => (
                Answer::failed(FAILURES[usize::try_from(random.next() % 10).unwrap()]),
                soon,
            ),
            1 => (
                Answer::status(u16::try_from(random.next() % 600).unwrap()),
                soon,
            ),
            2 => (Answer::status(200), Duration::from_secs(14)),
            _ => (Answer::status(200), soon),
        }
    })
}

fn small_window(random: &mut Random) -> Window {
    let size = |random: &mut Random, most: u64| usize::try_from(1 + random.next() % most).unwrap();
    Window {
        events_max: 4 + size(random, 60),
        bytes_max: 100 * (2 + size(random, 100)),
        per_key_max: size(random, 8),
        span_max: 8 + random.next() % 200,
        retrying_max: 2 + size(random, 40),
        held_max: 2 + size(random, 40),
    }
}

fn drawn_settings(random: &mut Random) -> Settings {
    let orders = [Order::PerKey, Order::PerKey, Order::None, Order::Total];
    let mut settings = Settings::new("flow", "endpoint");
    settings.order = orders[usize::try_from(random.next() % 4).unwrap()];
    if random.next().is_multiple_of(3) {
        settings.on_fault = OnFault::Skip;
    }
    settings.concurrency = 1 + u32::try_from(random.next() % 12).unwrap();
    if random.next().is_multiple_of(3) {
        settings.batch = Some(Batch {
            events_max: 1 + usize::try_from(random.next() % 6).unwrap(),
            bytes_max: 450,
            wait: Duration::from_millis(random.next() % 50),
        });
    }
    if random.next().is_multiple_of(4) {
        settings.rate = Some(Rate {
            every: Duration::from_millis(1 + random.next() % 30),
            burst: 1 + u32::try_from(random.next() % 5).unwrap(),
        });
    }
    if !random.next().is_multiple_of(4) {
        settings.window = small_window(random);
    }
    settings
}

const HOUR: Duration = Duration::from_secs(3600);

/// A world drawn from a seed, played to its end.
fn play(seed: u64) -> World {
    let mut random = Random::new(seed);
    let settings = drawn_settings(&mut random);
    let heal = Duration::from_secs(1 + random.next() % 7200);
    let mut world = World::new(settings, seed, hostile(heal));
    let keys = 1 + random.next() % 20;
    world.fill(events(random.next() % 200, keys, &mut random));
    world.publish = events(random.next() % 300, keys, &mut random);
    world.operator = true;
    let trouble = Trouble {
        refused: random.next() % 300,
        crashes: u32::try_from(random.next() % 6).unwrap(),
        clock_back: u32::try_from(random.next() % 3).unwrap(),
    };
    world.trouble(trouble, heal);
    world.run(HOUR * 24 * 30);
    world.assert_finished();
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    /// Order, no repeat behind a receipt, bounds, `low`, counts, and an end to everything:
    /// checked by the world at each step.
    #[test]
    fn any_world_ends_well(seed: u64) {
        play(seed);
    }
}

/// Else the worlds above would say nothing of replays.
#[test]
fn operators_replay_in_these_worlds() {
    let replayed: u32 = (0..8).map(|seed| play(seed).replayed).sum();
    assert!(replayed > 0);
}
