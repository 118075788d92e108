//! The front door of one region's hub.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use tidegate_core::log::embedded::{EmbeddedLog, OpenOptions};
use tidegate_core::log::engine::{Engine, Head, LogReader, LogStatus};
use tidegate_core::log::entry::Entry;
use tidegate_core::log::recovery::{OpenError, RecoveryReport};
use tidegate_core::receive::intake::{Answer, Content, Intake, Offer, Refusal};
use tidegate_types::position::{FrameNumber, Place};
use tokio::sync::{oneshot, watch};

use crate::appender::{Appender, Look, system};
use crate::applier::{APPLY_QUEUE_FRAMES, Applier, Written};
use crate::clock::now;
use crate::disk::{DiskError, FsDisk};
use crate::inbox::Inbox;
use crate::mirrors::{MirrorError, Mirrors};
use crate::pace::Pace;
use crate::parker::Parker;
use crate::parks::{FlowPark, Opened as OpenedParks, Parks, ParksError};
use crate::post::{Outbox, Return};
use crate::progress::Progress;
use crate::remote::Remote;
use crate::scrub::{Record, Scrubber};
use crate::settings::{HubSettings, Retention};
use crate::stats::HubStats;
use crate::trim::Trimmer;
use crate::views::{Opened, Views, ViewsError};

