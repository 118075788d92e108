//! Random lives of a log against a list of frames: appends, reads, trims, failures, crashes.
//!
//! The invariant is the promise of the log: whatever was acknowledged is there, byte for byte, after
//! anything; and beyond it there is at most the one frame that was being written.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use tidegate_core::log::engine::{AppendError, Engine, ReadError, Retry, TrimPolicy};
use tidegate_core::log::frame::Frame;
use tidegate_core::log::memdisk::{Crash, Faults, MemDisk};
use tidegate_types::position::FrameNumber;

use crate::log_world::{Log, NOW, SEGMENT_BYTES, append, entry, open, read_all, try_open};

/// What a frame takes of an entry that does not fit one: 512 KiB less 76 of header and 64 of fields.
const PIECE_BYTES: usize = 512 * 1024 - 76 - 64;

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    AppendLarge(usize),
    Trim { segments_kept: u64, low_water: u64 },
    Faults(Faults),
    Full(bool),
    Reopen,
    Crash(Crash),
}

fn step() -> impl Strategy<Value = Step> {
    let soon = prop::option::of(0_u64..6);
    let faults = (soon.clone(), soon.clone(), soon.clone(), soon);
    let faults = faults.prop_map(|(write, sync, create, stop)| Faults {
        write_fails_in: write,
        sync_fails_in: sync,
        create_fails_in: create,
        stops_in: stop,
        ..Faults::default()
    });
    let crash = prop_oneof![
        1 => Just(Crash::LoseAll),
        1 => Just(Crash::KeepAll),
        3 => Just(Crash::Tear),
        1 => (0_usize..3000).prop_map(Crash::KeepBytes),
    ];
    prop_oneof![
        12 => (1_usize..3000).prop_map(Step::Append),
        1 => (530_000_usize..1_200_000).prop_map(Step::AppendLarge),
        1 => (1_u64..6, 0_u64..40).prop_map(|(segments_kept, low_water)| Step::Trim { segments_kept, low_water }),
        4 => faults.prop_map(Step::Faults),
        1 => any::<bool>().prop_map(Step::Full),
        1 => Just(Step::Reopen),
        4 => crash.prop_map(Step::Crash),
    ]
}

/// The log under test and what it has acknowledged.
struct Life {
    disk: MemDisk,
    log: Log,
    /// Every frame that was ever in the log and not trimmed.
    frames: Vec<Frame>,
    lying: bool,
}

impl Life {
    fn new(seed: u64, lying: bool) -> Self {
        let disk = MemDisk::new(seed);
        disk.set_faults(Faults {
            syncs_do_nothing: lying,
            ..Faults::default()
        });
        let (log, report) = open(&disk);
        assert!(report.new_log);
        Self {
            disk,
            log,
            frames: Vec::new(),
            lying,
        }
    }

