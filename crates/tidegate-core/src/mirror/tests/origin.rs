//! An origin with real frames, and what it can do to its mirrors.

use std::time::Duration;

use tidegate_types::position::{FrameNumber, Incarnation};
use tidegate_types::time::UnixMillis;

use crate::log::embedded::{EmbeddedLog, OpenOptions};
use crate::log::engine::{Engine as _, Head};
use crate::log::entry::{Entry, System, encode_entry};
use crate::log::frame::{Frame, FrameDraft, genesis};
use crate::log::memdisk::MemDisk;
use crate::mirror::{Answer, Ask, Span};

pub(super) const ORIGIN: &str = "us-east-1";

/// One life: its frames from 1 on, of which those before `first` are trimmed.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) incarnation: Incarnation,
    pub(super) first: u64,
    pub(super) frames: Vec<Frame>,
}

/// A region whose log is mirrored.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) lives: Vec<Life>,
    next_life: u64,
    written: u64,
}

impl Life {
    fn head(&self) -> Head {
        let empty = Head {
            incarnation: self.incarnation,
            frame: FrameNumber(0),
            hash: genesis(ORIGIN, self.incarnation),
        };
        self.frames.last().map_or(empty, |frame| Head {
            incarnation: self.incarnation,
            frame: frame.number(),
            hash: frame.hash(),
        })
    }
}

impl Origin {
    pub(super) fn new() -> Self {
        let mut origin = Self {
            lives: Vec::new(),
            next_life: 100,
            written: 0,
        };
        origin.begin_life();
        origin
    }

    pub(super) fn newest(&mut self) -> &mut Life {
        self.lives.last_mut().expect("an origin has a life")
    }

    pub(super) fn head(&self) -> Head {
        self.lives.last().expect("an origin has a life").head()
    }

    /// Appends frames behind the newest life; no two texts are ever the same.
    pub(super) fn append(&mut self, count: u64) {
        let start = self.head();
        let disk = MemDisk::new(1);
        let options = OpenOptions::new(ORIGIN);
        let (mut log, _) =
            EmbeddedLog::open_after(disk, options, &start, UnixMillis(1)).expect("a log");
        for _ in 0..count {
            self.written += 1;
            let mut draft = FrameDraft::new();
            let entry = encode_entry(&Entry::System(System {
                kind: "test".to_owned(),
                time: UnixMillis(7),
                text: format!("frame {}", self.written),
                tags: Vec::new(),
            }));
            assert!(draft.push(&entry).is_some());
            let head = log.head();
            let at = UnixMillis(1000 + self.written);
            log.append(at, &head, &mut draft).expect("an append");
        }
        let frames = log.reader().read(start.frame.next(), usize::MAX);
        self.newest().frames.extend(frames.expect("frames"));
    }

    /// A new life; those before have ended.
    pub(super) fn begin_life(&mut self) {
        self.next_life += 1;
        self.lives.push(Life {
            incarnation: Incarnation(self.next_life),
            first: 1,
            frames: Vec::new(),
        });
    }

    /// The data is gone, with all lives; a new one begins.
    pub(super) fn wipe(&mut self) {
        self.lives.clear();
        self.begin_life();
    }

    /// The newest life loses its last frames.
    pub(super) fn lose(&mut self, count: usize) {
        let life = self.newest();
        let left = life.frames.len().saturating_sub(count);
        let least = usize::try_from(life.first - 1).expect("few frames");
        life.frames.truncate(left.max(least));
    }

    /// Trims the newest life, and forgets those before.
    pub(super) fn trim(&mut self, first: u64) {
        let newest = self.lives.len() - 1;
        self.lives.drain(..newest);
        let life = self.newest();
        let most = life.frames.len() as u64 + 1;
        life.first = life.first.max(first.min(most));
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        let last = self.lives.len() - 1;
        let span = |(at, life): (usize, &Life)| Span {
            first: FrameNumber(life.first),
            head: life.head(),
            ended: at < last,
        };
        self.lives.iter().enumerate().map(span).collect()
    }

    /// The honest answer.
    pub(super) fn answer(&self, ask: &Ask, frames_max: usize) -> Answer {
        let life = self
            .lives
            .iter()
            .find(|life| Some(life.incarnation) == ask.incarnation);
        let from = |life: &Life| ask.after.0.max(life.first - 1);
        let frames = life.map_or_else(Vec::new, |life| {
            let after = usize::try_from(from(life)).expect("few frames");
            let frames = life.frames.iter().skip(after).take(frames_max);
            frames.cloned().collect()
        });
        let waited = if frames.is_empty() {
            ask.wait
        } else {
            Duration::ZERO
        };
        Answer {
            spans: self.spans(),
            time: UnixMillis(5),
            waited,
            frames,
        }
    }
}
