//! The external system that deliveries go to. It remembers every request, checks its signature, and misbehaves
//! a little: it is slow, refuses, closes the connection after it has done its work. It outlives the node.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::Value;
use tidegate_types::id::EventId;
use tidegate_types::secret::Secret;
use tidegate_types::time::UnixMillis;
use tidegate_wire::signature::{Request as Signed, Spec, Verifier};

use super::breach::{Breach, Breaches};
use super::random::Random;
use super::server::{Answers, Asked, Reply};

/// The secret that deliveries are signed with. It protects nothing.
pub(crate) const WHSEC: &str = "whsec_dGhpcyBpcyBhIHNlY3JldCBvZiBhIHByb29mIQ==";
/// The header with the number of the life in which a request was made.
pub(crate) const LIFE_HEADER: &str = "x-life";

/// Signatures may be so old: a request is signed when it leaves.
const TOLERANCE: Duration = Duration::from_secs(300);

/// Of a thousand requests: those that are answered late, refused with 500, 500 though the work is done, not answered
/// though it is, and refused with a time to wait, which holds up the whole flow.
const SLOW: u64 = 10;
const REFUSED: u64 = 10;
const LYING: u64 = 5;
const HUNG_UP: u64 = 8;
const THROTTLED: u64 = 1;
/// How late a late answer is at most, in milliseconds.
const SLOW_MILLIS: u64 = 100;

/// What the node was told about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// That it is done.
    Done,
    /// That it is to be sent again; nothing was done.
    Refused,
    /// That it is to be sent again, though it is done.
    RefusedAfterAll,
    /// Nothing, though it is done.
    Nothing,
}

impl Told {
    /// Whether the sink did what it was asked for.
    pub(crate) const fn is_done(self) -> bool {
        !matches!(self, Self::Refused)
    }
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Counts all requests up.
    pub(crate) at: u64,
    /// The life in which it was made.
    pub(crate) life: u32,
    pub(crate) told: Told,
}

/// All requests for one event.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) arrivals: Vec<Arrival>,
    /// The idempotency keys it came with.
    pub(crate) keys: Vec<String>,
}

/// What has come.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) events: HashMap<EventId, Received>,
    /// Which event each idempotency key stands for.
    keys: HashMap<String, EventId>,
    count: u64,
    /// Kept until somebody asks.
    breaches: Breaches,
}

/// The receiver.
#[derive(Debug)]
pub(crate) struct Sink {
    seed: u64,
    verifier: Verifier,
    taken: Mutex<Taken>,
}

/// What a request is about.
struct Delivery {
    event: EventId,
    key: String,
    life: u32,
}

impl Sink {
    pub(crate) fn new(seed: u64) -> Result<Arc<Self>> {
        let spec = Spec::StandardWebhooks {
            keys: vec![Secret::new(WHSEC)],
            tolerance: TOLERANCE,
        };
        Ok(Arc::new(Self {
            seed,
            verifier: Verifier::new(&spec).context("the sink's own key is no good")?,
            taken: Mutex::default(),
        }))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the request is about.
    fn read(&self, asked: &Asked) -> Result<Delivery, String> {
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        let signed = Signed {
            method: &asked.method,
            path,
            query,
            headers: &asked.headers,
            body: &asked.body,
        };
        let verified = self.verifier.verify(now(), &signed).map_err(text)?;
        let key = asked.header("idempotency-key").ok_or("without a key")?;
        if verified.external_id != Some(key) {
            return Err(format!(
                "the key {key} is not the signed {:?}",
                verified.external_id
            ));
        }
        let event: Value = serde_json::from_slice(&asked.body).map_err(text)?;
        let id = event["id"].as_str().ok_or("no event")?;
        let life = asked.header(LIFE_HEADER).ok_or("no life")?;
        Ok(Delivery {
            event: id.parse().map_err(text)?,
            key: key.to_owned(),
            life: life.parse().map_err(text)?,
        })
    }
}

impl Answers for Sink {
    fn answer(&self, asked: &Asked) -> Reply {
        let delivery = match self.read(asked) {
            Ok(delivery) => delivery,
            Err(why) => {
                self.lock().breaches.add(Breach::Request, || why);
                return Reply::of(400, "{}".to_owned());
            }
        };
        let mut taken = self.lock();
        let before = taken.events.get(&delivery.event);
        let nth = before.map_or(0, |received| received.arrivals.len() as u64);
        let (told, reply) = mood(self.seed, delivery.event, nth);
        taken.take(delivery, told);
        reply
    }
}

/// How it behaves towards the `nth` request for an event.
fn mood(seed: u64, event: EventId, nth: u64) -> (Told, Reply) {
    let part = event
        .as_bytes()
        .iter()
        .fold(nth, |sum, byte| sum.wrapping_mul(257) + u64::from(*byte));
    let mut random = Random::of(seed ^ 0x7369_6e6b, part);
    let chance = random.below(1000);
    let mut limit = 0;
    let mut is = |share: u64| {
        limit += share;
        chance < limit
    };
    let answer = |status, retry_after, after| Reply::Answer {
        status,
        retry_after,
        body: "{}".to_owned(),
        after,
    };
    if is(SLOW) {
        let late = Duration::from_millis(random.below(SLOW_MILLIS));
        (Told::Done, answer(200, None, late))
    } else if is(REFUSED) {
        (Told::Refused, answer(500, None, Duration::ZERO))
    } else if is(LYING) {
        (Told::RefusedAfterAll, answer(500, None, Duration::ZERO))
    } else if is(HUNG_UP) {
        (Told::Nothing, Reply::HangUp)
    } else if is(THROTTLED) {
        (Told::Refused, answer(503, Some(1), Duration::ZERO))
    } else {
        (Told::Done, answer(200, None, Duration::ZERO))
    }
}

impl Taken {
    fn take(&mut self, delivery: Delivery, told: Told) {
        let Delivery { event, key, life } = delivery;
        self.count += 1;
        let arrival = Arrival {
            at: self.count,
            life,
            told,
        };
        let stands_for = *self.keys.entry(key.clone()).or_insert(event);
        self.breaches
            .unless(stands_for == event, Breach::Request, || {
                format!("the key {key} came for {stands_for} and then for {event}")
            });
        let received = self.events.entry(event).or_default();
        received.arrivals.push(arrival);
        if !received.keys.contains(&key) {
            received.keys.push(key);
        }
    }

