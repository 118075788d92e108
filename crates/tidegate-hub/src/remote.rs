//! What other regions have of this region's log, as they confirm it.
//!
//! A peer asks for frames behind the last one it has on disk, so each question confirms everything up to
//! there. Nothing of this is kept over a restart: the first question of each peer says it anew.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tidegate_types::position::FrameNumber;
use tokio::sync::watch;

/// Which frames are in another region as well.
#[derive(Debug)]
pub struct Remote {
    /// Bounded by the regions of the configuration.
    peers: Mutex<BTreeMap<String, FrameNumber>>,
    furthest: watch::Sender<FrameNumber>,
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            peers: Mutex::default(),
            furthest: watch::Sender::new(FrameNumber(0)),
        }
    }
}

impl Remote {
    /// The peer `region` has everything up to and including `frame` of the life that is written, on disk.
    /// A peer that lost its copy says less than before.
    pub fn confirmed(&self, region: &str, frame: FrameNumber) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.insert(region.to_owned(), frame);
        // What one peer had once counts no more when it has lost it.
        let furthest = peers.values().max().copied().unwrap_or_default();
        drop(peers);
        self.furthest.send_if_modified(|known| {
            let changed = *known != furthest;
            *known = furthest;
            changed
        });
    }

    /// The last frame that at least one peer has, and a way to wait for more.
    #[must_use]
    pub fn furthest(&self) -> watch::Receiver<FrameNumber> {
        self.furthest.subscribe()
    }

    /// What each peer has.
    #[must_use]
    pub fn peers(&self) -> BTreeMap<String, FrameNumber> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_furthest_peer_counts_and_a_lost_copy_does_not() {
        let remote = Remote::default();
        let mut furthest = remote.furthest();
        remote.confirmed("b", FrameNumber(7));
        remote.confirmed("c", FrameNumber(5));
        assert_eq!(*furthest.borrow_and_update(), FrameNumber(7));
        remote.confirmed("c", FrameNumber(6));
        assert!(
            !furthest.has_changed().unwrap(),
            "nobody is woken for nothing"
        );
        remote.confirmed("b", FrameNumber(0));
        assert_eq!(*furthest.borrow_and_update(), FrameNumber(6));
        assert_eq!(remote.peers().len(), 2);
    }
}
