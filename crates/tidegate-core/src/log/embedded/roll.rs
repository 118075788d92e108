//! Going on in a new segment: when the last one is full, sealed, or cannot be believed any more.

use std::io;
use std::sync::Arc;

use tidegate_types::time::UnixMillis;

use super::{EmbeddedLog, Tail, failed};
use crate::log::disk::{Disk, DiskFile};
use crate::log::engine::{AppendError, Damage, FullCause, LogReader, ReadError};
use crate::log::frame::Frame;
use crate::log::read::Reader;
use crate::log::segment::{Extent, Footer, Segment, SegmentHeader, segment_name};

impl<D: Disk> EmbeddedLog<D> {
    /// Begins a segment of `len` bytes, then seals the one before.
    ///
    /// In this order a crash between leaves a segment without footer, which is read at open; a full
    /// disk leaves everything as it was.
    pub(super) fn begin_segment(
        &mut self,
        now: UnixMillis,
        len: u64,
    ) -> Result<Arc<D::File>, AppendError> {
        if matches!(self.tail, Tail::Failed) {
            self.reread_last()?;
        }
        let taken = self.shared.view().bytes();
        if taken.saturating_add(len) > self.options.size_max {
            return Err(AppendError::Full(FullCause::SizeLimit));
        }
        let name = segment_name(self.sequence);
        let header = SegmentHeader {
            incarnation: self.head.incarnation,
            sequence: self.sequence,
            first: self.head.frame.next(),
            prev: self.head.hash,
            created: now,
            origin: self.options.origin.clone(),
        };
        self.sequence += 1;
        let disk = &self.shared.disk;
        let file = write_segment(disk, &name, &header, len).map_err(failed)?;
        let file = Arc::new(file);
        self.seal_last();
        self.shared.change().segments.push_back(Segment {
            name,
            extent: Extent::empty(header.first, self.time),
            bytes: len,
            index: Some(Vec::new()),
            file: Some(Arc::clone(&file)),
        });
        self.tail = Tail::Open(Arc::clone(&file));
        self.shared.disk.prepare(self.options.segment_bytes);
        Ok(file)
    }

    /// Writes the footer of the last segment and lets go of its file and index.
    ///
    /// A footer is redundant: if it cannot be written, the index stays in memory and the frames are
    /// read at the next open.
    fn seal_last(&self) {
        let (file, footer) = {
            let view = self.shared.view();
            let Some(segment) = view.segments.back() else {
                return;
            };
            let (Some(file), Some(index)) = (&segment.file, &segment.index) else {
                return;
            };
            let footer = Footer {
                incarnation: self.head.incarnation,
                extent: segment.extent,
                hash: self.head.hash,
                index: index.clone(),
            };
            (Arc::clone(file), footer)
        };
        let written = footer.write(&*file);
        let mut view = self.shared.change();
        if let Some(segment) = view.segments.back_mut() {
            segment.file = None;
            if let Ok(len) = written {
                segment.bytes = len;
                segment.index = None;
            }
        }
    }

    /// After a failed write or sync: nothing past the last acknowledged frame is believed, and the log
    /// goes on in a new segment. If that cannot be begun now, the next append tries again and says why.
    pub(super) fn recover(&mut self, now: UnixMillis, error: io::Error) -> AppendError {
        self.failures += 1;
        self.tail = Tail::Failed;
        let _begun: Result<_, AppendError> = self.begin_segment(now, self.options.segment_bytes);
        failed(error)
    }

    /// Reads the last acknowledged frame again and compares it with what was acknowledged.
    fn reread_last(&self) -> Result<(), AppendError> {
        let extent = self.last_extent();
        if extent.frames() == 0 {
            return Ok(());
        }
        let reader = Reader(Arc::clone(&self.shared));
        let damage = match reader.read(self.head.frame, 1) {
            Ok(frames) if frames.first().map(Frame::hash) == Some(self.head.hash) => return Ok(()),
            Err(ReadError::Io { source, .. }) => return Err(failed(source)),
            Err(ReadError::Corrupt(damage)) => damage,
            _ => {
                let view = self.shared.view();
                let segment = view.segments.back().map(|last| last.name.clone());
                Box::new(Damage {
                    segment: segment.unwrap_or_default(),
                    offset: extent.end,
                    frame: self.head.frame,
                    problem: "the frame before is not the one that was acknowledged".to_owned(),
                })
            }
        };
        self.shared.change().damage = Some(Arc::new(damage.as_ref().clone()));
        Err(AppendError::Corrupt(damage))
    }
}

/// Makes a segment with its header, durable; leaves nothing behind if that fails.
pub(in crate::log) fn write_segment<D: Disk>(
    disk: &D,
    name: &str,
    header: &SegmentHeader,
    len: u64,
) -> io::Result<D::File> {
    let file = disk.create(name, len)?;
    let written = file
        .write_at(&header.encode(), 0)
        .and_then(|()| file.sync_data())
        .and_then(|()| disk.sync_dir());
    match written {
        Ok(()) => Ok(file),
        Err(error) => {
            // It holds no frame: if it stays, the next open removes it.
            let _removed: io::Result<()> = disk.remove(name);
            Err(error)
        }
    }
}
