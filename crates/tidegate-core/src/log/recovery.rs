//! Opening a log: what is there, what of it can be believed, and what was found on the way.
//!
//! Sealed segments are believed by their footer, chained to the next header; a segment without one, and
//! the last one always, are read whole. A later segment wins over the end of an earlier one. Only the
//! end of the last segment may be torn: it is cut, zeroed and reported. Anything else that is wrong
//! stops the log there: it serves what stands before and takes nothing more.

mod headers;
mod report;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use tidegate_types::position::{FrameNumber, Incarnation};
use tidegate_types::time::UnixMillis;

use headers::{Found, Headers};
pub use report::{CutTail, OpenError, RecoveryReport};

use super::disk::{Disk, DiskFile, read_full};
use super::embedded::{
    EmbeddedLog, FIRST_SEGMENT_BYTES_MAX, OpenOptions, Tail, empty_head, write_segment,
};
use super::engine::{Damage, Head};
use super::frame::FrameDraft;
use super::scan::{Ending, Expected, Scanned, scan};
use super::segment::{
    Extent, Footer, HEADER_LEN, IndexEntry, SEGMENT_HEADER_BYTES, Segment, SegmentHeader,
    segment_name,
};
use super::view::{Shared, View};
use super::{FRAME_BYTES_MAX, FrameHash};

impl<D: Disk> EmbeddedLog<D> {
    /// Opens the log that is on `disk`, or begins a new one there. `now` becomes the incarnation of a
    /// new log.
    ///
    /// A damaged log opens too, see [`RecoveryReport::damage`].
    ///
    /// # Errors
    /// The disk fails, or what is there is not this region's log or of a later version.
    pub fn open(
        disk: D,
        options: OpenOptions,
        now: UnixMillis,
    ) -> Result<(Self, RecoveryReport), OpenError> {
        let start = empty_head(&options.origin, Incarnation(now.0.max(1)));
        Self::open_after(disk, options, &start, now)
    }

    /// Opens the log that is on `disk`, or begins one there whose first frame follows `start`: a copy
    /// of another log, which may have lost its oldest frames.
    ///
    /// # Errors
    /// As [`EmbeddedLog::open`].
    pub fn open_after(
        disk: D,
        options: OpenOptions,
        start: &Head,
        now: UnixMillis,
    ) -> Result<(Self, RecoveryReport), OpenError> {
        if let Some(problem) = options.problem() {
            return Err(OpenError::Options(problem));
        }
        let found = Recovery::run(&disk, &options, start, now)?;
        let Recovery {
            head,
            time,
            segments,
            report,
            tail,
            sequence,
            write_bytes: _,
        } = found;
        disk.prepare(options.segment_bytes);
        let view = View {
            head,
            segments,
            damage: report.damage.clone().map(Arc::new),
        };
        let log = Self {
            options,
            shared: Arc::new(Shared::new(disk, view)),
            tail,
            head,
            time,
            sequence,
            failures: 0,
            draft: FrameDraft::new(),
        };
        Ok((log, report))
    }
}

/// How far the recovery has come.
struct Recovery<F> {
    head: Head,
    time: UnixMillis,
    segments: VecDeque<Segment<F>>,
    report: RecoveryReport,
    tail: Tail<F>,
    sequence: u64,
    write_bytes: usize,
}

impl<F: DiskFile> Recovery<F> {
    fn run<D: Disk<File = F>>(
        disk: &D,
        options: &OpenOptions,
        start: &Head,
        now: UnixMillis,
    ) -> Result<Self, OpenError> {
        let headers = Headers::read(disk, options)?;
        let Some(first) = headers.found.first() else {
            return match headers.bad {
                Some(segment) => Err(OpenError::Damaged(bad_header(segment, FrameNumber(1)))),
                None => Self::begin(disk, options, (start, now), headers.sequence),
            };
        };
        let incarnation = first.header.incarnation;
        let frame = FrameNumber(first.header.first.0.saturating_sub(1));
        let empty = empty_head(&options.origin, incarnation);
        let hash = if frame == empty.frame {
            empty.hash
        } else {
            first.header.prev
        };
        let mut recovery = Self {
            head: Head {
                incarnation,
                frame,
                hash,
            },
            time: UnixMillis(0),
            segments: VecDeque::new(),
            report: RecoveryReport {
                unfinished_removed: headers.unfinished_removed,
                ..RecoveryReport::default()
            },
            tail: Tail::Sealed,
            sequence: headers.sequence,
            write_bytes: options.write_bytes,
        };
        let firsts: Vec<_> = headers.found.iter().map(|next| next.header.first).collect();
        let mut limits = firsts.into_iter().skip(1);
        for found in headers.found {
            recovery.take(found, limits.next())?;
            if recovery.report.damage.is_some() {
                return Ok(recovery.finished());
            }
        }
        if let Some(segment) = headers.bad {
            recovery.report.damage = Some(bad_header(segment, recovery.head.frame.next()));
        }
        Ok(recovery.finished())
    }

