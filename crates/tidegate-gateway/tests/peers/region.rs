//! Regions in one process, each with a hub of its own, linked by lines that can be cut.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidegate_core::log::embedded::{EmbeddedLog, OpenOptions};
use tidegate_core::log::engine::{LogReader, TrimPolicy};
use tidegate_core::log::entry::{Entry, System};
use tidegate_core::log::frame::Frame;
use tidegate_core::mirror::{MirrorSettings, MirrorState};
use tidegate_core::receive::intake::{Answer, Content, IntakeLimits};
use tidegate_gateway::http::ListenerSettings;
use tidegate_gateway::peer::rejoin::{RejoinError, Rejoined, rejoin};
use tidegate_gateway::peer::{PeerRegion, PeerSettings, Peers};
use tidegate_hub::clock::now;
use tidegate_hub::disk::FsDisk;
use tidegate_hub::hub::Hub;
use tidegate_hub::mirrors::{MirrorLog, MirrorReport};
use tidegate_hub::query::PageLimits;
use tidegate_hub::settings::{HubSettings, Retention};
use tidegate_types::position::FrameNumber;

use crate::proxy::Proxy;

/// Everything waits at most this long; nothing is expected to take it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `done` gives something.
pub(crate) async fn until<T>(what: &'static str, mut done: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "this never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A region with its data and its lines to others.
pub(crate) struct Region {
    pub(crate) name: &'static str,
    pub(crate) folder: TempDir,
    /// The line on which others reach it.
    pub(crate) line: Proxy,
    running: Option<(Arc<Hub>, Peers)>,
}

impl Region {
    pub(crate) async fn new(name: &'static str) -> Self {
        Self {
            name,
            folder: TempDir::new().unwrap(),
            line: Proxy::start().await,
            running: None,
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Opens the hub and begins to follow `others`.
    pub(crate) async fn start(&mut self, others: &[&Self]) {
        self.start_with(lines(others)).await;
    }

    /// Asks the others what they have of this region, and completes its log, as a node does before it starts.
    pub(crate) async fn ask_before_start(&self, others: &[&Self]) -> Result<Rejoined, RejoinError> {
        let settings = self.settings(lines(others));
        let disk = FsDisk::open(&self.data().join("log")).unwrap();
        let options = OpenOptions::new(self.name);
        let (mut log, _) = EmbeddedLog::open(disk, options, now()).unwrap();
        rejoin(&settings, &mut log).await
    }

    fn settings(&self, regions: Vec<PeerRegion>) -> PeerSettings {
        PeerSettings {
            region: self.name.to_owned(),
            listener: Some(ListenerSettings::new("127.0.0.1:0".parse().unwrap())),
            regions,
            identity: None,
            mirror: MirrorSettings::default(),
        }
    }

    pub(crate) async fn start_with(&mut self, regions: Vec<PeerRegion>) {
        let hub = Arc::new(open(self.name, &self.data()));
        let settings = self.settings(regions);
        let peers = Peers::start(settings, &hub).await.unwrap();
        self.line.lead_to(peers.address());
        self.running = Some((hub, peers));
    }

    /// Ends in good order.
    pub(crate) async fn stop(&mut self) {
        self.line.lead_to(None);
        if let Some((hub, peers)) = self.running.take() {
            peers.stop(PATIENCE).await;
            drop(peers);
            hub.close();
            // Readers of other tasks hold it for a moment, and the folder is locked as long.
            until("the hub is let go", || {
                (Arc::strong_count(&hub) == 1).then_some(())
            })
            .await;
        }
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.running.as_ref().unwrap().0
    }

    /// Writes an entry, which takes a frame of its own.
    pub(crate) async fn write(&self, text: &str) {
        let entry = Entry::System(System {
            kind: "test".to_owned(),
            time: now(),
            text: text.to_owned(),
            tags: Vec::new(),
        });
        let answer = self.hub().offer(Content::Plain(Box::new(entry))).await;
        assert_eq!(answer, Answer::Noted);
    }

    pub(crate) async fn write_many(&self, count: usize) {
        for number in 0..count {
            self.write(&format!("{} {number}", self.name)).await;
        }
    }

    /// The copy of `origin`.
    pub(crate) fn mirror(&self, origin: &str) -> Arc<MirrorLog> {
        self.hub().mirrors().of(origin).unwrap()
    }

    pub(crate) fn report(&self, origin: &str) -> Option<Arc<MirrorReport>> {
        self.mirror(origin).report()
    }

    /// Waits until the mirror of `origin` is in this state, and gives how long that took.
    pub(crate) async fn reaches(&self, origin: &str, state: MirrorState) -> Duration {
        let begun = Instant::now();
        until("the mirror gets into the state", || {
            let report = self.report(origin)?;
            (report.status().state == state).then(|| begun.elapsed())
        })
        .await
    }

    /// Waits until everything that is in the log of `origin` now is here.
    pub(crate) async fn catches_up(&self, origin: &Self) {
        let head = *origin.hub().head().borrow();
        until("the mirror catches up", || {
            let spans = self.mirror(origin.name).spans();
            let copy = spans.last()?.head;
            let there = copy.incarnation == head.incarnation && copy.frame >= head.frame;
            there.then_some(())
        })
        .await;
    }

    /// Asserts that the copy of `origin` has the frames of its log, byte for byte.
    pub(crate) fn assert_same_as(&self, origin: &Self) {
        let life = self.mirror(origin.name).lives().last().cloned().unwrap();
        let copied = frames(&*life.reader);
        let own = frames(&*origin.hub().reader());
        let first = copied.first().map_or(FrameNumber(1), Frame::number);
        let own: Vec<_> = own.iter().filter(|it| it.number() >= first).collect();
        assert!(copied.len() <= own.len() && !copied.is_empty());
        for (copied, own) in copied.iter().zip(own) {
            assert_eq!(copied.bytes(), own.bytes());
        }
    }

    /// The kinds of system events on the timeline, the oldest first.
    pub(crate) fn timeline(&self) -> Vec<(String, String)> {
        let limits = PageLimits {
            entries: 10_000,
            entry_bytes: 64 << 20,
            scan_bytes: 1 << 30,
        };
        let all = |entry: &Entry| matches!(entry, Entry::System(it) if it.kind != "test");
        let page = self.hub().scan(None, limits, all).unwrap();
        let told = page
            .found
            .into_iter()
            .filter_map(|found| match found.entry {
                Entry::System(it) => Some((it.kind, it.text)),
                _ => None,
            });
        told.collect()
    }

    /// Waits until an event of this kind is on the timeline, and gives its text.
    pub(crate) async fn told(&self, kind: &str) -> String {
        until("it is on the timeline", || {
            let told = self.timeline().into_iter();
            told.filter(|(it, _)| it == kind)
                .map(|(_, text)| text)
                .next()
        })
        .await
    }
}

fn lines(others: &[&Region]) -> Vec<PeerRegion> {
    let regions = others.iter().map(|it| PeerRegion {
        name: it.name.to_owned(),
        url: format!("http://{}", it.line.address()),
    });
    regions.collect()
}

/// All frames of a log.
pub(crate) fn frames(reader: &dyn LogReader) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut next = reader.bounds().first;
    loop {
        let page = reader.read(next, 1 << 20).unwrap();
        let Some(last) = page.last() else {
            return frames;
        };
        next = last.number().next();
        frames.extend(page);
    }
}

pub(crate) fn open(origin: &str, data: &Path) -> Hub {
    let settings = HubSettings {
        origin: origin.to_owned(),
        data: data.to_owned(),
        segment_bytes: 1 << 20,
        limits: IntakeLimits::default(),
        retention: Retention {
            policy: TrimPolicy {
                keep: Duration::from_secs(3600),
                size_max: 60 << 20,
            },
            size_max: 64 << 20,
            subscriptions: Vec::new(),
        },
    };
    Hub::open(&settings, |_, _| {}).unwrap().0
}

/// Two regions that follow each other.
pub(crate) async fn two() -> (Region, Region) {
    let (mut a, mut b) = (Region::new("east").await, Region::new("west").await);
    a.start(&[&b]).await;
    b.start(&[&a]).await;
    (a, b)
}

/// Copies a folder with all in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), &to).unwrap();
        }
    }
}
