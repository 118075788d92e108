//! What stands at the other end: an endpoint that does not always behave.

use std::time::Duration;

use tidegate_core::deliver::{Answer, Failure, Send};
use tidegate_types::id::EventId;

use super::Body;
use crate::context::Context;
use crate::random::Random;

/// How long the shell waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How an endpoint is, for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// Answers after long.
    Slow,
    /// Takes the request and says nothing.
    HalfOpen,
    /// Processes and says that it failed.
    Lying,
    /// Processes and breaks the connection.
    Resets,
    /// Wants to be left alone, for whatever it says.
    Storm,
    /// Cannot be reached.
    Dead,
    /// Is there and fails.
    Failing,
    /// Says that it is gone for good.
    Gone,
}

const MOODS: [Mood; 8] = [
    Mood::Slow,
    Mood::HalfOpen,
    Mood::Lying,
    Mood::Resets,
    Mood::Storm,
    Mood::Dead,
    Mood::Failing,
    Mood::Gone,
];

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Endpoint {
    mood: Mood,
    until: Duration,
}

impl Endpoint {
    /// It is bad until then.
    pub(crate) fn worsen(&mut self, random: &mut Random, until: Duration) -> Mood {
        self.mood = random.pick(&MOODS).copied().unwrap_or_default();
        self.until = until;
        self.mood
    }

    /// It cannot be reached until then.
    pub(crate) fn go_away(&mut self, until: Duration) {
        self.mood = Mood::Dead;
        self.until = until;
    }

    pub(crate) fn heal(&mut self) {
        self.until = Duration::ZERO;
    }

    /// What it says to a request, whether it processes it, and when the shell knows.
    pub(super) fn serve(
        &self,
        cx: &mut Context,
        healed: bool,
        send: &Send<Body>,
    ) -> (Answer, bool, Duration) {
        let soon = cx
            .random
            .between(Duration::from_micros(500), Duration::from_millis(25));
        let late = cx
            .random
            .between(Duration::from_millis(200), Duration::from_millis(950));
        let mood = if cx.now < self.until {
            self.mood
        } else {
            Mood::Well
        };
        let poison = send.events.iter().find_map(|event| poison(&event.id));
        let refusal = poison.filter(|_| !healed && matches!(mood, Mood::Well | Mood::Slow));
        let ok = Answer::status(200);
        match mood {
            _ if refusal.is_some() => (Answer::status(refusal.unwrap_or(0)), false, soon),
            Mood::Well => (ok, true, soon),
            Mood::Slow => (ok, true, late),
            Mood::HalfOpen => {
                let processed = poison.is_none() && cx.random.chance(500);
                (Answer::failed(Failure::Timeout), processed, TIMEOUT)
            }
            Mood::Lying => (Answer::status(500), poison.is_none(), soon),
            Mood::Resets => {
                let processed = poison.is_none() && cx.random.chance(500);
                (Answer::failed(Failure::Reset), processed, soon)
            }
            Mood::Storm => {
                let status = if cx.random.chance(500) { 429 } else { 503 };
                let wait = cx.random.around(Duration::from_secs(5));
                let asked = cx.random.chance(700).then_some(wait);
                let answer = Answer {
                    retry_after: asked,
                    ..Answer::status(status)
                };
                (answer, false, soon)
            }
            Mood::Dead => (Answer::failed(Failure::Connect), false, soon),
            Mood::Failing => (Answer::status(502), false, late),
            Mood::Gone if cx.random.chance(200) => (Answer::status(410), false, soon),
            Mood::Gone => (Answer::status(500), false, soon),
        }
    }
}

/// What an event always gets until the world is healed, if it is one of the bad ones.
fn poison(id: &EventId) -> Option<u16> {
    match id.as_bytes().last()? % 48 {
        0 => Some(422),
        1 => Some(404),
        2 => Some(500),
        _ => None,
    }
}
