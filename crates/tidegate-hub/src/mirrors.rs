//! The copies of other regions' logs that this region keeps, below `mirrors` in the data directory.
//!
//! ```text
//! mirrors/ORIGIN/LIFE/…segment      LIFE is the incarnation, 16 hexadecimal digits
//! ```
//!
//! Each life of each origin is an embedded log of its own ([`EmbeddedLog::append_frames`]), with the
//! frames as the origin wrote them. All lives but the newest have ended. Readers see what is
//! synced, and nothing else. The retention is that of the own log.
//!
//! [`EmbeddedLog::append_frames`]: tidegate_core::log::embedded::EmbeddedLog::append_frames

mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use tidegate_core::log::engine::{LogReader, LogStatus};
use tidegate_core::log::recovery::OpenError;
use tidegate_core::mirror::{MirrorStatus, Span};
use tidegate_types::name::is_name;
use tidegate_types::position::Incarnation;
use tidegate_types::time::UnixMillis;
use tokio::sync::watch;

pub use writer::MirrorWriter;

use crate::disk::DiskError;
use crate::settings::{HubSettings, Retention};

/// All mirrors of this region.
#[derive(Debug)]
pub struct Mirrors {
    dir: PathBuf,
    segment_bytes: u64,
    retention: Arc<ArcSwap<Retention>>,
    shelf: Mutex<Shelf>,
    changed: watch::Sender<u64>,
}

/// Origins by name, bounded by the regions that ever were in the configuration.
#[derive(Debug, Default)]
struct Shelf {
    logs: BTreeMap<String, Arc<MirrorLog>>,
    /// Writers nobody has taken.
    writers: BTreeMap<String, MirrorWriter>,
}

/// What is here of one origin, for those who read it.
pub struct MirrorLog {
    origin: String,
    lives: ArcSwap<Vec<MirrorLife>>,
    sizes: ArcSwap<Sizes>,
    report: ArcSwapOption<MirrorReport>,
}

/// One life of an origin's log.
#[derive(Clone)]
pub struct MirrorLife {
    /// Which.
    pub incarnation: Incarnation,
    /// Reads it; its calls block on the disk.
    pub reader: Arc<dyn LogReader>,
    /// A later life has begun, and this one gets no more.
    pub ended: bool,
}

/// What a mirror takes of the disk; at most a second old while it is written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes on disk of all lives.
    pub bytes: u64,
    /// When the oldest frame was appended at its origin.
    pub oldest: Option<UnixMillis>,
    /// When the newest frame was appended at its origin.
    pub newest: Option<UnixMillis>,
}

/// How a mirror does, and when that was so.
#[derive(Clone, Debug)]
pub struct MirrorReport {
    status: MirrorStatus,
    since: UnixMillis,
    taken: Instant,
}

/// Mirrors cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// A directory cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The directories cannot be listed or cleared.
    #[error("the folder {} cannot be used", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A life cannot be opened.
    #[error("the mirror in {} cannot be opened", path.display())]
    Open {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// The name makes no folder.
    #[error("{0:?} is no name of a region")]
    Name(String),
}

impl Mirrors {
    /// Opens the mirrors there are. One that cannot be opened is left out, with a log line: the region
    /// itself must start.
    ///
    /// # Errors
    /// The folder itself cannot be used.
    pub(crate) fn open(
        settings: &HubSettings,
        retention: Arc<ArcSwap<Retention>>,
    ) -> Result<Self, MirrorError> {
        let mirrors = Self {
            dir: settings.data.join("mirrors"),
            segment_bytes: settings.segment_bytes,
            retention,
            shelf: Mutex::default(),
            changed: watch::Sender::new(0),
        };
        for origin in writer::folders(&mirrors.dir)? {
            if !is_name(&origin) {
                continue;
            }
            if let Err(error) = mirrors.add(&origin) {
                tracing::error!(
                    mirror.origin = origin,
                    error = &error as &dyn std::error::Error,
                    "a mirror cannot be used; move its folder away to have it fetched anew"
                );
            }
        }
        Ok(mirrors)
    }

