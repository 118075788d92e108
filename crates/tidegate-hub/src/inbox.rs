//! Where callers leave their offers for the one thread that writes.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_core::receive::intake::{IntakeLimits, Offer, Refusal};
use tidegate_types::position::FrameNumber;

use crate::post::Ticket;

/// A bounded queue with one reader.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    wake: Condvar,
    closed: Condvar,
    limits: IntakeLimits,
}

#[derive(Debug, Default)]
struct State {
    offers: Vec<Offer<Ticket>>,
    bytes: usize,
    applied: Option<FrameNumber>,
    closing: bool,
    /// The writer sleeps until so many offers are there; 0 while it is awake.
    wanted: usize,
}

/// What has come since the last look.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// Offers in the order they came.
    pub(crate) offers: Vec<Offer<Ticket>>,
    /// The views have applied everything up to here.
    pub(crate) applied: Option<FrameNumber>,
    /// Finish what is there and stop.
    pub(crate) closing: bool,
}

impl Inbox {
    pub(crate) fn new(limits: IntakeLimits) -> Self {
        Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            closed: Condvar::new(),
            limits,
        }
    }

    /// Leaves an offer.
    pub(crate) fn offer(&self, offer: Offer<Ticket>) -> Result<(), Refusal> {
        let bytes = offer.content.bytes();
        let mut state = self.lock();
        if state.closing {
            return Err(Refusal::Closing);
        }
        let full = state.bytes.saturating_add(bytes) > self.limits.queue_bytes_max
            || state.offers.len() >= self.limits.queue_offers_max;
        // One offer is always taken, so that the largest body passes through the smallest inbox.
        if full && !state.offers.is_empty() {
            return Err(Refusal::Overload);
        }
        state.bytes = state.bytes.saturating_add(bytes);
        state.offers.push(offer);
        self.wake(state);
        Ok(())
    }

    /// Tells the writer how far the views are.
    pub(crate) fn applied(&self, frame: FrameNumber) {
        let mut state = self.lock();
        state.applied = Some(frame);
        // Not worth a wake-up by itself: the writer looks before its next frame, and a writer that
        // is held by the views looks again after a short while.
        drop(state);
    }

    /// No more offers are taken; the writer finishes what is there.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closing = true;
        self.closed.notify_all();
        self.wake(state);
    }

    /// Waits up to `wait`, and less if it is closed meanwhile; gives whether it is.
    pub(crate) fn closes_within(&self, wait: Duration) -> bool {
        let state = self.lock();
        let waited = self
            .closed
            .wait_timeout_while(state, wait, |state| !state.closing);
        waited.unwrap_or_else(PoisonError::into_inner).0.closing
    }

    /// Takes what has come; waits up to `wait` until `wanted` offers are there.
    pub(crate) fn take(&self, wait: Duration, wanted: usize) -> Arrived {
        let mut state = self.lock();
        if state.offers.len() < wanted && !state.closing && !wait.is_zero() {
            state.wanted = wanted;
            let waited = self.wake.wait_timeout_while(state, wait, |state| {
                state.offers.len() < wanted && !state.closing
            });
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.wanted = 0;
        }
        state.bytes = 0;
        let offers = std::mem::take(&mut state.offers);
        Arrived {
            offers,
            applied: state.applied.take(),
            closing: state.closing,
        }
    }

    fn wake(&self, state: MutexGuard<'_, State>) {
        let due = state.wanted > 0 && (state.closing || state.offers.len() >= state.wanted);
        drop(state);
        if due {
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can leave the queue half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