    fn play(mut self, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            match step {
                Step::Append(bytes) => {
                    let result = append(&mut self.log, &"x".repeat(*bytes));
                    self.appended(result.map(|_| 1))?;
                }
                Step::AppendLarge(bytes) => {
                    let head = self.log.head();
                    let entry = entry(&"y".repeat(*bytes));
                    let result = self.log.append_large(NOW, &head, &entry);
                    let frames = entry.len().div_ceil(PIECE_BYTES) as u64;
                    self.appended(result.map(|_| frames))?;
                }
                Step::Trim {
                    segments_kept,
                    low_water,
                } => self.trim(*segments_kept, *low_water)?,
                Step::Faults(faults) => self.disk.set_faults(Faults {
                    syncs_do_nothing: self.lying,
                    ..*faults
                }),
                Step::Full(full) => {
                    let bytes = self.log.status().bytes;
                    self.disk.set_capacity(if *full { bytes } else { u64::MAX });
                }
                Step::Reopen => self.reopen(None)?,
                Step::Crash(how) => self.reopen(Some(*how))?,
            }
            if self.disk.stopped() {
                self.reopen(Some(Crash::Tear))?;
            }
        }
        self.reopen(Some(Crash::LoseAll))?;
        self.disk.set_capacity(u64::MAX);
        append(&mut self.log, "the log goes on").map_err(|error| error.to_string())?;
        self.acknowledge()
    }

    /// Notes what an append says, which must agree with what the log then holds.
    fn appended(&mut self, result: Result<u64, AppendError>) -> Result<(), String> {
        let grown = self.log.head().frame.0 - self.last().0;
        match result {
            Ok(frames) if grown != frames => Err(format!("{frames} frames became {grown}")),
            Err(error) if error.retry() == Retry::Never => Err(error.to_string()),
            _ if self.disk.stopped() => {
                // It cannot be read now; chunks that were acknowledged are found after the crash.
                Ok(())
            }
            _ => self.acknowledge(),
        }
    }

    fn last(&self) -> FrameNumber {
        let first = self.log.reader().bounds().first;
        let last = self.frames.last().map(Frame::number);
        last.unwrap_or(FrameNumber(first.0 - 1))
    }

    fn trim(&mut self, segments_kept: u64, low_water: u64) -> Result<(), String> {
        let policy = TrimPolicy {
            keep: Duration::MAX,
            size_max: segments_kept * SEGMENT_BYTES,
        };
        let low_water = FrameNumber(low_water);
        let plan = self.log.trim_plan(NOW, &policy, low_water);
        let first = match self.log.trim(NOW, &policy, low_water) {
            Ok(report) => report.oldest,
            // The machine stopped: how many went is seen after the crash.
            Err(_) if self.disk.stopped() => plan.oldest,
            Err(error) => return Err(error.to_string()),
        };
        let begin = self.log.reader().bounds().first;
        if !self.disk.stopped() && begin != first {
            return Err(format!("the trim says {first}, the log begins at {begin}"));
        }
        let removed = |frame: &Frame| frame.number() < first;
        if self
            .frames
            .iter()
            .any(|frame| removed(frame) && frame.number() >= low_water)
        {
            return Err("unfinished work was trimmed".to_owned());
        }
        self.frames.retain(|frame| !removed(frame));
        Ok(())
    }

    fn reopen(&mut self, crash: Option<Crash>) -> Result<(), String> {
        match crash {
            Some(how) => self.disk.crash(how),
            None => self.disk.set_faults(Faults::default()),
        }
        self.disk.set_capacity(u64::MAX);
        let promised = self.log.head().frame.max(self.last());
        let (log, report) = try_open(&self.disk).map_err(|error| error.to_string())?;
        self.log = log;
        if let Some(damage) = report.damage {
            return Err(damage.to_string());
        }
        self.disk.set_faults(Faults {
            syncs_do_nothing: self.lying,
            ..Faults::default()
        });
        let head = self.log.head().frame;
        if head < promised || head.0 > promised.0 + 1 {
            return Err(format!(
                "frame {promised} was acknowledged, the log ends at {head}"
            ));
        }
        // A removal that was not synced may be undone: then older frames are back.
        let first = self.log.reader().bounds().first;
        let kept = self.frames.first().map_or(first, Frame::number);
        if first > kept {
            return Err(format!("frame {kept} was kept, the log begins at {first}"));
        }
        self.compare(head.0 - self.last().0)?;
        self.frames = read_all(&self.log)?;
        Ok(())
    }

    /// Takes in what the log holds beyond the model, which has just been appended.
    fn acknowledge(&mut self) -> Result<(), String> {
        let mut next = self.last().next();
        while next <= self.log.head().frame {
            let page = self.log.reader().read(next, usize::MAX);
            let page = page.map_err(|error| error.to_string())?;
            next = page.last().ok_or("a frame is missing")?.number().next();
            self.frames.extend(page);
        }
        Ok(())
    }

    /// The log must hold what the model holds, and `more` frames.
    fn compare(&self, more: u64) -> Result<(), String> {
        let frames = read_all(&self.log)?;
        let first = self.frames.first().map(Frame::number);
        let mut held = frames
            .iter()
            .skip_while(|frame| first.is_some_and(|first| frame.number() < first));
        for expected in &self.frames {
            if held.next() != Some(expected) {
                return Err(format!("frame {} is not what it was", expected.number()));
            }
        }
        let beyond = held.count() as u64;
        if first.is_some() && beyond != more {
            return Err(format!("{beyond} frames more, not {more}"));
        }
        let past = self.log.reader().read(self.log.head().frame.next(), 1);
        match past {
            Ok(frames) if frames.is_empty() => Ok(()),
            Ok(_) | Err(ReadError::Corrupt(_)) => Err("something is past the head".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn lives() -> impl Strategy<Value = (u64, Vec<Step>)> {
    (any::<u64>(), vec(step(), 1..60))
}

fn config() -> Config {
    Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    }
}

#[test]
fn whatever_was_acknowledged_stays() {
    let mut runner = TestRunner::new(config());
    let outcome = runner.run(&lives(), |(seed, steps)| {
        let played = Life::new(seed, false).play(&steps);
        played.map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// The same test must notice a log whose syncs do nothing.
#[test]
fn a_log_that_does_not_sync_is_caught() {
    let mut runner = TestRunner::new(config());
    let outcome = runner.run(&lives(), |(seed, steps)| {
        let played = Life::new(seed, true).play(&steps);
        played.map_err(TestCaseError::fail)
    });
    assert!(matches!(outcome, Err(TestError::Fail(..))), "{outcome:?}");
}
