//! The parks of the flows that deliver: where they are, what is in them, and reading them together
//! with the log.
//!
//! Each flow has a folder `parks/INCARNATION/FLOW` in the data directory; see
//! [`tidegate_core::park`] for what stands there. A park that is not needed any more keeps its last
//! segment until the next start.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tidegate_core::books::HourTally;
use tidegate_core::log::engine::ReadError;
use tidegate_core::log::entry::Entry;
use tidegate_core::park::{self, Park, ParkError, ParkOptions, ParkReader, ParkStatus};
use tidegate_types::name::is_name;
use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::time::UnixMillis;

use crate::clock::now;
use crate::disk::{DiskError, FsDisk};
use crate::hub::Hub;
use crate::query::{Found, Page, PageLimits, QueryError, weight};
use crate::settings::HubSettings;
use crate::views::Views;

/// The quota of a park whose flow is not configured: nothing is added to it.
const QUOTA_CLOSED: u64 = 0;

/// Bytes of a park looked through for its first event: passed events stand in between.
const SINCE_BYTES: u64 = 4 << 20;

/// A park could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ParksError {
    /// The folder of the parks cannot be read or made.
    #[error("the folder of the parks, {}, cannot be used", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its own folder cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// What is in it cannot be used.
    #[error(
        "the park {} cannot be used; move it away to start without the events in it", path.display()
    )]
    Park {
        /// Its folder.
        path: PathBuf,
        /// Why.
        source: ParkError,
    },
}

/// What a flow has parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowPark {
    /// The flow.
    pub flow: String,
    /// Events and bytes. Zero: it is empty.
    pub status: ParkStatus,
    /// Everything the flow needs of frames before this one is parked.
    pub through: FrameNumber,
    /// There is no room for more.
    pub full: bool,
    /// Therefore the flow holds the log.
    pub holds: bool,
    /// Events that had no room and were given up, since the start.
    pub discarded: u64,
}

/// What others see of a park.
#[derive(Debug)]
struct Shared {
    reader: ParkReader,
    park: FlowPark,
}

/// The parks as those see them who do not write them.
#[derive(Debug, Default)]
pub(crate) struct Parks {
    flows: RwLock<BTreeMap<String, Shared>>,
    /// The first frame that the retention would keep if nobody held the log.
    wanted: AtomicU64,
}

impl Parks {
    /// What is before `oldest` shall be parked, if it is held.
    pub(crate) fn want(&self, oldest: FrameNumber) {
        self.wanted.fetch_max(oldest.0, Ordering::Relaxed);
    }

    pub(crate) fn wanted(&self) -> FrameNumber {
        FrameNumber(self.wanted.load(Ordering::Relaxed))
    }

    /// Up to which frame everything the flow needs is parked, and whether it holds the log since its park is full.
    pub(crate) fn state(&self, flow: &str) -> Option<(FrameNumber, bool)> {
        let flows = self.flows.read().unwrap_or_else(PoisonError::into_inner);
        let shared = flows.get(flow)?;
        Some((shared.reader.through()?.frame, shared.park.holds))
    }

    pub(crate) fn list(&self) -> Vec<FlowPark> {
        let flows = self.flows.read().unwrap_or_else(PoisonError::into_inner);
        flows.values().map(|shared| shared.park.clone()).collect()
    }

    /// Up to where everything each flow needs is parked or was given up, and how to read what is parked.
    pub(crate) fn readers(&self) -> Vec<(String, Place, ParkReader)> {
        let flows = self.flows.read().unwrap_or_else(PoisonError::into_inner);
        let reader = |(flow, shared): (&String, &Shared)| {
            Some((
                flow.clone(),
                shared.reader.through()?,
                shared.reader.clone(),
            ))
        };
        flows.iter().filter_map(reader).collect()
    }

    fn reader(&self, flow: &str) -> Option<ParkReader> {
        let flows = self.flows.read().unwrap_or_else(PoisonError::into_inner);
        flows.get(flow).map(|shared| shared.reader.clone())
    }

