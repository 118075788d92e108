//! The external system that is polled: a growing list of items behind a cursor. Some pages give items again that
//! were there before, some are out of order, some fail. It outlives the node.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::random::Random;
use super::server::{Answers, Asked, Reply};

/// Items of a page that were not there before.
const PAGE: u64 = 25;
/// Items that come again at most.
const AGAIN: u64 = 10;
/// How much it grows at most each time the node has everything, at least by one.
const GROWTH: u64 = 60;
/// Of a thousand pages: those that fail, those with items that were there before, those out of order.
const FAILED: u64 = 20;
const DUPLICATED: u64 = 200;
const SHUFFLED: u64 = 200;
/// Keys of items.
const KEYS: u64 = 20;
/// Text of an item, in hexadecimal words.
const WORDS: u64 = 20;

/// The source.
#[derive(Debug)]
pub(crate) struct Source {
    seed: u64,
    state: Mutex<State>,
}

/// How far it is.
#[derive(Debug)]
pub(crate) struct State {
    /// Items there are: from 1 to this.
    pub(crate) total: u64,
    /// The furthest cursor that was asked with: the node claims to have everything up to it.
    pub(crate) asked: u64,
    /// Whether somebody who had everything was told so.
    pub(crate) drained: bool,
    /// Pages that were given, those that failed included.
    pub(crate) pages: u64,
    /// Items that were given again on purpose.
    pub(crate) again: u64,
    growing: bool,
}

impl Source {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            seed,
            state: Mutex::new(State {
                total: PAGE,
                asked: 0,
                drained: false,
                pages: 0,
                again: 0,
                growing: true,
            }),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is added any more.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.growing = false;
        state.drained = false;
    }
}

impl Answers for Source {
    fn answer(&self, asked: &Asked) -> Reply {
        let after = asked.target.split_once("after=");
        let after = after
            .and_then(|(_, cursor)| cursor.parse().ok())
            .unwrap_or(0);
        let mut state = self.lock();
        state.pages += 1;
        state.asked = state.asked.max(after);
        let mut random = Random::of(self.seed ^ 0x706f_6c6c, state.pages);
        if random.below(1000) < FAILED {
            return Reply::of(500, "{}".to_owned());
        }
        let end = state.total.min(after + PAGE);
        let mut numbers: Vec<u64> = (after + 1..=end).collect();
        if numbers.is_empty() {
            state.drained = true;
            if state.growing {
                state.total += 1 + random.below(GROWTH);
            }
            return Reply::of(200, json!({"items": [], "next": null}).to_string());
        }
        if random.below(1000) < DUPLICATED {
            let from = after.saturating_sub(random.below(AGAIN)).max(1);
            state.again += (after + 1).saturating_sub(from);
            numbers.splice(0..0, from..=after);
        }
        if random.below(1000) < SHUFFLED {
            shuffle(&mut numbers, &mut random);
        }
        let items: Vec<Value> = numbers.iter().map(|it| item(self.seed, *it)).collect();
        Reply::of(
            200,
            json!({"items": items, "next": end.to_string()}).to_string(),
        )
    }
}

/// Fisher and Yates.
fn shuffle(numbers: &mut [u64], random: &mut Random) {
    for last in (1..numbers.len()).rev() {
        let other = random.below(last as u64 + 1);
        numbers.swap(last, usize::try_from(other).unwrap_or(last));
    }
}

/// What an item says.
pub(crate) fn item(seed: u64, number: u64) -> Value {
    let mut random = Random::of(seed ^ 0x6974_656d, number);
    let words = 1 + random.below(WORDS);
    let text: String = (0..words)
        .map(|_| format!("{:016x}", random.next()))
        .collect();
    json!({"id": format!("i{number}"), "customer": format!("k{}", number % KEYS), "text": text})
}

/// The number in the external id of an item.
pub(crate) fn item_of(external_id: &str) -> Option<u64> {
    external_id.strip_prefix('i')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn page(source: &Source, after: u64) -> Option<(Vec<u64>, Option<u64>)> {
        let asked = Asked {
            method: "GET".to_owned(),
            target: format!("/items?after={after}"),
            headers: HeaderMap::new(),
            body: Vec::new(),
        };
        let Reply::Answer {
            status: 200, body, ..
        } = source.answer(&asked)
        else {
            return None;
        };
        let body: Value = serde_json::from_str(&body).unwrap();
        let items = body["items"].as_array().unwrap().iter();
        let numbers = items.map(|item| item_of(item["id"].as_str().unwrap()).unwrap());
        let next = body["next"].as_str().map(|next| next.parse().unwrap());
        Some((numbers.collect(), next))
    }

    #[test]
    fn who_follows_its_cursors_gets_everything_and_some_of_it_again() {
        let source = Source::new(3);
        let (mut after, mut got) = (0, Vec::new());
        let (mut failed, mut unordered) = (0, 0);
        for _ in 0..500 {
            let Some((numbers, next)) = page(&source, after) else {
                failed += 1;
                continue;
            };
            unordered += u32::from(!numbers.is_sorted());
            got.extend(numbers);
            after = next.unwrap_or(after);
        }
        source.stop();
        while !source.lock().drained {
            let (numbers, next) = page(&source, after).unwrap_or_default();
            got.extend(numbers);
            after = next.unwrap_or(after);
        }
        let state = source.lock();
        assert_eq!((after, state.asked), (state.total, state.total));
        assert_eq!(got.len() as u64, state.total + state.again);
        got.sort_unstable();
        got.dedup();
        assert_eq!(got, (1..=state.total).collect::<Vec<_>>());
        assert!(failed > 0 && unordered > 0 && state.again > 0);
    }
}
