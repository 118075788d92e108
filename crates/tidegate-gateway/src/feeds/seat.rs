//! How many read feeds at once: over all, so that the memory of what they are given is bounded, and of one consumer,
//! so that it cannot keep the others out.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pages that one consumer with a token waits for, or is being sent, at once. A quarter of all.
const PAGES_OF_ONE_MAX: usize = super::READERS_MAX / 4;

/// Streams of one consumer with a token at once. A quarter of all.
const STREAMS_OF_ONE_MAX: usize = super::STREAMS_MAX / 4;

/// One reader among those that may be; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Seat {
    /// `None` if there are too many already, over all or of this consumer.
    pub(super) fn take(all: &Arc<Semaphore>, own: &Arc<Semaphore>) -> Option<Self> {
        let own = Arc::clone(own).try_acquire_owned().ok()?;
        let all = Arc::clone(all).try_acquire_owned().ok()?;
        Some(Self {
            _all: all,
            _own: own,
        })
    }

    /// Bytes that keep the seat until the last of them was written, or the connection has ended: somebody who asks
    /// for large pages and does not read them fills no more memory than that.
    pub(super) fn with(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Held { bytes, _seat: self })
    }
}

/// The seats of one consumer.
#[derive(Debug)]
pub(super) struct Seats {
    pub(super) pages: Arc<Semaphore>,
    pub(super) streams: Arc<Semaphore>,
}

impl Seats {
    /// Of a consumer with a token; or of anyone, who may have all there are.
    pub(super) fn new(has_token: bool) -> Self {
        let (pages, streams) = if has_token {
            (PAGES_OF_ONE_MAX, STREAMS_OF_ONE_MAX)
        } else {
            (super::READERS_MAX, super::STREAMS_MAX)
        };
        Self {
            pages: Arc::new(Semaphore::new(pages)),
            streams: Arc::new(Semaphore::new(streams)),
        }
    }
}

struct Held {
    bytes: Vec<u8>,
    _seat: Seat,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_kept_until_the_last_byte_is_gone() {
        let (all, own) = (Arc::new(Semaphore::new(2)), Arc::new(Semaphore::new(1)));
        let other = Arc::new(Semaphore::new(1));
        let seat = Seat::take(&all, &own);
        let bytes = seat.map(|seat| seat.with(b"page".to_vec()));
        let mut bytes = bytes.expect("there is one");
        let rest = bytes.split_off(2);
        drop(bytes);
        assert!(Seat::take(&all, &own).is_none(), "it has its own already");
        let second = Seat::take(&all, &other);
        assert!(second.is_some());
        assert_eq!(&rest[..], b"ge");
        drop(rest);
        assert!(Seat::take(&all, &own).is_some());
        drop(second);
        assert_eq!((all.available_permits(), own.available_permits()), (2, 1));
    }
}
