//! A copy of another log: frames are taken as they are, several with one sync.
//!
//! In a log of our own frame n+1 is written only after the sync of frame n. A copy need not be so
//! strict: what a crash tears of its end can be fetched again. So consecutive frames are written as one
//! **group**, and recovery allows for a tear as long as a group ([`OpenOptions::write_bytes`]).
//!
//! [`OpenOptions::write_bytes`]: super::OpenOptions::write_bytes

use std::sync::Arc;

use tidegate_types::time::UnixMillis;

use super::{EmbeddedLog, Tail};
use crate::log::disk::{Disk, DiskFile};
use crate::log::engine::{AppendError, Engine as _, Head};
use crate::log::entry::Entry;
use crate::log::frame::Frame;
use crate::log::segment::Segment;

impl<D: Disk> EmbeddedLog<D> {
    /// Appends frames of the log this is a copy of, byte for byte. They are written **and synced** when
    /// this returns `Ok`.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] if they do not follow the head one by one, in number, hash and time,
    /// or see there. Those before may have been appended: ask [`Engine::head`](super::Engine::head).
    pub fn append_frames(
        &mut self,
        now: UnixMillis,
        frames: &[Frame],
    ) -> Result<Head, AppendError> {
        let mut left = frames;
        while !left.is_empty() {
            let (group, rest) = left.split_at(self.group_len(left));
            self.append_group(now, group)?;
            left = rest;
        }
        Ok(self.head())
    }

    /// How many of the frames one write may hold; at least one.
    fn group_len(&self, frames: &[Frame]) -> usize {
        let mut bytes = 0;
        let fits = frames.iter().take_while(|frame| {
            bytes += frame.bytes().len();
            bytes <= self.options.write_bytes
        });
        fits.count().max(1)
    }

    fn append_group(&mut self, now: UnixMillis, group: &[Frame]) -> Result<(), AppendError> {
        self.check(&self.head())?;
        let (head, time) = self.behind(group)?;
        let mut bytes = Vec::with_capacity(group.iter().map(|frame| frame.bytes().len()).sum());
        for frame in group {
            bytes.extend_from_slice(frame.bytes());
        }
        let (file, offset) = self.room_behind(now, group, bytes.len() as u64)?;
        let written = file
            .write_at(&bytes, offset)
            .and_then(|()| file.sync_data());
        if let Err(error) = written {
            return Err(self.recover(now, error));
        }
        self.time = time;
        self.head = head;
        let mut view = self.shared.change();
        view.head = head;
        if let Some(Segment {
            extent,
            index: Some(index),
            bytes,
            ..
        }) = view.segments.back_mut()
        {
            for frame in group {
                extent.push(frame.header(), index);
            }
            *bytes = extent.end.max(*bytes);
        }
        Ok(())
    }

    /// The head and time behind the frames, if they follow.
    fn behind(&self, group: &[Frame]) -> Result<(Head, UnixMillis), AppendError> {
        let (mut head, mut time) = (self.head, self.time);
        for frame in group {
            let header = frame.header();
            let follows = header.incarnation == head.incarnation
                && header.number == head.frame.next()
                && header.prev == head.hash
                && header.time >= time;
            if !follows {
                return Err(AppendError::Conflict { head: self.head });
            }
            head.frame = header.number;
            head.hash = frame.hash();
            time = header.time;
        }
        Ok((head, time))
    }

    /// Where the group goes. A series of chunks stays in one segment, so that a trim takes all of it
    /// or nothing; only a segment that failed in its midst is left all the same.
    fn room_behind(
        &mut self,
        now: UnixMillis,
        group: &[Frame],
        bytes: u64,
    ) -> Result<(Arc<D::File>, u64), AppendError> {
        match &self.tail {
            Tail::Open(file) if group.first().is_some_and(continues) => {
                Ok((Arc::clone(file), self.last_bytes().0))
            }
            _ => self.room(now, bytes),
        }
    }
}

/// Whether a frame goes on with the chunks of the frame before.
fn continues(frame: &Frame) -> bool {
    match frame.entry(0) {
        Some(Ok(Entry::Chunk(chunk))) => chunk.index > 0,
        Some(Ok(Entry::Joined(end))) => end.chunks > 0,
        _ => false,
    }
}