    /// Begins a log in an empty directory.
    fn begin<D: Disk<File = F>>(
        disk: &D,
        options: &OpenOptions,
        (start, now): (&Head, UnixMillis),
        sequence: u64,
    ) -> Result<Self, OpenError> {
        let head = *start;
        let name = segment_name(sequence);
        let header = SegmentHeader {
            incarnation: head.incarnation,
            sequence,
            first: head.frame.next(),
            prev: head.hash,
            created: now,
            origin: options.origin.clone(),
        };
        let len = options.segment_bytes.min(FIRST_SEGMENT_BYTES_MAX);
        let file = write_segment(disk, &name, &header, len).map_err(OpenError::io(&name))?;
        let file = Arc::new(file);
        let segment = Segment {
            name,
            extent: Extent::empty(header.first, UnixMillis(0)),
            bytes: len,
            index: Some(Vec::new()),
            file: Some(Arc::clone(&file)),
        };
        let begun = Self {
            head,
            time: UnixMillis(0),
            segments: VecDeque::from([segment]),
            report: RecoveryReport {
                new_log: true,
                ..RecoveryReport::default()
            },
            tail: Tail::Open(file),
            sequence: sequence + 1,
            write_bytes: options.write_bytes,
        };
        Ok(begun.finished())
    }

    /// Takes in the next segment, of which the frames before `limit` count; all, if it is the last.
    fn take(&mut self, found: Found<F>, limit: Option<FrameNumber>) -> Result<(), OpenError> {
        let header = &found.header;
        let follows = header.incarnation == self.head.incarnation
            && header.first == self.head.frame.next()
            && header.prev == self.head.hash;
        if !follows {
            let problem = "the segment does not follow from the one before".to_owned();
            self.damaged(found.name, 0, problem);
            return Ok(());
        }
        let io_error = OpenError::io(&found.name);
        match limit {
            Some(limit) => match Footer::read(&*found.file).map_err(io_error)? {
                Some(footer) if believable(&footer, header, limit) => {
                    self.push(&found, footer.extent, footer.hash, None, false);
                    Ok(())
                }
                _ => self.take_unsealed(found, limit),
            },
            None => self.take_last(found),
        }
    }

    /// A segment that is followed by another one but has no footer: a crash came between.
    fn take_unsealed(&mut self, mut found: Found<F>, limit: FrameNumber) -> Result<(), OpenError> {
        let scanned = self.scan(&found, Some(limit))?;
        self.report.scanned_bytes += scanned.extent.end;
        if let Ending::Damaged(problem) = scanned.ending {
            self.push(
                &found,
                scanned.extent,
                scanned.hash,
                Some(scanned.index),
                false,
            );
            self.damaged(found.name, scanned.extent.end, problem);
            return Ok(());
        }
        let footer = Footer {
            incarnation: self.head.incarnation,
            extent: scanned.extent,
            hash: scanned.hash,
            index: scanned.index,
        };
        // A footer is redundant: without it the index stays in memory.
        let index = if let Ok(len) = footer.write(&*found.file) {
            self.report.footers_repaired += 1;
            found.bytes = len;
            None
        } else {
            Some(footer.index)
        };
        self.push(&found, footer.extent, footer.hash, index, false);
        Ok(())
    }

