//! The writing side of one mirror.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use arc_swap::ArcSwap;
use tidegate_core::log::embedded::{EmbeddedLog, OpenOptions};
use tidegate_core::log::engine::{AppendError, Engine as _, Head};
use tidegate_core::log::frame::genesis;
use tidegate_core::mirror::{Batch, Begin, Begun, Copied, LIVES_MAX, StoreFailure};
use tidegate_types::position::{FrameNumber, Incarnation};
use tidegate_types::time::UnixMillis;
use tokio::sync::watch;

use super::{MirrorError, MirrorLife, MirrorLog};
use crate::clock::now;
use crate::disk::FsDisk;
use crate::settings::Retention;

/// How often the retention is applied and sizes are told.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Before the name of a life that is being removed.
const GONE: &str = "gone-";

/// Writes one mirror. Its calls block on the disk.
#[derive(Debug)]
pub struct MirrorWriter {
    dir: PathBuf,
    log: Arc<MirrorLog>,
    segment_bytes: u64,
    retention: Arc<ArcSwap<Retention>>,
    changed: watch::Sender<u64>,
    /// The oldest first; the last one is written to.
    lives: Vec<Life>,
    next_look: UnixMillis,
}

#[derive(Debug)]
struct Life {
    dir: PathBuf,
    engine: EmbeddedLog<FsDisk>,
}

impl MirrorWriter {
    pub(super) fn open(
        (origin, dir): (&str, PathBuf),
        segment_bytes: u64,
        retention: Arc<ArcSwap<Retention>>,
        changed: watch::Sender<u64>,
    ) -> Result<Self, MirrorError> {
        let mut writer = Self {
            log: Arc::new(MirrorLog::new(origin)),
            segment_bytes,
            retention,
            changed,
            lives: Vec::new(),
            next_look: UnixMillis(0),
            dir,
        };
        for name in folders(&writer.dir)? {
            let dir = writer.dir.join(&name);
            if name.starts_with(GONE) {
                remove(&dir)?;
            } else if let Some(incarnation) = incarnation_of(&name) {
                writer.reopen(incarnation, dir)?;
            }
        }
        writer.publish();
        writer.measure();
        Ok(writer)
    }

    /// Opens a life that is there.
    fn reopen(&mut self, incarnation: Incarnation, dir: PathBuf) -> Result<(), MirrorError> {
        let start = Head {
            incarnation,
            frame: FrameNumber(0),
            hash: genesis(self.log.origin(), incarnation),
        };
        let (life, is_new) = self.open_life(dir, &start)?;
        if is_new {
            // It was being begun when the process ended, and nobody knows any more where.
            let dir = life.dir.clone();
            drop(life);
            return discard(&dir);
        }
        self.lives.push(life);
        Ok(())
    }

    fn open_life(&self, dir: PathBuf, start: &Head) -> Result<(Life, bool), MirrorError> {
        let disk = FsDisk::open(&dir)?;
        let options = OpenOptions {
            segment_bytes: self.segment_bytes,
            // The limit can change at a reload, so it is kept here.
            size_max: u64::MAX,
            ..OpenOptions::copy(self.log.origin())
        };
        let opened = EmbeddedLog::open_after(disk, options, start, now());
        let (engine, report) = opened.map_err(|source| MirrorError::Open {
            path: dir.clone(),
            source,
        })?;
        if report.cut.is_some() || report.damage.is_some() {
            tracing::warn!(mirror.origin = self.log.origin(), "mirror: {report}");
        }
        Ok((Life { dir, engine }, report.new_log))
    }

    /// The side that is read.
    #[must_use]
    pub fn log(&self) -> Arc<MirrorLog> {
        Arc::clone(&self.log)
    }

    /// Where the copy of the newest life ends.
    #[must_use]
    pub fn copied(&self) -> Option<Copied> {
        let engine = &self.lives.last()?.engine;
        Some(Copied {
            head: engine.head(),
            time: engine.status().newest.unwrap_or_default(),
        })
    }

    /// Begins a life if the batch says so, and appends its frames. They are on disk when this returns `Ok`.
    ///
    /// # Errors
    /// See [`StoreFailure`]. A part may have been stored: ask [`MirrorWriter::copied`].
    pub fn store(&mut self, batch: &Batch) -> Result<(), StoreFailure> {
        let stored = self.try_store(batch);
        // Readers are told of what was stored before a failure, too.
        self.changed
            .send_modify(|count| *count = count.wrapping_add(1));
        if now() >= self.next_look {
            self.look();
        }
        stored
    }

