//! The local views of the log, on fjall: the ledger of identities, the open faults, the cursors
//! of subscriptions and of flows that poll, and how far each flow has delivered.
//!
//! They store the frame they have applied after its changes and are never synced: after a crash they
//! are a little behind and catch up from the log, where a change may be applied a second time. New
//! identities are gathered in memory first ([`recent`]), and so are the flows ([`flows`]). They can be thrown away; whatever
//! does not fit the log (another life of it, a later frame than it has, another format) is.
//!
//! Invariant: only synced frames are applied, so the views are never ahead of the log.

mod codec;
mod faults;
mod flows;
mod recent;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use tidegate_core::deliver::Restored;
use tidegate_core::log::engine::{Bounds, LogReader, ReadError};
use tidegate_core::log::entry::Polled;
use tidegate_core::receive::ledger::{Known, Ledger, LedgerError};
use tidegate_core::view::{Change, changes_of};
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Incarnation, Place};

use flows::Flows;
use recent::{RECENT_MAX, Recent};

/// Format of the views; a change of it makes them be rebuilt, so it needs no migration.
const FORMAT: u64 = 3;

/// Block cache: enough for the hot index and filter blocks of tens of millions of identities,
/// small enough for an idle node of 60 MB.
const CACHE_BYTES: u64 = 16 << 20;

/// Memory of a keyspace before it goes to disk. Small, since the process should be small.
const MEMTABLE_BYTES: u64 = 8 << 20;

/// The least fjall accepts; identities are 50 bytes, so this is a million of them.
const JOURNAL_BYTES: u64 = 64 << 20;

/// From so many identities on a table of their own is made: below, the journal is cheaper than a file.
const TABLE_MIN: usize = 4096;

/// Bytes of frames read in one step while catching up.
const CATCH_UP_BYTES: usize = 4 << 20;

/// The views of one region's log.
pub struct Views {
    db: Database,
    ledger: Keyspace,
    faults: Keyspace,
    /// Faults that were closed, by identity, each with the frame of it or a later one: as long as the
    /// log may hold a copy that was carried forward.
    closed: Keyspace,
    cursors: Keyspace,
    polls: Keyspace,
    flows: Keyspace,
    meta: Keyspace,
    recent: Recent,
    delivering: Flows,
}

/// The views could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ViewsError {
    /// The key-value store failed.
    #[error("the store of the local views failed")]
    Store(#[from] fjall::Error),
    /// The log could not be read while applying it.
    #[error("the log could not be read")]
    Log(#[from] ReadError),
    /// The directory of the views could not be emptied.
    #[error("{path} could not be removed")]
    Remove {
        /// Which directory.
        path: PathBuf,
        /// What the disk says.
        source: io::Error,
    },
    /// A value is not what this version writes.
    #[error("a value of the local views cannot be read")]
    Value,
}

/// How the views stood when they were opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// They were thrown away and begun anew, for this reason.
    pub rebuilt: Option<&'static str>,
    /// The last frame they had applied.
    pub applied: FrameNumber,
}

impl std::fmt::Debug for Views {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Views").finish_non_exhaustive()
    }
}

impl Views {
    /// Opens the views in `path`, and throws them away first if they do not fit the log.
    ///
    /// # Errors
    /// The directory cannot be used at all.
    pub fn open(path: &Path, bounds: &Bounds) -> Result<(Self, Opened), ViewsError> {
        let fresh = !path.exists();
        let reason = match Self::open_as_is(path) {
            Ok(views) if fresh => return views.begin(bounds, None),
            Ok(views) => match views.misfit(bounds) {
                Ok(None) => {
                    let applied = views.stored()?;
                    views.recent.set_applied(applied);
                    views.delivering.load(&views.flows, applied)?;
                    return Ok((
                        views,
                        Opened {
                            rebuilt: None,
                            applied,
                        },
                    ));
                }
                Ok(Some(reason)) => reason,
                Err(_) => "they cannot be read",
            },
            Err(_) => "they cannot be opened",
        };
        fs::remove_dir_all(path).map_err(|source| ViewsError::Remove {
            path: path.to_owned(),
            source,
        })?;
        Self::open_as_is(path)?.begin(bounds, Some(reason))
    }