    /// What was wrong with requests since the last time.
    pub(crate) fn complain(&mut self, breaches: &mut Breaches) {
        breaches.join(std::mem::take(&mut self.breaches));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sink is another system than the node, and has its own clock"
)]
fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixMillis(since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }))
}

fn text(error: impl Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use tidegate_wire::signature::Signer;

    const ID: &str = "575e3057-2fde-5998-8fc9-771348a07783";
    const OTHER: &str = "675e3057-2fde-5998-8fc9-771348a07783";

    fn asked(key: &str, signed_as: &str, event: &str) -> Asked {
        let spec = Spec::StandardWebhooks {
            keys: vec![Secret::new(WHSEC)],
            tolerance: TOLERANCE,
        };
        let body = format!(r#"{{"id":"{event}"}}"#).into_bytes();
        let empty = HeaderMap::new();
        let to_sign = Signed {
            method: "POST",
            path: "/take",
            query: "",
            headers: &empty,
            body: &body,
        };
        let signed = Signer::new(&spec).unwrap().sign(now(), signed_as, &to_sign);
        let mut headers = HeaderMap::new();
        headers.extend(signed.unwrap().headers);
        headers.insert("idempotency-key", key.parse().unwrap());
        headers.insert(LIFE_HEADER, "3".parse().unwrap());
        Asked {
            method: "POST".to_owned(),
            target: "/take".to_owned(),
            headers,
            body,
        }
    }

    fn wrong(sink: &Sink) -> u64 {
        let mut breaches = Breaches::default();
        sink.lock().complain(&mut breaches);
        breaches.count(Breach::Request)
    }

    #[test]
    fn every_request_is_remembered_with_its_life() {
        let sink = Sink::new(1).unwrap();
        sink.answer(&asked("k", "k", ID));
        sink.answer(&asked("k", "k", ID));
        let taken = sink.lock();
        let received = taken.events.values().next().unwrap();
        let lives: Vec<u32> = received.arrivals.iter().map(|it| it.life).collect();
        assert_eq!((lives, received.keys.len()), (vec![3, 3], 1));
        drop(taken);
        assert_eq!(wrong(&sink), 0);
    }

    #[test]
    fn what_is_not_signed_or_shares_a_key_is_noticed() {
        let sink = Sink::new(1).unwrap();
        let mut forged = asked("k", "k", ID);
        forged.body.push(b' ');
        assert_eq!(sink.answer(&forged), Reply::of(400, "{}".to_owned()));
        sink.answer(&asked("k", "another", ID));
        assert_eq!(wrong(&sink), 2);
        sink.answer(&asked("k", "k", ID));
        sink.answer(&asked("k", "k", OTHER));
        assert_eq!(wrong(&sink), 1);
    }

    #[test]
    fn it_misbehaves_in_every_way_and_seldom() {
        let moods = (0..10_000).map(|nth| mood(7, ID.parse().unwrap(), nth));
        let mut told = HashMap::new();
        for (it, reply) in moods {
            *told
                .entry((format!("{it:?}"), reply == Reply::HangUp))
                .or_insert(0) += 1;
        }
        assert_eq!(told.len(), 4, "{told:?}");
        let done = told[&("Done".to_owned(), false)];
        assert!((9_000..9_990).contains(&done), "{told:?}");
    }
}
