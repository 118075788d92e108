//! What a connection and the rest of its listener share: its state outwards, commands inwards.
//!
//! All atomics are relaxed: each is read on its own, by a sweeper that looks again, or by the
//! connection's task after a wake, which the waker's lock orders after the command.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Waker};

use super::stats::Tally;
use super::watch::{Glimpse, Waiting};

/// The shared state of one connection.
#[derive(Debug, Default)]
pub(super) struct Link {
    stage: AtomicU8,
    command: AtomicU8,
    expired: AtomicBool,
    waker: Mutex<Option<Waker>>,
    progress: AtomicU32,
    /// Requests between their head and the end of their answer, streams apart.
    busy: AtomicU32,
    /// Answers that are streams.
    streams: AtomicU32,
    /// Bytes of a head were read and no request came of them yet.
    head_begun: AtomicBool,
    /// The peer does not take what we write.
    blocked: AtomicBool,
    /// The figures of this connection.
    pub(super) tally: Tally,
}

/// How far a connection is. Discriminants are what the atomic holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    Handshake = 0,
    Open = 1,
    Http1 = 2,
    Http2 = 3,
    Ending = 4,
}

/// What a connection is told; a later one includes the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Command {
    Close = 1,
    Cut = 2,
}

impl Link {
    pub(super) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    fn is_at(&self, stage: Stage) -> bool {
        self.stage.load(Relaxed) == stage as u8
    }

    /// Sees to it that commands wake the task of `context`. Called at each poll; `known` is the
    /// task's own copy of the waker, so that the lock is only taken when it changes.
    pub(super) fn attend(&self, context: &Context<'_>, known: &mut Option<Waker>) {
        if known
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            return;
        }
        *known = Some(context.waker().clone());
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = known.clone();
    }

    /// Ends the connection once what is in flight is answered.
    pub(super) fn close(&self) {
        self.command(Command::Close);
    }

    /// Ends the connection at once.
    pub(super) fn cut(&self) {
        self.command(Command::Cut);
    }

    /// Has the running HTTP/1 request answered 503, or the lingering ended.
    pub(super) fn expire(&self) {
        self.expired.store(true, Relaxed);
        self.wake();
    }

    fn command(&self, command: Command) {
        self.command.fetch_max(command as u8, Relaxed);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.lock().unwrap_or_else(PoisonError::into_inner) {
            waker.wake_by_ref();
        }
    }

    pub(super) fn is_to_close(&self) -> bool {
        self.command.load(Relaxed) >= Command::Close as u8
    }

    pub(super) fn is_cut(&self) -> bool {
        self.command.load(Relaxed) >= Command::Cut as u8
    }

    /// Whether no byte of a request was seen.
    pub(super) fn is_unborn(&self) -> bool {
        self.is_at(Stage::Handshake) || self.is_at(Stage::Open)
    }

    /// Whether what runs is to end; whoever asks has to obey, for the order is taken back.
    pub(super) fn take_expired(&self) -> bool {
        self.expired.load(Relaxed) && self.expired.swap(false, Relaxed)
    }

    /// Whether a request is being answered.
    pub(super) fn is_in_flight(&self) -> bool {
        self.busy.load(Relaxed) > 0 || self.streams.load(Relaxed) > 0
    }

    /// Bytes arrived.
    pub(super) fn has_read(&self, bytes: usize) {
        self.tally.bytes_read.fetch_add(bytes as u64, Relaxed);
        if !self.is_in_flight() {
            self.head_begun.store(true, Relaxed);
        }
    }

    /// The peer took bytes, or none although we had some.
    pub(super) fn has_written(&self, bytes: Option<usize>) {
        if let Some(bytes) = bytes {
            self.tally.bytes_written.fetch_add(bytes as u64, Relaxed);
            if self.blocked.load(Relaxed) {
                self.blocked.store(false, Relaxed);
                self.progress.fetch_add(1, Relaxed);
            }
        } else {
            self.blocked.store(true, Relaxed);
        }
    }

    /// A request begins.
    pub(super) fn begin(&self) {
        self.tally.requests.fetch_add(1, Relaxed);
        self.busy.fetch_add(1, Relaxed);
        self.head_begun.store(false, Relaxed);
        self.progress.fetch_add(1, Relaxed);
    }

    /// The answer of a request turns out to be a stream.
    pub(super) fn becomes_stream(&self) {
        self.streams.fetch_add(1, Relaxed);
        self.busy.fetch_sub(1, Relaxed);
    }

    /// The answer of a request is complete, or given up.
    pub(super) fn finish(&self, stream: bool) {
        if stream { &self.streams } else { &self.busy }.fetch_sub(1, Relaxed);
        self.tally.finished.fetch_add(1, Relaxed);
        self.progress.fetch_add(1, Relaxed);
    }

    /// What the connection waits for now.
    pub(super) fn glimpse(&self) -> Glimpse {
        let waiting = if self.is_at(Stage::Handshake) {
            Waiting::Handshake
        } else if self.is_at(Stage::Open) {
            Waiting::Head
        } else if self.is_at(Stage::Ending) {
            Waiting::Close
        } else if self.blocked.load(Relaxed) {
            Waiting::Write
        } else if self.busy.load(Relaxed) > 0 {
            Waiting::Handler
        } else if self.streams.load(Relaxed) > 0 {
            Waiting::Stream
        } else if self.is_at(Stage::Http1) && self.head_begun.load(Relaxed) {
            Waiting::Head
        } else if self.is_to_close() {
            Waiting::Close
        } else {
            Waiting::Idle
        };
        Glimpse {
            waiting,
            progress: self.progress.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_of_a_connection_as_seen_from_outside() {
        let link = Link::default();
        let mut seen = vec![link.glimpse().waiting];
        let mut look = |link: &Link| seen.push(link.glimpse().waiting);
        link.enter(Stage::Open);
        look(&link);
        link.enter(Stage::Http1);
        link.has_read(3);
        look(&link);
        link.begin();
        link.has_read(3);
        look(&link);
        link.has_written(None);
        look(&link);
        link.has_written(Some(5));
        link.becomes_stream();
        look(&link);
        link.finish(true);
        look(&link);
        link.close();
        look(&link);
        link.enter(Stage::Ending);
        look(&link);
        use Waiting::{Close, Handler, Handshake, Head, Idle, Stream, Write};
        assert_eq!(
            seen,
            [
                Handshake, Head, Head, Handler, Write, Stream, Idle, Close, Close
            ]
        );
        assert!(!link.is_in_flight());
    }

    #[test]
    fn reading_is_no_progress_and_writing_after_a_block_is() {
        let link = Link::default();
        link.enter(Stage::Http1);
        let before = link.glimpse().progress;
        link.has_read(10);
        link.has_written(Some(10));
        assert_eq!(link.glimpse().progress, before);
        link.has_written(None);
        link.has_written(Some(1));
        assert_ne!(link.glimpse().progress, before);
    }

    #[test]
    fn a_cut_includes_a_close_and_is_not_taken_back() {
        let link = Link::default();
        assert!(!link.is_to_close());
        link.cut();
        link.close();
        assert!(link.is_to_close() && link.is_cut());
    }
}