    fn open_as_is(path: &Path) -> Result<Self, fjall::Error> {
        let db = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(1)
            .open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        Ok(Self {
            ledger: db.keyspace("ledger", options)?,
            faults: db.keyspace("faults", options)?,
            closed: db.keyspace("closed", options)?,
            flows: db.keyspace("flows", options)?,
            cursors: db.keyspace("cursors", options)?,
            polls: db.keyspace("polls", options)?,
            meta: db.keyspace("meta", options)?,
            db,
            recent: Recent::default(),
            delivering: Flows::default(),
        })
    }

    fn begin(
        self,
        bounds: &Bounds,
        rebuilt: Option<&'static str>,
    ) -> Result<(Self, Opened), ViewsError> {
        let before_first = FrameNumber(bounds.first.0.saturating_sub(1));
        let mut batch = self.db.batch();
        batch.insert(&self.meta, "format", FORMAT.to_be_bytes());
        batch.insert(
            &self.meta,
            "incarnation",
            bounds.incarnation.0.to_be_bytes(),
        );
        batch.insert(&self.meta, "applied", before_first.0.to_be_bytes());
        batch.insert(&self.meta, "pruned", bounds.first.0.to_be_bytes());
        batch.commit()?;
        self.recent.set_applied(before_first);
        Ok((
            self,
            Opened {
                rebuilt,
                applied: before_first,
            },
        ))
    }