    pub(crate) fn show(&self, park: FlowPark, reader: ParkReader) {
        let mut flows = self.flows.write().unwrap_or_else(PoisonError::into_inner);
        flows.insert(park.flow.clone(), Shared { reader, park });
    }
}

/// The parks that were found at the start.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) folder: PathBuf,
    pub(crate) parks: BTreeMap<String, Park<FsDisk>>,
    shared: Arc<Parks>,
}

impl Opened {
    pub(crate) fn open(
        settings: &HubSettings,
        incarnation: Incarnation,
    ) -> Result<Self, ParksError> {
        let folder = settings.data.join("parks").join(incarnation.to_string());
        let mut opened = Self {
            parks: BTreeMap::new(),
            shared: Arc::default(),
            folder,
        };
        tell_others(&settings.data.join("parks"), &opened.folder);
        for flow in folders(&opened.folder)? {
            let quota = quota(settings, &flow);
            let park = open_park(&opened.folder, &settings.origin, &flow, quota)?;
            if let Some(mark) = park.last_mark() {
                let park_of = FlowPark {
                    flow: flow.clone(),
                    status: park.status(),
                    through: mark.through.frame,
                    full: false,
                    holds: false,
                    discarded: 0,
                };
                opened.shared.show(park_of, park.reader());
            }
            opened.parks.insert(flow, park);
        }
        Ok(opened)
    }

    pub(crate) fn shared(&self) -> Arc<Parks> {
        Arc::clone(&self.shared)
    }

    /// Views that are rebuilt from a log that begins at `first` begin with what the parks say.
    pub(crate) fn begin_from(&self, first: FrameNumber, views: &Views) {
        for mark in self.parks.values().filter_map(Park::last_mark) {
            // An older one lacks what stood in frames that are gone, and is not needed: those went
            // because the flow needed them no more.
            if mark.as_of.next() >= first {
                views.adopt(&mark.flow, mark.shard, mark.state());
            }
        }
    }

    /// Of flows that views and log know nothing of, which were not configured when the log was
    /// trimmed, what their parks say is better than to begin anew.
    pub(crate) fn fill_in(&self, views: &Views) {
        for mark in self.parks.values().filter_map(Park::last_mark) {
            if views.delivered(&mark.flow, mark.shard).is_none() {
                views.adopt(&mark.flow, mark.shard, mark.state());
            }
        }
    }
}

/// Opens or begins the park of a flow, whose name is that of its folder.
pub(crate) fn open_park(
    folder: &Path,
    origin: &str,
    flow: &str,
    quota: u64,
) -> Result<Park<FsDisk>, ParksError> {
    let path = folder.join(flow);
    let disk = FsDisk::open(&path)?;
    let options = ParkOptions {
        origin: origin.to_owned(),
        quota,
    };
    match Park::open(disk, &options, now()) {
        Ok((park, None)) => Ok(park),
        Ok((park, Some(damage))) => {
            tracing::error!(flow, %damage, "the park of the flow is damaged; what stands behind the damage is not delivered");
            Ok(park)
        }
        Err(source) => Err(ParksError::Park { path, source }),
    }
}

fn quota(settings: &HubSettings, flow: &str) -> u64 {
    let subscriptions = settings.retention.subscriptions.iter();
    let mut parks = subscriptions.filter_map(|subscription| subscription.park.as_ref());
    let park = parks.find(|park| park.flow == flow);
    park.map_or(QUOTA_CLOSED, |park| park.quota)
}

/// The flows that have a folder.
fn folders(folder: &Path) -> Result<Vec<String>, ParksError> {
    let fail = |source| ParksError::Folder {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut flows = Vec::new();
    for entry in entries {
        let entry = entry.map_err(fail)?;
        if let Ok(name) = entry.file_name().into_string()
            && is_name(&name)
        {
            flows.push(name);
        }
    }
    Ok(flows)
}

/// Says if there are parks beside another life of the log, which nobody reads.
fn tell_others(parks: &Path, folder: &Path) {
    let Ok(entries) = fs::read_dir(parks) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path != folder {
            tracing::warn!(
                path = %path.display(),
                "parks of another life of the log are kept and not delivered; remove them if they are not needed"
            );
        }
    }
}