    /// The side that writes the mirror of `origin`, made if need be; `None` while another one has it.
    ///
    /// # Errors
    /// See [`MirrorError`].
    pub fn writer(&self, origin: &str) -> Result<Option<MirrorWriter>, MirrorError> {
        if !is_name(origin) {
            return Err(MirrorError::Name(origin.to_owned()));
        }
        let known = self.shelf().logs.contains_key(origin);
        if !known {
            self.add(origin)?;
        }
        Ok(self.shelf().writers.remove(origin))
    }

    /// Takes a writer back.
    pub fn give_back(&self, writer: MirrorWriter) {
        let origin = writer.log().origin().to_owned();
        self.shelf().writers.insert(origin, writer);
    }

    fn add(&self, origin: &str) -> Result<(), MirrorError> {
        let writer = MirrorWriter::open(
            (origin, self.dir.join(origin)),
            self.segment_bytes,
            Arc::clone(&self.retention),
            self.changed.clone(),
        )?;
        let mut shelf = self.shelf();
        shelf.logs.insert(origin.to_owned(), writer.log());
        shelf.writers.insert(origin.to_owned(), writer);
        Ok(())
    }

    /// What is here of all origins.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<MirrorLog>> {
        self.shelf().logs.values().map(Arc::clone).collect()
    }

    /// What is here of `origin`.
    #[must_use]
    pub fn of(&self, origin: &str) -> Option<Arc<MirrorLog>> {
        self.shelf().logs.get(origin).map(Arc::clone)
    }

    /// Changes whenever there is more to read of any origin.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Nothing that holds the lock can leave the maps half changed.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MirrorLog {
    fn new(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            lives: ArcSwap::default(),
            sizes: ArcSwap::default(),
            report: ArcSwapOption::empty(),
        }
    }

    /// The region whose log it is.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Its lives, the oldest first.
    #[must_use]
    pub fn lives(&self) -> Arc<Vec<MirrorLife>> {
        self.lives.load_full()
    }

    /// One of its lives.
    #[must_use]
    pub fn life(&self, incarnation: Incarnation) -> Option<MirrorLife> {
        let lives = self.lives.load();
        lives
            .iter()
            .find(|it| it.incarnation == incarnation)
            .cloned()
    }

    /// Its lives, as another region is told them.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.lives.load().iter().map(MirrorLife::span).collect()
    }

    /// What it takes of the disk.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        **self.sizes.load()
    }

    /// How it does; `None` if nobody follows the origin.
    #[must_use]
    pub fn report(&self) -> Option<Arc<MirrorReport>> {
        self.report.load_full()
    }

    /// Says how it does; `None` once nobody follows the origin any more.
    pub fn tell(&self, report: Option<MirrorReport>) {
        self.report.store(report.map(Arc::new));
    }

    fn measured<'a>(&self, lives: impl Iterator<Item = &'a LogStatus>) {
        let mut sizes = Sizes::default();
        for status in lives {
            sizes.bytes = sizes.bytes.saturating_add(status.bytes);
            sizes.oldest = sizes.oldest.or(status.oldest);
            sizes.newest = status.newest.or(sizes.newest);
        }
        self.sizes.store(Arc::new(sizes));
    }
}

impl MirrorLife {
    fn span(&self) -> Span {
        let bounds = self.reader.bounds();
        Span {
            first: bounds.first,
            head: bounds.head,
            ended: self.ended,
        }
    }
}

impl MirrorReport {
    /// A report as of now; the state has been so `since`.
    #[must_use]
    pub const fn new(status: MirrorStatus, since: UnixMillis, taken: Instant) -> Self {
        Self {
            status,
            since,
            taken,
        }
    }

    /// How it does.
    #[must_use]
    pub const fn status(&self) -> &MirrorStatus {
        &self.status
    }

    /// Since when it is in its state.
    #[must_use]
    pub const fn since(&self) -> UnixMillis {
        self.since
    }

    /// How long ago the origin had nothing that is not here; grows on by itself.
    #[must_use]
    pub fn lag(&self) -> Option<Duration> {
        let lag = self.status.lag?;
        Some(lag.saturating_add(self.taken.elapsed()))
    }
}

impl fmt::Debug for MirrorLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MirrorLog")
            .field("origin", &self.origin)
            .field("lives", &self.lives.load())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MirrorLife {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MirrorLife")
            .field("incarnation", &self.incarnation)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