    fn try_store(&mut self, batch: &Batch) -> Result<(), StoreFailure> {
        if let Some(begin) = &batch.begin {
            self.begin(begin).map_err(|error| {
                tracing::error!(
                    mirror.origin = self.log.origin(),
                    error = &error as &dyn std::error::Error,
                    "a life of the mirror cannot be begun"
                );
                StoreFailure::Failed
            })?;
        }
        let Some(life) = self.lives.last_mut() else {
            return Err(StoreFailure::Failed);
        };
        match life.engine.append_frames(now(), &batch.frames) {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::error!(
                    mirror.origin = self.log.origin(),
                    error = &error as &dyn std::error::Error,
                    "frames of a mirror were not written"
                );
                Err(match error {
                    AppendError::Full(_) => StoreFailure::Full,
                    AppendError::Corrupt(_) => StoreFailure::Damaged,
                    _ => StoreFailure::Failed,
                })
            }
        }
    }

    fn begin(&mut self, begin: &Begin) -> Result<(), MirrorError> {
        if matches!(begin.why, Begun::Gap { .. })
            && let Some(life) = self.lives.pop()
        {
            self.publish();
            let dir = life.dir.clone();
            drop(life);
            discard(&dir)?;
        }
        let name = format!("{:016x}", begin.after.incarnation.0);
        let (life, _) = self.open_life(self.dir.join(name), &begin.after)?;
        self.lives.push(life);
        while self.lives.len() > LIVES_MAX {
            self.drop_oldest()?;
        }
        self.publish();
        Ok(())
    }

    fn drop_oldest(&mut self) -> Result<(), MirrorError> {
        if self.lives.is_empty() {
            return Ok(());
        }
        let life = self.lives.remove(0);
        self.publish();
        let dir = life.dir.clone();
        drop(life);
        discard(&dir)
    }

    /// Applies the retention and tells the sizes. To be called now and then when nothing is stored.
    pub fn look(&mut self) {
        let at = now();
        self.next_look = at.plus(LOOK_EVERY);
        let policy = self.retention.load().policy;
        for life in &mut self.lives {
            // Nothing holds a mirror: what a reader here still needs of it is its origin's to keep.
            if let Err(error) = life.engine.trim(at, &policy, FrameNumber(u64::MAX)) {
                tracing::warn!(
                    mirror.origin = self.log.origin(),
                    error = &error as &dyn std::error::Error,
                    "a mirror could not be trimmed"
                );
            }
        }
        while self.lives.len() > 1 && self.oldest_is_over(at, policy.keep) {
            if let Err(error) = self.drop_oldest() {
                tracing::warn!(
                    mirror.origin = self.log.origin(),
                    error = &error as &dyn std::error::Error,
                    "an old life of a mirror could not be removed"
                );
                break;
            }
        }
        self.measure();
    }

    fn oldest_is_over(&self, now: UnixMillis, keep: Duration) -> bool {
        let newest = self.lives.first().and_then(|it| it.engine.status().newest);
        newest.is_none_or(|newest| newest.plus(keep) < now)
    }

    fn publish(&self) {
        let last = self.lives.len().saturating_sub(1);
        let lives = self.lives.iter().enumerate().map(|(at, life)| MirrorLife {
            incarnation: life.engine.head().incarnation,
            reader: life.engine.reader(),
            ended: at < last,
        });
        self.log.lives.store(Arc::new(lives.collect()));
    }

    fn measure(&self) {
        let statuses: Vec<_> = self.lives.iter().map(|it| it.engine.status()).collect();
        self.log.measured(statuses.iter());
    }
}

/// The life a folder is of.
fn incarnation_of(name: &str) -> Option<Incarnation> {
    let number = u64::from_str_radix(name, 16).ok()?;
    (format!("{number:016x}") == name).then_some(Incarnation(number))
}

/// The names of the folders in `dir`, sorted; none if it is not there.
pub(super) fn folders(dir: &Path) -> Result<Vec<String>, MirrorError> {
    let failed = |source| MirrorError::Folder {
        path: dir.to_owned(),
        source,
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Removes a life. Its folder is renamed first, so that a crash leaves no half of it.
fn discard(dir: &Path) -> Result<(), MirrorError> {
    let failed = |source| MirrorError::Folder {
        path: dir.to_owned(),
        source,
    };
    let (Some(name), Some(parent)) = (dir.file_name(), dir.parent()) else {
        return Ok(());
    };
    let gone = parent.join(format!("{GONE}{}", name.to_string_lossy()));
    if gone.exists() {
        remove(&gone)?;
    }
    fs::rename(dir, &gone).map_err(failed)?;
    fs::File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    remove(&gone)
}

fn remove(dir: &Path) -> Result<(), MirrorError> {
    fs::remove_dir_all(dir).map_err(|source| MirrorError::Folder {
        path: dir.to_owned(),
        source,
    })
}