/// One region's log with its writer, readers and views. Shared by reference counting.
pub struct Hub {
    origin: String,
    inbox: Arc<Inbox>,
    reader: Arc<dyn LogReader>,
    views: Arc<Views>,
    stats: Arc<HubStats>,
    progress: Arc<Progress>,
    head: watch::Receiver<Head>,
    status: Arc<ArcSwap<LogStatus>>,
    retention: Arc<ArcSwap<Retention>>,
    cursors: Arc<ArcSwap<BTreeMap<String, Place>>>,
    parks: Arc<Parks>,
    mirrors: Arc<Mirrors>,
    remote: Arc<Remote>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// What was found when a hub was opened.
#[derive(Clone, Debug)]
pub struct OpenReport {
    /// What the log found.
    pub log: RecoveryReport,
    /// How the views stood.
    pub views: Opened,
    /// The last frame.
    pub head: FrameNumber,
}

/// A hub could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The log cannot be opened.
    #[error("the log in {path} cannot be opened")]
    Log {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        source: OpenError,
    },
    /// The views cannot be opened or rebuilt.
    #[error("the local views in {path} cannot be used")]
    Views {
        /// Where they are.
        path: PathBuf,
        /// Why not.
        source: ViewsError,
    },
    /// The park of a flow cannot be opened.
    #[error(transparent)]
    Parks(#[from] ParksError),
    /// The mirrors cannot be kept.
    #[error("the mirrors of other regions cannot be kept")]
    Mirrors(#[from] MirrorError),
    /// The log must not be written as things stand between the regions.
    #[error("this region must not write")]
    Rejoin(#[source] Box<dyn Error + Send + Sync>),
    /// A thread could not be started.
    #[error("a thread of the hub cannot be started")]
    Thread(#[source] std::io::Error),
}

impl Hub {
    /// Opens the hub: recovers the log, lets the views catch up, and starts its threads.
    ///
    /// Blocks; `progress` is told `(applied, last)` frame while the views catch up.
    ///
    /// # Errors
    /// See [`HubError`]. A damaged log opens all the same and refuses what is offered.
    pub fn open(
        settings: &HubSettings,
        progress: impl FnMut(FrameNumber, FrameNumber),
    ) -> Result<(Self, OpenReport), HubError> {
        Self::open_with(settings, |_| Ok(()), progress)
    }

    /// As [`Hub::open`]; `first` may look at the log and complete it before anything is derived from it
    /// or written to it.
    ///
    /// # Errors
    /// See [`HubError`]; [`HubError::Rejoin`] with what `first` says.
    pub fn open_with(
        settings: &HubSettings,
        first: impl FnOnce(&mut EmbeddedLog<FsDisk>) -> Result<(), Box<dyn Error + Send + Sync>>,
        progress: impl FnMut(FrameNumber, FrameNumber),
    ) -> Result<(Self, OpenReport), HubError> {
        let log_path = settings.data.join("log");
        let disk = FsDisk::open(&log_path)?;
        let options = OpenOptions {
            segment_bytes: settings.segment_bytes,
            // The limit can change at a reload, so the appender keeps it.
            size_max: u64::MAX,
            ..OpenOptions::new(&settings.origin)
        };
        let (mut engine, recovered) =
            EmbeddedLog::open(disk, options, now()).map_err(|source| HubError::Log {
                path: log_path,
                source,
            })?;
        if recovered.damage.is_none() {
            first(&mut engine).map_err(HubError::Rejoin)?;
        }
        let reader = engine.reader();
        let parks = OpenedParks::open(settings, reader.bounds().incarnation)?;
        let (views, opened) = open_views(settings, &*reader, &parks, progress)?;
        let report = OpenReport {
            log: recovered,
            views: opened,
            head: engine.head().frame,
        };
        let retention = Arc::new(ArcSwap::from_pointee(settings.retention.clone()));
        let mirrors = Mirrors::open(settings, Arc::clone(&retention))?;
        let hub = Self::start(
            settings,
            Box::new(engine),
            views,
            (parks, mirrors, retention),
        )?;
        Ok((hub, report))
    }

    fn start(
        settings: &HubSettings,
        engine: Box<dyn Engine>,
        views: Views,
        (opened, mirrors, retention): (OpenedParks, Mirrors, Arc<ArcSwap<Retention>>),
    ) -> Result<Self, HubError> {
        let reader = engine.reader();
        let views = Arc::new(views);
        let stats = Arc::new(HubStats::default());
        let inbox = Arc::new(Inbox::new(settings.limits));
        let status = Arc::new(ArcSwap::from_pointee(engine.status()));
        let (head_tx, head) = watch::channel(engine.head());
        let (written_tx, written_rx) = sync_channel(APPLY_QUEUE_FRAMES);
        let views_error = |source| HubError::Views {
            path: settings.data.join("views"),
            source,
        };
        let read_to = views.cursors().map_err(views_error)?;
        let cursors = Arc::new(ArcSwap::from_pointee(read_to.clone()));
        stats
            .faults_open
            .store(views.faults_open().map_err(views_error)?, Ordering::Relaxed);
        let end = engine.head();
        let parks = opened.shared();
        let progress = Arc::new(Progress::default());
        progress.set(end.frame);
        stats.applied.store(end.frame.0, Ordering::Relaxed);
        let appender = Appender {
            engine,
            intake: Intake::new(settings.limits, (end.incarnation, end.frame), read_to),
            inbox: Arc::clone(&inbox),
            views: Arc::clone(&views),
            written: written_tx,
            head: head_tx,
            trimmer: Trimmer::new(
                Arc::clone(&retention),
                Arc::clone(&reader),
                Arc::clone(&views),
                Arc::clone(&stats),
                Arc::clone(&parks),
            ),
            status: Arc::clone(&status),
            stats: Arc::clone(&stats),
            cursors: Arc::clone(&cursors),
            retention: Arc::clone(&retention),
            look: Look::default(),
            outbox: Outbox::default(),
            pace: Pace::default(),
        };
        let hub = Self {
            origin: settings.origin.clone(),
            inbox,
            reader,
            views,
            stats,
            progress,
            head,
            status,
            retention,
            cursors,
            parks,
            mirrors: Arc::new(mirrors),
            remote: Arc::default(),
            threads: Mutex::default(),
        };
        hub.begin(settings, appender, written_rx, opened)?;
        Ok(hub)
    }

    /// Starts the threads. If one cannot be started, the others end with the hub.
    fn begin(
        &self,
        settings: &HubSettings,
        appender: Appender,
        written: Receiver<Written>,
        parks: OpenedParks,
    ) -> Result<(), HubError> {
        let applier = Applier {
            views: Arc::clone(&self.views),
            inbox: Arc::clone(&self.inbox),
            stats: Arc::clone(&self.stats),
            progress: Arc::clone(&self.progress),
        };
        let parker = Parker::new(
            parks,
            settings,
            (Arc::clone(&self.reader), Arc::clone(&self.views)),
            Arc::clone(&self.inbox),
            Arc::clone(&self.retention),
            Arc::clone(&self.cursors),
        );
        let scrubber = scrubber(&self.reader, &self.inbox, &self.stats);
        let reader = Arc::clone(&self.reader);
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(spawn("tidegate-log", move || appender.run())?);
        threads.push(spawn("tidegate-views", move || {
            applier.run(&*reader, &written);
        })?);
        threads.push(spawn("tidegate-park", move || parker.run())?);
        threads.push(spawn("tidegate-scrub", move || scrubber.run())?);
        drop(threads);
        Ok(())
    }

    /// The region whose hub it is.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Offers something to the log; the answer comes once it is on disk, or at once if it need not
    /// be written.
    pub async fn offer(&self, content: Content) -> Answer {
        answered(self.submit(content)).await
    }

    /// Offers several things before the first answer is waited for, so that they share frames. Gives the
    /// answers in the same order.
    pub async fn offer_all(&self, contents: impl IntoIterator<Item = Content>) -> Vec<Answer> {
        let waiting: Vec<_> = contents.into_iter().map(|it| self.submit(it)).collect();
        let mut answers = Vec::with_capacity(waiting.len());
        for offered in waiting {
            answers.push(answered(offered).await);
        }
        answers
    }

    /// Like [`Hub::offer`], but the answer is left to be waited for.
    ///
    /// # Errors
    /// Nothing more is taken at the moment.
    pub fn submit(&self, content: Content) -> Result<oneshot::Receiver<Answer>, Refusal> {
        let (ticket, answer) = oneshot::channel();
        self.inbox.offer(Offer {
            ticket: Some(Return::here(ticket)),
            content,
        })?;
        Ok(answer)
    }

    /// Writes a system event onto the timeline. Nobody waits for it; if it is refused, a log line says so.
    pub fn record(&self, kind: &str, text: &str, tags: &[(&str, String)]) {
        leave(&self.inbox, kind, system(kind, text.to_owned(), tags));
    }

    /// A reader of the log. Its calls block on the disk.
    #[must_use]
    pub fn reader(&self) -> Arc<dyn LogReader> {
        Arc::clone(&self.reader)
    }

    /// The local views. Their calls block on the disk.
    #[must_use]
    pub fn views(&self) -> &Views {
        &self.views
    }

    /// How far each subscription has read. Unlike the views it is never behind: whoever was told
    /// that its acknowledgement is kept finds it here.
    #[must_use]
    pub fn cursors(&self) -> Arc<BTreeMap<String, Place>> {
        self.cursors.load_full()
    }

    /// Waits until the views have applied everything that was acknowledged up to now, at most
    /// `within`; gives whether they have. Blocks.
    pub fn settled(&self, within: Duration) -> bool {
        let head = self.head.borrow().frame;
        self.progress.reaches(head, within)
    }

    /// The last frame, and a way to wait for the next.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<Head> {
        self.head.clone()
    }

    /// How the log does; at most a second old.
    #[must_use]
    pub fn status(&self) -> Arc<LogStatus> {
        self.status.load_full()
    }

    /// What it counts.
    #[must_use]
    pub fn stats(&self) -> &HubStats {
        &self.stats
    }

    /// The parks, by flow.
    #[must_use]
    pub fn parks(&self) -> Vec<FlowPark> {
        self.parks.list()
    }

    /// The copies of other regions' logs that are kept here.
    #[must_use]
    pub fn mirrors(&self) -> &Arc<Mirrors> {
        &self.mirrors
    }

    /// What other regions have of this log.
    #[must_use]
    pub fn remote(&self) -> &Arc<Remote> {
        &self.remote
    }

    pub(crate) fn parked(&self) -> &Parks {
        &self.parks
    }

    /// Replaces the retention, at a reload.
    pub fn retain(&self, retention: Retention) {
        self.retention.store(Arc::new(retention));
    }

    /// Takes no more, finishes what is there, and ends the threads. Blocks until they have ended.
    pub fn close(&self) {
        self.inbox.close();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the hub ended by a panic");
            }
        }
    }
}

async fn answered(offered: Result<oneshot::Receiver<Answer>, Refusal>) -> Answer {
    match offered {
        Ok(answer) => answer.await.unwrap_or(Answer::Refused(Refusal::Closing)),
        Err(refusal) => Answer::Refused(refusal),
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close();
    }
}

fn open_views(
    settings: &HubSettings,
    reader: &dyn LogReader,
    parks: &OpenedParks,
    mut progress: impl FnMut(FrameNumber, FrameNumber),
) -> Result<(Views, Opened), HubError> {
    let path = settings.data.join("views");
    let fail = |source| HubError::Views {
        path: path.clone(),
        source,
    };
    let bounds = reader.bounds();
    let (views, opened) = Views::open(&path, &bounds).map_err(fail)?;
    if opened.applied.next() <= bounds.first {
        parks.begin_from(bounds.first, &views);
    }
    views
        .catch_up(reader, |applied| progress(applied, bounds.head.frame))
        .map_err(fail)?;
    parks.fill_in(&views);
    Ok((views, opened))
}

/// A way to write system events for those who outlive no hub.
fn record_into(inbox: Arc<Inbox>) -> Record {
    Box::new(move |kind, text| leave(&inbox, kind, system(kind, text, &[])))
}

pub(crate) fn leave(inbox: &Inbox, kind: &str, entry: Entry) {
    let content = Content::Plain(Box::new(entry));
    if let Err(refusal) = inbox.offer(Offer {
        ticket: None,
        content,
    }) {
        tracing::warn!(%refusal, kind, "a system event was not kept");
    }
}

fn scrubber(reader: &Arc<dyn LogReader>, inbox: &Arc<Inbox>, stats: &Arc<HubStats>) -> Scrubber {
    Scrubber {
        reader: Arc::clone(reader),
        inbox: Arc::clone(inbox),
        stats: Arc::clone(stats),
        record: record_into(Arc::clone(inbox)),
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, HubError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(HubError::Thread)
}