    /// Why the views do not belong to this log, if they do not.
    fn misfit(&self, bounds: &Bounds) -> Result<Option<&'static str>, ViewsError> {
        let reason = if self.number("format")? != Some(FORMAT) {
            Some("they have another format")
        } else if self.number("incarnation")? != Some(bounds.incarnation.0) {
            Some("they belong to another life of the log")
        } else if self.stored()? > bounds.head.frame {
            Some("they are ahead of the log")
        } else if self.stored()?.next() < bounds.first || self.pruned()? < bounds.first {
            Some("the log was trimmed past them")
        } else {
            None
        };
        Ok(reason)
    }

    fn number(&self, key: &str) -> Result<Option<u64>, ViewsError> {
        let Some(value) = self.meta.get(key)? else {
            return Ok(None);
        };
        let bytes = value.as_ref().try_into().map_err(|_| ViewsError::Value)?;
        Ok(Some(u64::from_be_bytes(bytes)))
    }

    /// The last frame that was applied.
    #[must_use]
    pub fn applied(&self) -> FrameNumber {
        self.recent.applied()
    }

    /// The last frame of which everything is in the store.
    fn stored(&self) -> Result<FrameNumber, ViewsError> {
        self.number("applied")?
            .map(FrameNumber)
            .ok_or(ViewsError::Value)
    }

    /// The first frame whose identities are still in the ledger.
    ///
    /// # Errors
    /// The store failed.
    pub fn pruned(&self) -> Result<FrameNumber, ViewsError> {
        self.number("pruned")?
            .map(FrameNumber)
            .ok_or(ViewsError::Value)
    }

    /// Applies the changes of all frames up to `frame`, which follow on those applied before. One
    /// thread at a time.
    ///
    /// # Errors
    /// The store failed, or the log did while frames that are about to go were read again. What was
    /// done of it may be done again.
    pub fn apply(
        &self,
        reader: &dyn LogReader,
        changes: &[Change],
        frame: FrameNumber,
    ) -> Result<(), ViewsError> {
        let mut batch = self.db.batch();
        let mut identities = Vec::with_capacity(changes.len());
        let mut trims = Vec::new();
        let mut faults = Vec::new();
        let mut cursors: BTreeMap<&str, Place> = BTreeMap::new();
        let mut polls: BTreeMap<&str, (&Polled, Place)> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Identity { id, known } => identities.push((*id, *known)),
                Change::Cursor {
                    subscription,
                    place,
                } => {
                    let cursor = cursors.entry(subscription).or_insert(*place);
                    *cursor = (*cursor).max(*place);
                }
                Change::Polled { polled, place } => {
                    let newest = polls.entry(&polled.flow).or_insert((polled, *place));
                    if polled.number >= newest.0.number {
                        *newest = (polled, *place);
                    }
                }
                Change::Fault(_) | Change::FaultCarried(_) | Change::FaultClosed(_) => {
                    faults.push(change);
                }
                Change::Receipts(_) | Change::Retrying(_) | Change::SetAside { .. } => {}
                Change::Trim { oldest } => trims.push(*oldest),
            }
        }
        for (subscription, place) in cursors {
            // A checkpoint repeats the cursors of the moment it was planned, and others may have been
            // acknowledged since: a cursor never goes back.
            if self.cursor(subscription)?.is_none_or(|at| at < place) {
                batch.insert(&self.cursors, subscription, codec::place(&place));
            }
        }
        for (flow, (polled, place)) in polls {
            // What was copied forward may have been overtaken.
            if self
                .polled(flow)?
                .is_none_or(|(known, _)| known.number <= polled.number)
            {
                batch.insert(&self.polls, flow, codec::polled(polled, place));
            }
        }
        self.settle_faults(&mut batch, &faults, frame)?;
        // Before `applied` goes on: a fault or cursor may stand here twice, but not be missing.
        if !batch.is_empty() {
            batch.commit()?;
        }
        self.recent.extend(&identities);
        // Before `applied`: who reads that first and the flows then has nothing older.
        self.delivering.apply(changes, frame);
        self.recent.set_applied(frame);
        let full = self.recent.len() >= RECENT_MAX || self.delivering.unstored() >= RECENT_MAX;
        if full || !trims.is_empty() {
            self.store()?;
        }
        for oldest in trims {
            self.prune(reader, oldest)?;
        }
        Ok(())
    }

    /// Stores what is only in memory so far. Nothing depends on it but the time that the next start
    /// takes. By the thread that applies.
    ///
    /// # Errors
    /// The store failed; everything is still in memory.
    pub fn store(&self) -> Result<(), ViewsError> {
        let (identities, applied) = self.recent.sorted();
        if applied == self.stored()? {
            return Ok(());
        }
        let mut batch = self.db.batch();
        if identities.len() >= TABLE_MIN {
            let mut table = self.ledger.start_ingestion()?;
            for (id, known) in &identities {
                table.write(*id.as_bytes(), codec::known(known))?;
            }
            table.finish()?;
        } else {
            for (id, known) in &identities {
                batch.insert(&self.ledger, id.as_bytes(), codec::known(known));
            }
        }
        self.delivering.save(&self.flows, &mut batch);
        batch.insert(&self.meta, "applied", applied.0.to_be_bytes());
        batch.commit()?;
        self.recent.clear();
        self.delivering.saved();
        Ok(())
    }

    /// Forgets the identities of the frames before `oldest`, as long as those can still be read, and
    /// the faults that were closed there.
    fn prune(&self, reader: &dyn LogReader, oldest: FrameNumber) -> Result<(), ViewsError> {
        self.forget_closed(oldest)?;
        let mut next = self.pruned()?;
        while next < oldest {
            let frames = match reader.read(next, CATCH_UP_BYTES) {
                Ok(frames) => frames,
                // Gone already: nothing points there any more that a repeat could be told by.
                Err(ReadError::Trimmed { first }) => {
                    next = first.min(oldest);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if frames.is_empty() {
                break;
            }
            let mut batch = self.db.batch();
            for frame in frames.iter().take_while(|frame| frame.number() < oldest) {
                for (index, entry) in reader.entries(frame)? {
                    let place = place_in(frame.header().incarnation, frame.number(), index);
                    for change in changes_of(&entry, place) {
                        if let Change::Identity { id, .. } = change
                            && self.lookup(&id)?.is_some_and(|known| known.place == place)
                        {
                            batch.remove(&self.ledger, id.as_bytes());
                        }
                    }
                }
                next = frame.number().next();
            }
            batch.insert(&self.meta, "pruned", next.0.to_be_bytes());
            batch.commit()?;
        }
        Ok(())
    }

    /// Applies what the log has and the views have not, and tells `progress` the last frame after
    /// each step.
    ///
    /// # Errors
    /// The store or the log failed.
    pub fn catch_up(
        &self,
        reader: &dyn LogReader,
        mut progress: impl FnMut(FrameNumber),
    ) -> Result<FrameNumber, ViewsError> {
        let mut applied = self.applied();
        loop {
            let frames = reader.read(applied.next(), CATCH_UP_BYTES)?;
            let Some(last) = frames.last().map(|frame| frame.number()) else {
                return Ok(applied);
            };
            let mut changes = Vec::new();
            for frame in &frames {
                for (index, entry) in reader.entries(frame)? {
                    let place = place_in(frame.header().incarnation, frame.number(), index);
                    changes.extend(changes_of(&entry, place));
                }
            }
            self.apply(reader, &changes, last)?;
            applied = last;
            progress(applied);
        }
    }

    fn lookup(&self, id: &EventId) -> Result<Option<Known>, ViewsError> {
        if let Some(known) = self.recent.get(id) {
            return Ok(Some(known));
        }
        let value = self.ledger.get(id.as_bytes())?;
        value
            .map(|value| codec::read_known(&value).ok_or(ViewsError::Value))
            .transpose()
    }

    fn cursor(&self, subscription: &str) -> Result<Option<Place>, ViewsError> {
        let value = self.cursors.get(subscription)?;
        value
            .map(|value| codec::read_place(&value).ok_or(ViewsError::Value))
            .transpose()
    }

    /// How far each subscription has read.
    ///
    /// # Errors
    /// The store failed.
    pub fn cursors(&self) -> Result<BTreeMap<String, Place>, ViewsError> {
        let mut cursors = BTreeMap::new();
        for item in self.cursors.iter() {
            let (name, value) = item.into_inner()?;
            let name = std::str::from_utf8(&name).map_err(|_| ViewsError::Value)?;
            let place = codec::read_place(&value).ok_or(ViewsError::Value)?;
            cursors.insert(name.to_owned(), place);
        }
        Ok(cursors)
    }

    /// How far a flow has read its source, and where that stands in the log.
    ///
    /// # Errors
    /// The store failed.
    pub fn polled(&self, flow: &str) -> Result<Option<(Polled, Place)>, ViewsError> {
        let value = self.polls.get(flow)?;
        value
            .map(|value| codec::read_polled(&value).ok_or(ViewsError::Value))
            .transpose()
    }

    /// How far each flow has read its source, also those that poll no more.
    ///
    /// # Errors
    /// The store failed.
    pub fn polls(&self) -> Result<Vec<(Polled, Place)>, ViewsError> {
        let mut found = Vec::new();
        for item in self.polls.iter() {
            let (_, value) = item.into_inner()?;
            found.push(codec::read_polled(&value).ok_or(ViewsError::Value)?);
        }
        Ok(found)
    }

    /// Takes in where a shard of a flow stood, from its park. What the log says of it afterwards may be
    /// in there already.
    pub(crate) fn adopt(&self, flow: &str, shard: u16, state: Restored) {
        self.delivering.adopt(flow, shard, state);
    }

    /// How far a shard of a flow has delivered, as far as the views have applied the log; `None` if
    /// they know nothing of it.
    #[must_use]
    pub fn delivered(&self, flow: &str, shard: u16) -> Option<Restored> {
        self.delivering.restored(flow, shard)
    }

    /// The last frame that is in what [`Views::delivering`] gives.
    #[must_use]
    pub fn delivering_to(&self) -> FrameNumber {
        self.delivering.applied()
    }

    /// Where all flows that deliver stood at one frame, the last that they have taken in.
    #[must_use]
    pub fn delivering(&self) -> (FrameNumber, Vec<(String, Restored)>) {
        self.delivering.all()
    }
}

impl Ledger for Views {
    fn known(&self, id: &EventId) -> Result<Option<Known>, LedgerError> {
        self.lookup(id)
            .map_err(|error| LedgerError(Box::new(error)))
    }
}

const fn place_in(incarnation: Incarnation, frame: FrameNumber, index: u32) -> Place {
    Place {
        incarnation,
        frame,
        index,
    }
}