    /// The last segment: read whole, its torn end cut.
    fn take_last(&mut self, found: Found<F>) -> Result<(), OpenError> {
        let scanned = self.scan(&found, None)?;
        self.report.scanned_bytes += scanned.extent.end;
        let end = scanned.extent.end;
        let mut writable = true;
        match scanned.ending {
            Ending::Clean => {}
            Ending::Sealed => writable = false,
            Ending::Torn(bytes) => {
                zero(&*found.file, end, bytes).map_err(OpenError::io(&found.name))?;
                self.report.cut = Some(CutTail {
                    segment: found.name.clone(),
                    offset: end,
                    bytes,
                    frame: scanned.extent.last.next(),
                });
            }
            Ending::Version(version) => {
                return Err(OpenError::Version {
                    segment: found.name,
                    version,
                });
            }
            Ending::Damaged(problem) => {
                self.push(
                    &found,
                    scanned.extent,
                    scanned.hash,
                    Some(scanned.index),
                    false,
                );
                self.damaged(found.name, end, problem);
                return Ok(());
            }
        }
        if writable {
            let last_write = self.last_write(&scanned);
            settle(&*found.file, last_write).map_err(OpenError::io(&found.name))?;
        }
        self.push(
            &found,
            scanned.extent,
            scanned.hash,
            Some(scanned.index),
            writable,
        );
        Ok(())
    }

    /// Offset and length of what the last write may have held.
    fn last_write(&self, scanned: &Scanned) -> Option<(u64, usize)> {
        let (offset, len) = scanned.last_frame?;
        if self.write_bytes == FRAME_BYTES_MAX {
            return Some((offset, len));
        }
        let end = offset + len as u64;
        let start = end.saturating_sub(self.write_bytes as u64);
        let start = start.max(SEGMENT_HEADER_BYTES);
        usize::try_from(end - start).ok().map(|len| (start, len))
    }

    fn scan(&self, found: &Found<F>, limit: Option<FrameNumber>) -> Result<Scanned, OpenError> {
        let extent = Extent::empty(found.header.first, self.time);
        let expected = Expected {
            incarnation: self.head.incarnation,
            prev: self.head.hash,
            limit,
            write_bytes: self.write_bytes,
        };
        scan(&*found.file, extent, &expected).map_err(OpenError::io(&found.name))
    }

    /// The segment is believed up to here; `writable` if the next frame goes there.
    fn push(
        &mut self,
        found: &Found<F>,
        extent: Extent,
        hash: FrameHash,
        index: Option<Vec<IndexEntry>>,
        writable: bool,
    ) {
        self.head.frame = extent.last;
        self.head.hash = hash;
        self.time = extent.last_time;
        if writable {
            self.tail = Tail::Open(Arc::clone(&found.file));
        }
        self.segments.push_back(Segment {
            name: found.name.clone(),
            extent,
            bytes: found.bytes,
            index,
            file: writable.then(|| Arc::clone(&found.file)),
        });
    }

    fn damaged(&mut self, segment: String, offset: u64, problem: String) {
        self.report.damage = Some(Damage {
            segment,
            offset,
            frame: self.head.frame.next(),
            problem,
        });
    }

    fn finished(mut self) -> Self {
        let first = self.segments.front().map(|segment| segment.extent.first);
        self.report.head = Some(self.head);
        self.report.segments = self.segments.len() as u64;
        self.report.frames =
            first.map_or(0, |first| self.head.frame.next().0.saturating_sub(first.0));
        self.report.bytes = self.segments.iter().map(|segment| segment.bytes).sum();
        self
    }
}

fn bad_header(segment: String, frame: FrameNumber) -> Damage {
    Damage {
        segment,
        offset: 0,
        frame,
        problem: "the header of the segment is damaged".to_owned(),
    }
}

/// Whether the footer of a segment fits its header and the header of the next segment.
fn believable(footer: &Footer, header: &SegmentHeader, limit: FrameNumber) -> bool {
    footer.incarnation == header.incarnation
        && footer.extent.first == header.first
        && footer.extent.last.next() == limit
}

/// Makes header and last write durable in earnest: they are written again, because a failed sync
/// before (of a process that died over it, or of an open that failed) may have left pages that can be
/// read but are neither on disk nor going to be.
fn settle(file: &impl DiskFile, last_write: Option<(u64, usize)>) -> io::Result<()> {
    rewrite(file, 0, HEADER_LEN)?;
    if let Some((offset, len)) = last_write {
        rewrite(file, offset, len)?;
    }
    file.sync_data()
}

fn rewrite(file: &impl DiskFile, offset: u64, len: usize) -> io::Result<()> {
    let mut bytes = vec![0; len];
    let read = read_full(file, &mut bytes, offset)?;
    file.write_at(bytes.get(..read).unwrap_or_default(), offset)
}

/// Overwrites a torn write; synced by [`settle`]. The length is at most that of one write.
fn zero(file: &impl DiskFile, offset: u64, len: u64) -> io::Result<()> {
    let len = usize::try_from(len).map_err(io::Error::other)?;
    file.write_at(&vec![0; len], offset)
}