/// What a scan for a flow meets.
#[derive(Debug)]
pub enum Met<'a> {
    /// An entry of the log, or an event of the park, and when it was appended to the log; the answer says whether
    /// it is wanted.
    Entry(UnixMillis, &'a Entry),
    /// Events that are gone, since the flow did not want them, by the hour in which they were
    /// appended; the answer does not matter.
    Passed(&'a [HourTally]),
}

impl Hub {
    /// Like [`Hub::scan`], for a flow that delivers: what was parked comes from its park, also while the log holds it
    /// yet, so that what was given up is not met by chance.
    ///
    /// # Errors
    /// See [`Hub::scan`]; `ReadError::Trimmed` if what follows `after` is in neither.
    pub fn scan_for(
        &self,
        flow: &str,
        after: Place,
        limits: PageLimits,
        mut met: impl FnMut(Met<'_>) -> bool,
    ) -> Result<Page, QueryError> {
        let from = after.behind();
        let parked = || {
            let park = self.parked().reader(flow);
            park.filter(|park| park.through().is_some_and(|through| from < through))
        };
        if let Some(park) = parked() {
            return scan_park(&park, after, limits, met);
        }
        let scanned = self.scan_timed(Some(after), limits, |time, entry| {
            met(Met::Entry(time, entry))
        });
        match scanned {
            // It was trimmed meanwhile, so what the flow needs of it is parked.
            Err(QueryError::Log(ReadError::Trimmed { first })) => match parked() {
                Some(park) => scan_park(&park, after, limits, met),
                None => Err(ReadError::Trimmed { first }.into()),
            },
            page => page,
        }
    }

    /// When the first event in the park of a flow was appended to the log.
    #[must_use]
    pub fn parked_since(&self, flow: &str) -> Option<UnixMillis> {
        let park = self.parked().reader(flow)?;
        let mut since = None;
        let walked = park.walk(Place::NOWHERE, SINCE_BYTES, |met| {
            let park::Met::Event(parked) = met else {
                return true;
            };
            since = Some(parked.appended);
            false
        });
        walked.ok().and(since)
    }

    /// Like [`Hub::at`], for a flow that delivers: also an event in its park.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn at_for(&self, flow: &str, place: Place) -> Result<Option<Found>, QueryError> {
        if let Some(found) = self.at(place)? {
            return Ok(Some(found));
        }
        let Some(park) = self.parked().reader(flow) else {
            return Ok(None);
        };
        Ok(park.event(place)?.map(|parked| Found {
            place,
            appended: parked.appended,
            entry: Entry::Event(parked.event),
        }))
    }
}

fn scan_park(
    park: &ParkReader,
    after: Place,
    limits: PageLimits,
    mut met: impl FnMut(Met<'_>) -> bool,
) -> Result<Page, QueryError> {
    let mut found: Vec<Found> = Vec::new();
    let mut bytes = 0_usize;
    let end = park.walk(after.behind(), limits.scan_bytes, |it| match it {
        park::Met::Passed(hours) => {
            met(Met::Passed(&hours));
            true
        }
        park::Met::Event(parked) => {
            let entry = Entry::Event(parked.event);
            if !met(Met::Entry(parked.appended, &entry)) {
                return true;
            }
            bytes = bytes.saturating_add(weight(&entry));
            let full = found.len() >= limits.entries || bytes > limits.entry_bytes;
            if full && !found.is_empty() {
                return false;
            }
            found.push(Found {
                place: parked.place,
                appended: parked.appended,
                entry,
            });
            true
        }
    })?;
    let through = Some(end.before().max(after));
    Ok(Page {
        found,
        scanned_to: through,
        through,
        at_end: false,
    })
}
