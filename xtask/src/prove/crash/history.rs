//! What was sent and answered: the client's side of the truth.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;
use tidegate_types::id::EventId;

use super::breach::{Breach, Breaches};
use super::http::Response;
use super::random::Random;
use super::traffic::Key;

/// Shared by all that send.
#[derive(Debug)]
pub(crate) struct History {
    state: Mutex<State>,
    progress: Condvar,
}

/// The content of a history.
#[derive(Debug)]
pub(crate) struct State {
    /// What was acknowledged, and the identity it was answered with.
    pub(crate) acknowledged: HashMap<Key, EventId>,
    /// The same in the order of the answers.
    pub(crate) order: Vec<Key>,
    /// Repeats of acknowledged ones that were answered.
    pub(crate) repeats: u64,
    /// Requests that were refused for a while (503).
    pub(crate) refused: u64,
    pub(crate) breaches: Breaches,
    /// First acknowledgements since the node was started.
    since_start: usize,
    /// What is still to be sent for the first time begins here.
    next: u64,
    life: u64,
    file: BufWriter<File>,
}

/// What was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) key: Key,
    /// How often before it was sent without an answer of success.
    pub(crate) unanswered: u32,
    /// Whether it must become a fault.
    pub(crate) fault: bool,
}

impl History {
    /// An empty one that is also written to `file`.
    pub(crate) fn new(file: &Path) -> Result<Self> {
        let file =
            File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self {
            state: Mutex::new(State {
                acknowledged: HashMap::new(),
                order: Vec::new(),
                repeats: 0,
                refused: 0,
                breaches: Breaches::default(),
                since_start: 0,
                next: 0,
                life: 0,
                file: BufWriter::new(file),
            }),
            progress: Condvar::new(),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node was started anew.
    pub(crate) fn started(&self) {
        let mut state = self.lock();
        state.since_start = 0;
        state.life += 1;
    }

    /// Waits for `least` first acknowledgements since the start; `false` if they do not come in time.
    pub(crate) fn wait(&self, least: usize, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut state = self.lock();
        while state.since_start < least {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.progress.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// A number that was never sent.
    pub(crate) fn fresh(&self) -> u64 {
        let mut state = self.lock();
        state.next += 1;
        state.next
    }

    /// One of the last `window` that were acknowledged.
    pub(crate) fn pick(&self, random: &mut Random, window: usize) -> Option<Key> {
        let state = self.lock();
        let window = state.order.len().min(window);
        let back = usize::try_from(random.below(window.max(1) as u64)).ok()?;
        let at = state.order.len().checked_sub(back + 1)?;
        state.order.get(at).copied()
    }

    /// Takes an answer in; `false` if it must be sent again.
    pub(crate) fn answered(&self, sent: Sent, response: &Response) -> bool {
        let mut state = self.lock();
        if response.status == 503 {
            state.refused += 1;
            return false;
        }
        state.take(sent, response);
        if state.since_start.is_multiple_of(64) {
            self.progress.notify_all();
        }
        true
    }

    /// Writes the file to its end.
    pub(crate) fn flush(&self) -> Result<()> {
        self.lock().file.flush().context("cannot write the history")
    }
}

impl State {
    fn take(&mut self, sent: Sent, response: &Response) {
        let Sent {
            key,
            unanswered,
            fault,
        } = sent;
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let id = answer["id"]
            .as_str()
            .and_then(|id| id.parse::<EventId>().ok());
        let repeat = answer["repeat"].as_bool().unwrap_or_default();
        let set_aside = answer["fault"].as_bool().unwrap_or_default();
        let status = if fault { 202 } else { 200 };
        let Some(id) = id.filter(|_| response.status == status && set_aside == fault) else {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            return self.breaches.add(Breach::Answer, || {
                format!("{sent:?} was answered {} {body}", response.status)
            });
        };
        let line = writeln!(
            self.file,
            "{}\t{}\t{}\t{id}\t{repeat}",
            self.life, key.number, key.reused
        );
        self.breaches.unless(line.is_ok(), Breach::Log, || {
            "the history cannot be written".to_owned()
        });
        match self.acknowledged.insert(key, id) {
            Some(first) => {
                self.repeats += 1;
                self.breaches
                    .unless(repeat && first == id, Breach::Repeated, || {
                        format!("{key:?} was acknowledged as {first} and then answered {answer}")
                    });
            }
            None => {
                let known = repeat && unanswered == 0;
                self.breaches.unless(!known, Breach::Answer, || {
                    format!("{key:?} is new and was taken for a repeat")
                });
                self.order.push(key);
                self.since_start += 1;
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn history() -> (tempfile::TempDir, History) {
        let folder = tempfile::tempdir().unwrap();
        let history = History::new(&folder.path().join("history")).unwrap();
        (folder, history)
    }

    fn answer(history: &History, number: u64, unanswered: u32, status: u16, body: &str) -> bool {
        let key = Key {
            number,
            reused: false,
        };
        let response = Response::of(status, body);
        history.answered(
            Sent {
                key,
                unanswered,
                fault: false,
            },
            &response,
        )
    }

    const ID: &str = r#"{"id":"575e3057-2fde-5998-8fc9-771348a07783"}"#;
    const REPEAT: &str = r#"{"id":"575e3057-2fde-5998-8fc9-771348a07783","repeat":true}"#;

    #[test]
    fn honest_answers_are_no_breach() {
        let (_folder, history) = history();
        assert!(!answer(&history, 1, 0, 503, "{}"));
        assert!(answer(&history, 1, 1, 200, REPEAT));
        assert!(answer(&history, 1, 0, 200, REPEAT));
        let state = history.lock();
        assert!(state.breaches.is_empty(), "{}", state.breaches);
        assert_eq!((state.repeats, state.refused, state.order.len()), (1, 1, 1));
    }

    #[test]
    fn dishonest_answers_are() {
        let (_folder, history) = history();
        answer(&history, 1, 0, 200, REPEAT);
        answer(&history, 2, 0, 200, ID);
        answer(&history, 2, 0, 200, ID);
        answer(&history, 3, 0, 202, ID);
        answer(&history, 4, 0, 200, "{}");
        let state = history.lock();
        assert_eq!(state.breaches.count(Breach::Answer), 3);
        assert_eq!(state.breaches.count(Breach::Repeated), 1);
    }
}
